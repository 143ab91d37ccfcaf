public import Replication

/// What a Redis server said when it was last asked, or why it said nothing. The shell asks both servers all the time.
public enum RedisReading: Sendable, Equatable {
    /// It answered `INFO`; also while it loads its data set.
    indirect case observed(Observation)
    /// No process listens: the connection was closed or not there, and a new one was refused.
    case dead
    /// It was asked then, and has not answered since: slow, hung, or cut off. Told again and again while that lasts.
    case silent(since: Instant)
    /// It answers `-BUSY`: a script runs. Alive, and cannot be told anything.
    case busy
    /// It answers, and cannot be used: wrong password, no permission, a cluster node, no Redis at all: the reason.
    case unusable(String)

    /// What it said.
    public var observation: Observation? {
        if case .observed(let observation) = self { observation } else { nil }
    }
}

/// What the daemon of a node shows to the other one, and how: it is subscribed, on the *other* node's Redis, to a channel
/// of this name, where nothing is ever published. The other daemon asks its own Redis with `PUBSUB CHANNELS`, which every
/// version knows. So two daemons see each other without listening on the network, and without a byte in the
/// replication stream.
///
///     syncgate:<VRID>:<node>:<state>:<epoch>:<master or replica>
///
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

    /// Makes one.
    public init(
        virtualRouterID: UInt8, node: String, state: CoordinatorState, epoch: UInt64, isMaster: Bool = false
    ) {
        self.virtualRouterID = virtualRouterID
        self.node = node
        self.state = state
        self.epoch = epoch
        self.isMaster = isMaster
    }

    /// The channel's name.
    public var channel: String {
        "syncgate:\(virtualRouterID):\(node):\(state.rawValue):\(epoch):\(isMaster ? "master" : "replica")"
    }

    /// Reads a channel's name; nil for any other text.
    public init?(channel: String) {
        let parts = channel.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "syncgate", let id = UInt8(parts[1]), id > 0, !parts[2].isEmpty,
            let state = CoordinatorState(rawValue: String(parts[3])), let epoch = UInt64(parts[4]),
            parts[5] == "master" || parts[5] == "replica"
        else { return nil }
        self.init(
            virtualRouterID: id, node: String(parts[2]), state: state, epoch: epoch, isMaster: parts[5] == "master")
    }
}

/// The names of the coordinator's states.
public enum CoordinatorState: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// It looks at both servers, and takes no part in the election yet.
    case starting
    /// Takes part, and leaves the virtual addresses to the other node.
    case standby
    /// Its Redis is being promoted.
    case gating
    /// Its Redis is the master, and it has the virtual addresses.
    case serving
    /// It gives role and addresses to the other node.
    case handingOver = "handing_over"
    /// Takes no part, for a reason.
    case fault
    /// The operator has asked it to keep its hands off.
    case paused
    /// It was told to stop, and has.
    case stopped

    /// `serving`.
    public var description: String { rawValue }
}
