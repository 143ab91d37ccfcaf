public import VRRP

/// A point in time of the monotonic clock. The pure targets never read the clock: callers pass the time in.
public typealias Instant = ContinuousClock.Instant

/// What one node of a pair is configured with: the part that decisions depend on. Where the servers are, and how to log
/// in, only the shell knows.
public struct NodeConfiguration: Sendable, Equatable {
    /// The virtual router's name, e.g. `redis`.
    public var name: String
    /// This node's name, e.g. its host name.
    public var node: String
    /// The election. Priority 255 is not possible: a node's addresses come and go with its Redis.
    public var router: VirtualRouterParameters
    /// What the serving node puts where.
    public var virtualAddresses: [VirtualAddress]
    /// How the addresses are kept and announced.
    public var upkeep: AddressUpkeep.Settings
    /// The other node, for unicast; empty: the multicast group.
    public var unicastPeers: [IPAddress]
    /// The local Redis as the other one is told to follow it; nil where that is not known.
    public var localRedis: RedisAddress?
    /// The peer's Redis as it is configured, host and port; tells whether the local one follows it.
    public var peerRedis: RedisAddress?
    /// How long things may take.
    public var timing: Timing
    /// What may be lost.
    public var policy: Policy

    /// How long things may take.
    public struct Timing: Sendable, Equatable {
        /// A Redis that does not answer for this long is down.
        public var downAfter: Duration = .seconds(1)
        /// A failover waits this long for a replica that lags behind a living master.
        public var promoteTimeout: Duration = .seconds(10)
        /// A switchover waits this long, and then changes nothing.
        public var switchoverTimeout: Duration = .seconds(10)
        /// At the start, a peer whose Redis cannot be reached is waited for this long.
        public var waitForPeer: Duration = .seconds(10)
        /// At the start, a node whose Redis is the replica of a living master gives the other daemon this long to appear.
        public var startGrace: Duration = .seconds(3)
        /// A node that could not be promoted tries again after this long.
        public var retryAfter: Duration = .seconds(1)

        /// The defaults.
        public init() {}
    }

    /// What may be lost.
    public struct Policy: Sendable, Equatable {
        /// Promote a lagging replica when `promoteTimeout` is over, although the master lives.
        public var promotesAfterTimeout = true
        /// The most that a failover may lose, bytes; nil for no limit.
        public var maxLossBytes: Int64?
        /// Keeps `min-slaves-to-write` on the master in step, so that an isolated master stops acknowledging writes.
        public var fencesIsolatedMaster = false
        /// Witnesses are configured: a node that reaches none of them is cut off.
        public var hasWitnesses = false

        /// The defaults.
        public init() {}
    }

    /// Makes one.
    public init(
        name: String, node: String, router: VirtualRouterParameters, virtualAddresses: [VirtualAddress],
        upkeep: AddressUpkeep.Settings = .init(), unicastPeers: [IPAddress] = [], localRedis: RedisAddress? = nil,
        peerRedis: RedisAddress? = nil, timing: Timing = .init(), policy: Policy = .init()
    ) {
        self.name = name
        self.node = node
        self.router = router
        self.virtualAddresses = virtualAddresses
        self.upkeep = upkeep
        self.unicastPeers = unicastPeers
        self.localRedis = localRedis
        self.peerRedis = peerRedis
        self.timing = timing
        self.policy = policy
    }
}

/// Host and port of a Redis server, as they are given to `SLAVEOF`.
public struct RedisAddress: Sendable, Hashable {
    /// A name or an address.
    public var host: String
    /// 1...65535.
    public var port: Int

    /// Makes one.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}
