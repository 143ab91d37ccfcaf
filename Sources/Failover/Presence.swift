import Replication
public import Salvage

/// What the daemon of a node shows to the other one, and how: it is subscribed, on the *other* node's Redis, to a channel
/// of this name, where nothing is ever published. The other daemon asks its own Redis with `PUBSUB CHANNELS`, which every
/// version knows. So two daemons see each other without listening on the network, and without a byte in the
/// replication stream.
///
///     syncgate:<VRID>:<node>:<state>:<epoch>:<master or replica>:<promotion>:<settled>
///
/// The promotion is `<run_id>,<replication id>,<offset>`, or `-`; what is settled is `<epoch>,<bytes>,<commands or ->`, or `-`.
public struct Presence: Sendable, Hashable {
    /// The VRID.
    public var virtualRouterID: UInt8
    /// The node's name, without colons, blanks and glob characters.
    public var node: String
    /// The coordinator's state.
    public var state: CoordinatorState
    /// How many promotions the pair has had, as far as this node knows.
    public var epoch: UInt64
    /// Whether its Redis is the pair's master, or was when it was last seen.
    public var isMaster: Bool
    /// The promotion of its Redis, while it is master by that: how far it had come in the old master's history.
    public var promotion: RememberedPromotion?
    /// What the other node's promotion of this number has lost, as was found out when this one's Redis was made to follow.
    public var settled: Settlement?

    /// Makes one.
    public init(
        virtualRouterID: UInt8, node: String, state: CoordinatorState, epoch: UInt64, isMaster: Bool = false,
        promotion: RememberedPromotion? = nil, settled: Settlement? = nil
    ) {
        self.virtualRouterID = virtualRouterID
        self.node = node
        self.state = state
        self.epoch = epoch
        self.isMaster = isMaster
        self.promotion = promotion
        self.settled = settled
    }

    /// The channel's name.
    public var channel: String {
        [
            "syncgate", "\(virtualRouterID)", node, state.rawValue, "\(epoch)", isMaster ? "master" : "replica",
            promotion?.field ?? Self.nothing, settled?.field ?? Self.nothing,
        ].joined(separator: ":")
    }

    /// In the place of what there is not.
    private static let nothing = "-"
    /// Of a name that can be ours, bytes.
    private static let longest = 400

    /// Reads a channel's name; nil for any other text. Anybody may be subscribed to anything.
    public init?(channel: String) {
        guard channel.utf8.count <= Self.longest else { return nil }
        let parts = channel.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 8, parts[0] == "syncgate", let id = UInt8(parts[1]), id > 0, parts[2].isNodeName,
            let state = CoordinatorState(rawValue: String(parts[3])), let epoch = parts[4].epoch,
            parts[5] == "master" || parts[5] == "replica"
        else { return nil }
        self.init(
            virtualRouterID: id, node: String(parts[2]), state: state, epoch: epoch, isMaster: parts[5] == "master")
        if parts[6] != Self.nothing {
            guard let promotion = RememberedPromotion(field: parts[6]) else { return nil }
            self.promotion = promotion
        }
        if parts[7] != Self.nothing {
            guard let settled = Settlement(field: parts[7]) else { return nil }
            self.settled = settled
        }
    }
}

extension RememberedPromotion {
    /// As it stands in a channel's name; nil where its ids cannot.
    fileprivate var field: String? {
        guard masterRunID.isReplicationID, replicationID.isReplicationID, offset >= 0 else { return nil }
        return "\(masterRunID),\(replicationID),\(offset)"
    }

    fileprivate init?(field: Substring) {
        let parts = field.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isReplicationID, parts[1].isReplicationID, let offset = parts[2].quantity
        else {
            return nil
        }
        self.init(masterRunID: String(parts[0]), replicationID: String(parts[1]), offset: offset)
    }
}

extension Settlement {
    /// As it stands in a channel's name.
    fileprivate var field: String? {
        guard lost.bytes >= 0, lost.commands ?? 0 >= 0 else { return nil }
        return "\(epoch),\(lost.bytes),\(lost.commands.map { "\($0)" } ?? "-")"
    }

    fileprivate init?(field: Substring) {
        let parts = field.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 3, let epoch = parts[0].epoch, let bytes = parts[1].quantity else { return nil }
        let commands = parts[2].quantity
        guard commands != nil || parts[2] == "-" else { return nil }
        self.init(epoch: epoch, lost: LossAmendment(bytes: bytes, commands: commands))
    }
}

extension StringProtocol {
    /// Printable, and short enough for a log.
    fileprivate var isNodeName: Bool {
        (1...64).contains(utf8.count) && utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    /// As Redis makes them: 40 digits and letters; ours are not longer, and have nothing else in them.
    fileprivate var isReplicationID: Bool {
        (1...40).contains(utf8.count)
            && utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
                default: false
                }
            }
    }

    /// The number of a promotion that a pair can have come to.
    fileprivate var epoch: UInt64? { UInt64(self).flatMap { $0 <= Memory.mostEpoch ? $0 : nil } }

    /// A number of bytes or commands, in digits; nil for anything else.
    fileprivate var quantity: Int64? {
        utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int64(self) : nil
    }
}
