import Replication

/// What a node knows of one Redis server: the latest reading, and what only a row of readings tells.
struct ServerView: Sendable, Equatable {
    /// The latest; nil before the first.
    private(set) var reading: RedisReading?
    /// What it says, while it answers. Kept beside the reading, as every look asks for parts of it.
    private(set) var info: ReplicationInfo?
    /// The latest that was an answer.
    private(set) var last: Observation?
    /// Since when the applied offset has not moved, and where it stands.
    private(set) var still: SyncGate.Still?
    /// When an answer came that showed the role of the latest one first: it has had it since then, and somewhat longer.
    private(set) var roleSince: Instant?
    /// Whether this process was seen as a replica: then it is no master by itself, but by somebody's order.
    private(set) var wasReplica = false
    /// A role that an operation of ours gave it, and when; readings that are older do not count.
    private var given: Given?

    /// When the latest was taken: a process that was frozen wakes up with old ones.
    private(set) var readAt: Instant?

    /// Takes a reading. Returns the `run_id` before, where another process answers now.
    mutating func take(_ new: RedisReading, _ now: Instant) -> String? {
        reading = new
        info = new.observation?.info
        readAt = new.observation?.at ?? now
        guard case .observed(let observation) = new else { return nil }
        let offset = observation.info.dataOffset
        if still?.offset != offset { still = SyncGate.Still(at: offset, since: observation.at) }
        if let given, observation.at >= given.at { self.given = nil }
        if (last?.info.masterLink == nil) != (observation.info.masterLink == nil) || roleSince == nil {
            roleSince = now
        }
        let before = last?.info.server?.runID
        if before != observation.info.server?.runID { wasReplica = false }
        if observation.info.masterLink != nil { wasReplica = true }
        last = observation
        guard let before, let after = observation.info.server?.runID, before != after else { return nil }
        return before
    }

    /// An operation has given it a role, at `time`.
    mutating func give(isMaster: Bool, at time: Instant) { given = Given(isMaster: isMaster, at: time) }

    /// Whether it is a master; nil where it does not answer.
    var isMaster: Bool? {
        // Not bound to a name: that would copy all of it.
        if case nil = info { return nil }
        return given?.isMaster ?? (info?.masterLink == nil)
    }

    /// Whether an operation has given it a role that no reading has shown yet.
    var isOutdated: Bool { given != nil }

    /// Its process is gone, or it had not answered for `limit` when that was last looked at: that time passes since is no
    /// silence, for whoever looks may be waiting for a processor, with the answer unread.
    func isDown(after limit: Duration) -> Bool {
        switch reading {
        case .dead: true
        case .silent(let since): readAt.map { $0 - since >= limit } ?? false
        case .observed, .busy, .unusable, nil: false
        }
    }

    /// Whether the latest reading is younger than `limit`.
    func isFresh(_ limit: Duration, _ now: Instant) -> Bool { readAt.map { now - $0 < limit } ?? false }

    /// For how long it has not answered; nil where it has.
    func silence(_ now: Instant) -> Duration? {
        if case .silent(let since) = reading { now - since } else { nil }
    }

    private struct Given: Equatable {
        var isMaster: Bool
        var at: Instant
    }
}

extension NodeConfiguration {
    /// Whether a replica's link leads to this server: to its port, and to the host that it is configured with, or, where
    /// it is known by another name, with the same history; before Redis 4, which has none, as one that the master lists.
    static func leads(
        _ replica: ReplicationInfo, to master: ReplicationInfo?, at address: RedisAddress?
    ) -> Bool {
        guard let link = replica.masterLink else { return false }
        if let address, link.host == address.host, link.port == address.port { return true }
        guard let master, link.isUp, link.port == master.server?.port || link.port == address?.port else {
            return false
        }
        if let own = replica.identity, let theirs = master.identity { return own.id == theirs.id }
        return replica.isListed(by: master)
    }
}
