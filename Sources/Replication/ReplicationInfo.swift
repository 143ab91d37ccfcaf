/// What one Redis server says of itself in `INFO`: the fields that replication decisions rest on, of Redis 2.8 to 8.
///
/// A value of this type is one snapshot, taken by one command: its fields agree with each other. The `replication`
/// section is always there; the other sections are `nil` when the text did not hold them (`INFO replication` is what
/// the gate reads while it waits). Made by `ReplicationInfo(parsing:)`; pure data, no connection behind it.
public struct ReplicationInfo: Sendable, Equatable {
    /// The server's role, as `role:` gives it.
    public enum Role: Sendable, Equatable {
        /// Accepts writes (`role:master`).
        case master
        /// Follows the server named in the link (`role:slave`).
        case replica(MasterLink)
    }

    /// A replica's connection to its master.
    public struct MasterLink: Sendable, Equatable {
        /// `master_host`: a name or an address, as it was given to `SLAVEOF`.
        public var host: String
        /// `master_port`.
        public var port: Int
        /// `master_link_status:up`. On Redis 2.8 to 8 also true while a hung master says nothing.
        public var isUp: Bool
        /// `master_last_io_seconds_ago`, whole seconds; `nil` while the link is down.
        public var secondsSinceLastIO: Int64?
        /// `master_link_down_since_seconds`; `nil` while the link is up.
        public var downtime: Downtime?
        /// The running full resync; `nil` when there is none.
        public var fullResync: FullResync?
        /// `slave_repl_offset`, bytes: what the replica has applied (Redis ≤ 3.2: received).
        public var appliedOffset: Int64
        /// `slave_read_repl_offset` (Redis ≥ 6.2), bytes: what it has received.
        public var receivedOffset: Int64?
        /// `slave_read_only:1`: clients cannot write to this replica.
        public var isReadOnly: Bool
        /// `slave_priority`; 0 says that this replica should not be promoted.
        public var priority: Int64?
    }

    /// Since when a replica's link is down.
    public enum Downtime: Sendable, Equatable {
        /// It was up before.
        case seconds(Int64)
        /// It was never up since this server follows its present master (Redis ≥ 6.2 gives -1, older ones the Unix time).
        case neverConnected
    }

    /// A running full resync as the replica sees it. Sizes are `nil` where the server does not know them: at the start,
    /// and for diskless transfers.
    public struct FullResync: Sendable, Equatable {
        /// Bytes of the RDB that are still to come (`master_sync_left_bytes`).
        public var leftBytes: Int64?
        /// Size of the RDB (`master_sync_total_bytes`, Redis ≥ 6.2).
        public var totalBytes: Int64?
        /// Bytes received so far (`master_sync_read_bytes`, Redis ≥ 6.2).
        public var readBytes: Int64?
    }

    /// One `slaveN:` line of a master. Its offset is what the replica last acknowledged, up to 1.02 s old.
    public struct Replica: Sendable, Equatable {
        /// Address as the master sees or is told it.
        public var ip: String
        /// Port that the replica announced.
        public var port: Int
        /// `wait_bgsave`, `send_bulk` or `online`. Already `online` while the replica still receives the RDB.
        public var state: String
        /// Acknowledged offset in bytes.
        public var acknowledgedOffset: Int64
        /// Seconds since the last acknowledgement.
        public var secondsSinceAcknowledgement: Int64?

        /// Whether the master streams to this replica.
        public var isOnline: Bool { state == "online" }
    }

    /// The master's ring buffer of the replication stream.
    public struct Backlog: Sendable, Equatable {
        /// `repl_backlog_active:1`. A freed backlog no longer counts writes, which makes offsets stand still.
        public var isActive: Bool
        /// Capacity in bytes.
        public var size: Int64
        /// Offset of the first byte that is still held.
        public var firstByteOffset: Int64
        /// Bytes held.
        public var length: Int64

        /// Offset of the first byte that is still held for certain once `bytes` more have been written: a full backlog drops
        /// as many. Redis 7 drops whole blocks, and holds up to one more than its capacity; never less than that.
        public func firstByteOffset(after bytes: Int64) -> Int64 {
            guard bytes > 0 else { return firstByteOffset }
            let (held, isTooMuch) = max(length, 0).addingReportingOverflow(bytes)
            let dropped = max((isTooMuch ? .max : held) - max(size, 0), 0)
            let (first, isBeyond) = firstByteOffset.addingReportingOverflow(dropped)
            return isBeyond ? .max : first
        }
    }

    /// The `server` section.
    public struct Server: Sendable, Equatable {
        /// What the process is.
        public enum Mode: String, Sendable, Equatable {
            /// An ordinary server.
            case standalone
            /// A node of a Redis Cluster.
            case cluster
        }
        /// `redis_version`.
        public var version: ServerVersion
        /// `redis_mode`.
        public var mode: Mode
        /// `run_id`: 40 hex digits, new at each start. Before Redis 4 this is the replication id as well.
        public var runID: String
        /// `tcp_port`; 0 when TCP is off.
        public var port: Int
        /// Seconds since the start.
        public var uptime: Int64

