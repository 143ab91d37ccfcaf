public import Replication

// Which of two data sets is the pair's, told in order
//
// Where one server follows the other, that is settled. Where the peer cannot be read, it is waited for. Where neither
// follows the other, the histories are compared: whichever holds all that the other holds leads, and the other one
// follows; a server without a key leads nobody who has some, unless it serves and its history says that its clients have
// deleted them, as they do with a queue. Where both went on from the same history, the one that was
// promoted last leads, since clients were sent there, and what the other holds beyond is counted before it follows.
// A crash draws a new id, after which histories cannot be compared; then the memories of both nodes decide, by the number
// of promotions that they have seen. Where nothing ties the data sets together, nobody but the operator can know.

/// What a look at both servers of a pair comes to, seen from one of them.
public struct Survey: Sendable, Equatable {
    /// What to do.
    public enum Verdict: Sendable, Equatable {
        /// The roles are as they should be: the one follows the other, or is about to be decided by the election.
        case inPlace(String)
        /// The local server holds all there is: it may be made master by whoever wins the election.
        case lead(String)
        /// The local server is to follow the peer's.
        case follow(RedisOrder.Discard, String)
        /// The peer's is to lead, and is no master yet: until then the local one must not be one either.
        case yield(String)
        /// Too early to say: the reason.
        case wait(String)
        /// Data sets that have nothing to do with each other.
        case unrelated(String)
    }

    /// What the local server says.
    public var local: ReplicationInfo
    /// What the peer's says; nil where it does not answer.
    public var peer: ReplicationInfo?
    /// Whether the local server's link leads to the peer's.
    public var localFollowsPeer: Bool
    /// Whether the peer's link leads to the local server.
    public var peerFollowsLocal: Bool
    /// Whether the other node has the virtual addresses, or is Active.
    public var peerServes: Bool
    /// What the other daemon shows; nil where it is not to be seen.
    public var presence: Presence?
    /// What this node remembers.
    public var memory: Memory
    /// Whether a peer that does not answer was waited for long enough. Never for one that answers and cannot be used.
    public var hasWaited: Bool

    /// Which data set the operator has decided for, where nothing else tells.
    public var decision: Decision?

    /// The operator's choice between unrelated data sets.
    public enum Decision: Sendable, Equatable {
        case local
        case peer
    }

    /// Makes one.
    public init(
        local: ReplicationInfo, peer: ReplicationInfo?, localFollowsPeer: Bool, peerFollowsLocal: Bool,
        peerServes: Bool, presence: Presence?, memory: Memory, hasWaited: Bool, decision: Decision? = nil
    ) {
        self.decision = decision
        self.local = local
        self.peer = peer
        self.localFollowsPeer = localFollowsPeer
        self.peerFollowsLocal = peerFollowsLocal
        self.peerServes = peerServes
        self.presence = presence
        self.memory = memory
        self.hasWaited = hasWaited
    }

    /// Decides.
    public var verdict: Verdict {
        guard let peer else { return withoutPeer }
        // A replica with its link down copies whatever its master has loaded: that is to be seen first.
        if peer.isLoading, !localFollowsPeer || local.masterLink?.isUp != true {
            return .wait("the peer's Redis is loading its data set")
        }
        if localFollowsPeer, peer.masterLink == nil { return .inPlace("the local Redis follows the peer's") }
        if peerFollowsLocal, local.masterLink == nil, !isAboutToEmpty(peer), !isAhead(peer) {
            return .inPlace("the peer's Redis follows the local one")
        }
        if peerServes, local.keys != 0, peer.wasEmptied(after: local) {
            return .follow(
                .nothing, "the peer serves, and its clients have emptied the data set that the local one is of")
        }
        if local.keys == 0 || peer.keys == 0 { return withoutKeys(peer) }
        guard let own = local.history, let theirs = peer.history else { return byMemory(peer) }
        switch own.relation(to: theirs) {
        case .same: return alike(peer, .nothing, "both data sets are the same")
        case .behind(let bytes):
            return follow(peer, .nothing, "the peer's data set holds the local one, and \(bytes) bytes more")
        case .ahead(let bytes):
            if peerServes, peer.masterLink == nil {
                return follow(peer, .surplus, "the peer serves without the last \(bytes) bytes of the local data set")
            }
            return .lead("the local data set holds the peer's, and \(bytes) bytes more")
        case .diverged(let mine, let others): return diverged(peer, mine, others)
        case .unrelated: return byMemory(peer)
        }
    }

    private var withoutPeer: Verdict {
        if localFollowsPeer, local.masterLink?.isUp == true { return .inPlace("the local Redis follows the peer's") }
        guard hasWaited else { return .wait("the peer's Redis does not answer yet") }
        if localFollowsPeer { return .inPlace("the local Redis follows the peer's, which does not answer") }
        if local.keys == 0, !memory.wasMaster {
            return .wait("the local Redis is empty, and the peer's, which may have data, does not answer")
        }
        return .lead("the peer's Redis does not answer")
    }

    private func withoutKeys(_ peer: ReplicationInfo) -> Verdict {
        switch (local.keys == 0, peer.keys == 0) {
        case (true, true): alike(peer, .surplus, "both data sets are empty")
        // Its clients, or the expiry of its last key, may have emptied it: that is in its history, and is counted.
        case (true, false): follow(peer, .surplus, "the local data set is empty")
        default: .lead("the peer's data set is empty")
        }
    }

    /// Neither data set has a key that the other lacks.
    private func alike(_ peer: ReplicationInfo, _ discard: RedisOrder.Discard, _ why: String) -> Verdict {
        switch (local.masterLink == nil, peer.masterLink == nil) {
        case (false, true): .follow(discard, why)
        case (true, true) where peerServes: .follow(discard, why)
        default: .lead(why)
        }
    }

