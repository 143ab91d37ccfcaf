import Replication

/// One Redis server as far as replication goes: roles, ids, offsets, backlog, and what is on its disk. Behaves like Redis 7;
/// what only versions before 4 do is left to the engine's own tests.
final class RedisServer {
    enum Process: Equatable {
        case down
        case loading
        case running
    }

    /// How much of the data set a restart finds on disk.
    enum Disk: Equatable, CaseIterable {
        /// Append-only file, everything: the data are there, ids and offsets begin anew.
        case appendOnly
        /// Append-only file without its last writes.
        case appendOnlyTorn
        /// A snapshot: older data, with the replication id that they belong to.
        case snapshot
        /// Nothing.
        case empty
    }

    enum Role: Equatable {
        case master
        case replica(Link)
    }

    /// A replica's connection to its master.
    struct Link: Equatable {
        enum State: Equatable {
            /// Tries to connect, from time to time.
            case connecting
            /// Receives a full copy, taken at this position.
            case copying(Position)
            /// Streams. `next`: the first entry of the master's branch that was not applied.
            case up(next: Int)
        }
        /// The host whose Redis it follows; nil for 127.0.0.1:1.
        var master: Int?
        var state: State = .connecting
        /// Tells this link from an earlier one.
        var number: Int
        /// It was up at least once.
        var wasUp = false
        var downSince: Time
        /// The last entry that still arrives from a master that died.
        var lastEntry: Int?
        /// The master's process that it talks to.
        var masterRunID = ""
    }

    let host: Int
    var process: Process = .down
    /// Stopped (SIGSTOP), or executing a slow command.
    var isHung = false
    /// A script runs: everything but writes of its own is refused.
    var isBusy = false
    var runID = ""
    var startedAt: Time = 0
    /// When a process of it last ended.
    var killedAt: Time = .max
    var position: Position
    /// `master_replid2` and the last offset of it.
    var previous: Position?
    var role: Role = .master
    /// `repl_backlog_first_byte_offset`; nil while there is no backlog.
    var backlogStart: Int64?
    /// What a master without a backlog says its offset is, whatever is written.
    var frozenOffset: Int64?
    /// `CLIENT PAUSE … WRITE` holds until then.
    var pausedUntil: Time = 0
    var minReplicas = 0
    /// Who is subscribed: host and channel, in the order of subscribing.
    var channels: [(host: Int, channel: String)] = []
    /// What a hung process finds in its sockets when it goes on.
    var inbox: [EventQueue.Job] = []
    var disk: Disk = .appendOnly
    /// How many writes we said would be discarded when we told it to follow; nil when the copy is none of our doing.
    var accepted: Int?
    /// When it last became a master or a replica.
    var roleChangedAt: Time = 0
    /// The latest start, hang or end of one.
    var disturbedAt: Time = 0

    init(host: Int, position: Position) {
        self.host = host
        self.position = position
        frozenOffset = position.offset
    }

    var link: Link? {
        if case .replica(let link) = role { link } else { nil }
    }

    var isMaster: Bool { role == .master }

    /// Whether a command sent now is answered.
    var answers: Bool { process != .down && !isHung }

    /// Whether clients' writes are executed.
    func isWritable(at now: Time) -> Bool {
        process == .running && !isHung && !isBusy && isMaster && now >= pausedUntil
    }

    var isParked: Bool { link.map { $0.master == nil } ?? false }

    var isStreaming: Bool {
        if let link, case .up = link.state { true } else { false }
    }

    var isCopying: Bool {
        if let link, case .copying = link.state { true } else { false }
    }

    func withLink(_ change: (inout Link) -> Void) {
        guard case .replica(var link) = role else { return }
        change(&link)
        role = .replica(link)
    }

    /// The offset that it shows.
    var shownOffset: Int64 { isMaster ? frozenOffset ?? position.offset : position.offset }

    static let backlogSize: Int64 = 1 << 20

    /// What its backlog begins with at present.
    var backlogFirstByte: Int64? {
        backlogStart.map { max($0, shownOffset - Self.backlogSize + 1) }
    }