        /// What it is, where that cannot be one of a pair: `it is …`.
        package var unsuitability: String? {
            mode == .cluster ? "a Redis Cluster node; SyncGate guards pairs without Cluster" : nil
        }
    }

    /// The `persistence` section.
    public struct Persistence: Sendable, Equatable {
        /// `loading:1`: the server answers `INFO`, and little else, until its data set is in memory.
        public var isLoading: Bool
        /// `async_loading:1` (Redis ≥ 7.0): serves the old data set while it loads the new one; cannot be promoted.
        public var isAsyncLoading: Bool
        /// `loading_eta_seconds`, while loading.
        public var loadingETA: Int64?
        /// `aof_enabled:1`.
        public var isAOFEnabled: Bool
        /// `rdb_last_save_time`, Unix time in seconds.
        public var lastSaveTime: Int64?
        /// `rdb_bgsave_in_progress:1`: a child writes the data set to a file.
        public var isSaving: Bool
        /// `rdb_last_bgsave_status:ok`.
        public var hasLastSaveSucceeded: Bool
    }

    /// `role:` with what belongs to it.
    public var role: Role
    /// `master_repl_offset`, bytes. On a replica of Redis ≤ 3.2 always 0.
    public var masterReplicationOffset: Int64
    /// `master_replid` and its predecessor, Redis ≥ 4; `nil` before.
    public var identity: ReplicationIdentity?
    /// The replicas that are connected, in the order of their numbers.
    public var replicas: [Replica]
    /// The backlog.
    public var backlog: Backlog
    /// `master_failover_state` where it is not `no-failover` (Redis ≥ 6.2): Redis's own `FAILOVER` is at work.
    public var ongoingFailover: String?
    /// The `server` section, where the text has it.
    public var server: Server?
    /// The `persistence` section, where the text has it.
    public var persistence: Persistence?
    /// Number of keys in all databases, where the text has the `keyspace` section.
    public var keys: Int64?
    /// The databases that have keys, ascending, where the text has the `keyspace` section.
    public var databases: [Int]?
    /// `used_memory`, bytes, where the text has the `memory` section.
    public var usedMemory: Int64?
    /// `instantaneous_input_kbps` and the like are not read; `sync_full` (section `stats`) counts full resyncs served.
    public var fullResyncsServed: Int64?

    /// The link to the master; `nil` on a master.
    public var masterLink: MasterLink? {
        if case .replica(let link) = role { link } else { nil }
    }

    /// How far this server's data set goes: a master's own offset, a replica's applied offset. Bytes.
    public var dataOffset: Int64 { masterLink?.appliedOffset ?? masterReplicationOffset }

    /// History and offset of this server's data set; `nil` before Redis 4, which has no replication ids.
    public var history: ReplicationHistory? {
        identity.map { ReplicationHistory(identity: $0, offset: dataOffset) }
    }

    /// Whether it follows 127.0.0.1:1, where nobody listens: read-only, with the data set that it has. Redis starts like
    /// this behind the boot fence of config/redis-syncgate.conf, and an old master that holds more is left like this.
    public var isParked: Bool {
        masterLink.map { $0.host == Self.parking.host && $0.port == Self.parking.port } ?? false
    }

    /// The address that a parked server follows.
    public static let parking = (host: "127.0.0.1", port: 1)

    /// Whether a master says that it streams to this server, by its port. Before Redis 4, which has no common history to
    /// tell by, that is what says whose replica it is where the master is known by another address.
    public func isListed(by master: ReplicationInfo) -> Bool {
        guard identity == nil, master.identity == nil, let port = server?.port else { return false }
        return master.replicas.contains { $0.isOnline && $0.port == port }
    }

    /// Whether the server is reading its data set into memory, in either way.
    public var isLoading: Bool { persistence.map { $0.isLoading || $0.isAsyncLoading } ?? false }
}

/// A Redis version such as 6.2.14. Ordered; compared by `major.minor` in most decisions.
public struct ServerVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// First number.
    public var major: Int
    /// Second number.
    public var minor: Int
    /// Third number.
    public var patch: Int

    /// Makes a version from its three numbers.
    public init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Reads `7.0.15`, `255.255.255` or `8.2`; further parts and suffixes are ignored. `nil` where the first number is
    /// missing.
    public init?(parsing text: some StringProtocol) {
        let numbers = text.split(separator: ".", maxSplits: 3).map { part in
            Int(part.prefix(while: \.isWholeNumber))
        }
        guard let first = numbers.first, let major = first else { return nil }
        self.init(major, (numbers.count > 1 ? numbers[1] : nil) ?? 0, (numbers.count > 2 ? numbers[2] : nil) ?? 0)
    }

    /// `7.0.15`.
    public var description: String { "\(major).\(minor).\(patch)" }

    /// By major, then minor, then patch.
    public static func < (one: ServerVersion, other: ServerVersion) -> Bool {
        (one.major, one.minor, one.patch) < (other.major, other.minor, other.patch)
    }
}