    /// Follow it, if it is a master by now.
    private func follow(_ peer: ReplicationInfo, _ discard: RedisOrder.Discard, _ why: String) -> Verdict {
        peer.masterLink == nil ? .follow(discard, why) : .yield("\(why); waiting for it to become master")
    }

    /// The local server came back without data, and its replica still has some: it must not copy that. Its link is down, or
    /// still brings what the process before had sent, of another history.
    private func isAboutToEmpty(_ peer: ReplicationInfo) -> Bool {
        guard local.keys == 0, (peer.keys ?? 0) > 0 else { return false }
        return peer.masterLink?.isUp != true || peer.identity?.id != local.identity?.id
    }

    /// The local server came back with an older data set, and its replica still holds what that lacks. In the same history it
    /// was only read a moment later.
    private func isAhead(_ peer: ReplicationInfo) -> Bool {
        guard let own = local.history, let theirs = peer.history, own.identity.id != theirs.identity.id else {
            return false
        }
        if case .behind = own.relation(to: theirs) { return true }
        return false
    }

    /// Whether `younger` went on from the history that `elder` is still in. Of two that both have writes of their own that
    /// tells who was promoted last. Without any it tells nothing: a server that is restarted from an old snapshot draws a new
    /// id as well, and looks as if it had been promoted there.
    private func isPromotedFrom(_ elder: ReplicationInfo, _ younger: ReplicationInfo) -> Bool {
        guard let old = elder.identity, let new = younger.identity else { return false }
        return old.id != new.id && new.previous?.id == old.id
    }

    private func diverged(_ peer: ReplicationInfo, _ own: Int64, _ others: Int64) -> Verdict {
        let bytes = "\(own) bytes here and \(others) at the peer have no counterpart"
        // Promoted while it was cut off, and read-only since: who serves has gone on meanwhile, and is not to be replaced.
        if peerServes, peer.masterLink == nil, local.masterLink != nil {
            return .follow(.surplus, "the peer serves, and the local Redis does not; \(bytes)")
        }
        if isPromotedFrom(peer, local) { return .lead("the local server was promoted last; \(bytes)") }
        if isPromotedFrom(local, peer) { return follow(peer, .surplus, "the peer was promoted last; \(bytes)") }
        if peerServes { return follow(peer, .surplus, "the peer serves; \(bytes)") }
        return own >= others
            ? .lead("both were promoted, the local one holds more; \(bytes)")
            : follow(peer, .surplus, "both were promoted, the peer's holds more; \(bytes)")
    }

    /// The ids say nothing: a crash has drawn new ones, or the servers are older than Redis 4.
    private func byMemory(_ peer: ReplicationInfo) -> Verdict {
        let keys =
            "the local data set (\(Self.count(local.keys))) and the peer's (\(Self.count(peer.keys))) "
            + "have no common history that could be compared"
        let isKin = memory.knows(peer) || memory.epoch > 0 && (presence?.epoch ?? 0) > 0
        if decision == .local { return .lead("\(keys), and the operator has promoted the local server") }
        if decision == .peer { return follow(peer, .kin, "\(keys), and the operator has promoted the peer's server") }
        guard isKin else { return .unrelated(keys) }
        let why = "\(keys), but both are this pair's"
        if peer.masterLink == nil, peerServes { return .follow(.kin, "\(why), and the peer serves") }
        let isLast = isMasterLast(peer)
        if isLast { return .lead("\(why), and the local server was master last") }
        return follow(peer, .kin, "\(why), and the peer was master last")
    }

    /// Whether the local server was promoted after the peer, as both nodes remember it. Both sides come to opposite answers.
    private func isMasterLast(_ peer: ReplicationInfo) -> Bool {
        guard let presence else { return memory.wasMaster }
        if memory.epoch != presence.epoch { return memory.epoch > presence.epoch }
        if memory.wasMaster != presence.isMaster { return memory.wasMaster }
        let (own, theirs) = (local.keys ?? 0, peer.keys ?? 0)
        return own != theirs ? own > theirs : (local.server?.runID ?? "") > (peer.server?.runID ?? "")
    }

    private static func count(_ keys: Int64?) -> String { keys.map { "\($0) keys" } ?? "keys not counted" }
}

extension Memory {
    /// Whether the peer's data set went through a history that the local one went through.
    func knows(_ peer: ReplicationInfo) -> Bool {
        let ids = [peer.identity?.id, peer.identity?.previous?.id, peer.identity == nil ? peer.server?.runID : nil]
        return lineage.contains { ids.contains($0.id) }
    }

    /// Whether this master is the one that the node remembers to have served with: the same process, or, where that was not
    /// noted, one that goes on in the latest history, which a process that is started anew does not. A node that remembers
    /// nothing has nothing to have lost.
    func continues(_ master: ReplicationInfo) -> Bool {
        if epoch == 0, lineage.isEmpty, !wasMaster { return true }
        guard wasMaster, let id = master.identity?.id ?? master.server?.runID else { return false }
        if let masterRunID { return masterRunID == master.server?.runID }
        return lineage.last?.id == id || promotion?.runID == master.server?.runID
    }

    /// Notes how far the local data set goes in a history. Returns whether that is worth keeping: a new history.
    mutating func note(_ id: String, offset: Int64) -> Bool {
        if let index = lineage.firstIndex(where: { $0.id == id }) {
            let entry = lineage.remove(at: index)
            let wasLatest = index == lineage.count
            lineage.append(Lineage(id: id, offset: max(entry.offset, offset)))
            return !wasLatest
        }
        lineage.append(Lineage(id: id, offset: offset))
        if lineage.count > Self.capacity { lineage.removeFirst() }
        return true
    }
}
