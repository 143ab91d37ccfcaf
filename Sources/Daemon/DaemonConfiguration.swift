public import Failover
public import LinuxNet
public import Operations
public import RedisClient
public import Salvage
public import VRRP

/// What a daemon is configured with: what the file says, with the defaults filled in, and checked. `ConfigurationFile` reads
/// it. Passwords are in it, so it is never printed as a whole.
public struct DaemonConfiguration: Sendable, Equatable {
    /// This node's name: no colons, blanks or glob characters. Default: the host name up to its first dot.
    public var nodeName: String
    /// The folder of what outlives the process: memory, history, the journal of fences.
    public var stateDirectory: String
    /// The folder of what a server of ours held beyond the new master, saved before it was made to follow.
    public var salvageDirectory: String
    /// The control socket.
    public var control: Control
    /// What is logged, and how.
    public var log: Log
    /// What keeps the heartbeat punctual on a busy machine; nil: ordinary scheduling, nothing is locked.
    public var realTime: RealTime.Settings?
    /// At least one.
    public var virtualRouters: [VirtualRouterConfiguration]

    /// The control socket.
    public struct Control: Sendable, Equatable {
        /// Its absolute path.
        public var socket: String
        /// Its permissions, e.g. `0o660`.
        public var mode: UInt32
        /// The user that it belongs to; nil: the daemon's.
        public var owner: String?
        /// The group that it belongs to; nil: the daemon's.
        public var group: String?

        /// The defaults.
        public init(
            socket: String = "/run/syncgate/control.sock", mode: UInt32 = 0o660, owner: String? = nil,
            group: String? = nil
        ) {
            self.socket = socket
            self.mode = mode
            self.owner = owner
            self.group = group
        }
    }

    /// What is logged, and how.
    public struct Log: Sendable, Equatable {
        /// Sentences of less importance are left out.
        public var level: Node.LogLevel
        /// How each is written.
        public var format: Format

        /// One line for each sentence.
        public enum Format: String, Sendable, Hashable, CaseIterable {
            case text
            case json
        }

        /// The defaults.
        public init(level: Node.LogLevel = .info, format: Format = .text) {
            self.level = level
            self.format = format
        }
    }

    /// Puts one together from parts that were checked elsewhere. `salvageDirectory`: nil for `salvage` in the state folder.
    public init(
        nodeName: String, stateDirectory: String = "/var/lib/syncgate", salvageDirectory: String? = nil,
        control: Control = .init(), log: Log = .init(), realTime: RealTime.Settings? = nil,
        virtualRouters: [VirtualRouterConfiguration]
    ) {
        self.nodeName = nodeName
        self.stateDirectory = stateDirectory
        self.salvageDirectory = salvageDirectory ?? "\(stateDirectory)/salvage"
        self.control = control
        self.log = log
        self.realTime = realTime
        self.virtualRouters = virtualRouters
    }
}

/// One virtual router and its pair of Redis servers.
public struct VirtualRouterConfiguration: Sendable, Equatable {
    /// What decisions depend on.
    public var node: NodeConfiguration
    /// The interface of the heartbeat.
    public var interface: String
    /// The address to send advertisements from; nil: the interface's first.
    public var source: IPAddress?
    /// Unicast: the least hop limit (TTL) that a packet may come with; 255 proves that it comes from this segment.
    public var minimumHopLimit: UInt8
    /// This node's Redis.
    public var local: Endpoint
    /// The other node's Redis.
    public var peer: Endpoint
    /// How the peer's Redis reaches ours; nil: our address on the connection to the peer, and the local port.
    public var announce: HostPort?
    /// The limit for connecting, and for each command of an operation.
    public var connectTimeout: Duration
    /// Between two looks at a server that is well.
    public var sampleInterval: Duration
    /// What is done with the writes that this node's Redis holds beyond the new master, before it is made to follow.
    public var divergence: DivergencePolicy
    /// A node that reaches none of them is cut off; empty: no node ever counts as cut off.
    public var witnesses: [Witness]
    /// Programs to run, with their arguments.
    public var hooks: [Hook: [String]]
    /// A program that runs longer is killed.
    public var hookTimeout: Duration

    /// Puts one together from parts that were checked elsewhere.
    public init(
        node: NodeConfiguration, interface: String, source: IPAddress? = nil, minimumHopLimit: UInt8 = 255,
        local: Endpoint, peer: Endpoint, announce: HostPort? = nil, connectTimeout: Duration = .milliseconds(250),
        sampleInterval: Duration = .milliseconds(100), divergence: DivergencePolicy = .salvage,
        witnesses: [Witness] = [], hooks: [Hook: [String]] = [:], hookTimeout: Duration = .seconds(30)
    ) {
        self.node = node
        self.interface = interface
        self.source = source
        self.minimumHopLimit = minimumHopLimit
        self.local = local
        self.peer = peer
        self.announce = announce
        self.connectTimeout = connectTimeout
        self.sampleInterval = sampleInterval
        self.divergence = divergence
        self.witnesses = witnesses
        self.hooks = hooks
        self.hookTimeout = hookTimeout
    }
}

/// Something outside the pair that only a node with a working network reaches.
public enum Witness: Sendable, Hashable, CustomStringConvertible {
    /// Answers an ICMP echo request.
    case ping(IPAddress)
    /// Accepts a TCP connection.
    case tcp(HostPort)

    /// As in the configuration file: `ping:198.51.100.254`, `tcp:198.51.100.253:53`.
    public var description: String {
        switch self {
        case .ping(let address): "ping:\(address)"
        case .tcp(let place): "tcp:\(place)"
        }
    }
}