    /// Whether a replica that stands there can go on without a copy.
    func canContinue(from theirs: Position, isCounting: Bool) -> Bool {
        guard let first = backlogFirstByte, isCounting, theirs.offset + 1 >= first else { return false }
        if theirs.branch == position.branch { return theirs.offset <= position.offset }
        return previous.map { $0.branch == theirs.branch && theirs.offset <= $0.offset } ?? false
    }
}

extension World {
    static let redisPort = 6379

    static func address(_ host: Int) -> String { "10.0.0.\(host + 1)" }

    /// What a server says to `INFO` now.
    func info(of host: Int) -> ReplicationInfo {
        catchUp(host)
        let server = hosts[host].redis
        let identity = ReplicationIdentity(
            id: timeline.branches[server.position.branch].replid,
            previous: server.previous.map { .init(id: timeline.branches[$0.branch].replid, end: $0.offset) })
        let role: ReplicationInfo.Role =
            switch server.role {
            case .master: .master
            case .replica(let link): .replica(said(link, server))
            }
        return ReplicationInfo(
            playing: role, offset: server.shownOffset, identity: identity, replicas: listedReplicas(of: host),
            backlog: .init(firstByte: server.backlogFirstByte, upTo: server.shownOffset),
            server: .init(runID: server.runID, port: Self.redisPort, uptime: (now - server.startedAt) / 1_000_000),
            isLoading: server.process == .loading, keys: timeline.keys(at: server.position))
    }

    private func said(_ link: RedisServer.Link, _ server: RedisServer) -> ReplicationInfo.MasterLink {
        let downtime: ReplicationInfo.Downtime? =
            server.isStreaming ? nil : link.wasUp ? .seconds((now - link.downSince) / 1_000_000) : .neverConnected
        return .init(
            to: link.master.map(Self.address) ?? "127.0.0.1", port: link.master == nil ? 1 : Self.redisPort,
            applied: server.position.offset, downtime: downtime, quietSeconds: server.isStreaming ? 0 : nil,
            isCopying: server.isCopying)
    }

    private func listedReplicas(of host: Int) -> [ReplicationInfo.Replica] {
        var listed: [ReplicationInfo.Replica] = []
        for other in hosts.indices where other != host {
            let replica = hosts[other].redis
            guard let link = replica.link, link.master == host, replica.isStreaming,
                link.masterRunID == hosts[host].redis.runID
            else { continue }
            listed.append(
                .init(online: Self.address(other), port: Self.redisPort, acknowledged: replica.position.offset))
        }
        return listed
    }

    /// Applies what has arrived at a replica by now.
    func catchUp(_ host: Int) {
        guard case .replica(var link) = hosts[host].redis.role, case .up(var next) = link.state,
            let master = link.master, !hosts[host].redis.isHung,
            isOpen(.redis, master, host), isOpen(.redis, host, master)
        else { return }
        let bound = bound(by: master, of: host)
        var position = hosts[host].redis.position
        let base = timeline.branches[position.branch].base
        // Continued from the history before: that is as old as the promotion.
        if timeline.branches[position.branch].sharesOffsets, position.offset < base { position.offset = base }
        let delay = network.streamDelay
        let end = link.lastEntry ?? timeline.branches[position.branch].writes.count
        let latest = now - delay
        timeline.withWrites(position.branch) { writes in
            while next < min(end, writes.count), writes[next].time <= latest, writes[next].end <= bound {
                position.offset = writes[next].end
                next += 1
            }
        }
        link.state = .up(next: next)
        hosts[host].redis.role = .replica(link)
        hosts[host].redis.position = position
    }

    /// How far a replica's replica can go at present: as far as the one between, and no further.
    private func bound(by master: Int, of host: Int) -> Int64 {
        guard hosts.count > 2, let link = hosts[master].redis.link else { return .max }
        if link.master != host { catchUp(master) }
        let position = hosts[master].redis.position
        return position.branch == hosts[host].redis.position.branch ? position.offset : .min
    }
}
