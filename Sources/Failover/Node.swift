public import Replication
public import VRRP

/// One node of a pair: the election, the virtual addresses and the Redis roles in one machine without IO. Composes
/// `StandaloneRouter` and `Coordinator`.
public struct Node: Sendable, Equatable {
    /// What happened.
    public enum Event: Sendable, Equatable {
        /// Begin: look at both servers, then take part.
        case start
        /// End: hand over in an orderly way while serving, leave silently otherwise. `finished` follows, after a bounded time.
        case stop
        /// From the network, for the election and the addresses. `start`, `stop` and `priorityChanged` are not for callers.
        case network(StandaloneRouter.Event)
        /// What the local Redis said, or that it says nothing. Whenever there is news, and at least every `downAfter / 4`.
        case local(RedisReading)
        /// The same of the peer's Redis.
        case peer(RedisReading)
        /// The other daemon, as the local Redis shows it; nil: it is not to be seen.
        case peerDaemon(Presence?)
        /// Whether at least one witness answers.
        case witness(isReachable: Bool)
        /// An operation has news.
        case progress(OperationID, OperationProgress)
        /// An operation has ended.
        case ended(OperationID, OperationOutcome)
        /// The operator asks for something; `answer` with the same number follows.
        case ordered(OperatorOrder, number: Int)
        /// Another configuration: priority, timing and policy are taken over; nothing else may differ.
        case reconfigured(NodeConfiguration)
        /// `deadline` has passed, and no packet waits.
        case deadlineReached
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Send, add, remove, announce: executed at once, with `worked` or `failed` handed in as `network` events.
        case network(StandaloneRouter.Action)
        /// Destroy the connections to these addresses, so that clients see a reset and no silence. Executed at once.
        case resetConnections([VirtualAddress])
        /// Begin an operation on the servers.
        case redis(RedisOrder, OperationID)
        /// Show this to the other daemon.
        case show(Presence)
        /// Keep this over a restart. Before the next operation begins.
        case remember(Memory)
        /// Add this to the history.
        case record(Transition)
        /// Run the operator's program.
        case run(Hook)
        /// Answer the operator.
        case answer(number: Int, OrderAnswer)
        /// Tell the operator, in the log: one sentence. `code` is a stable word.
        case log(LogLevel, code: String, String)
        /// Stopped: nothing more will come.
        case finished
    }

    /// How important a sentence is.
    public enum LogLevel: String, Sendable, Hashable, Comparable {
        case info
        case notice
        case warning
        case error

        private var rank: Int {
            switch self {
            case .info: 0
            case .notice: 1
            case .warning: 2
            case .error: 3
            }
        }

        /// By importance.
        public static func < (one: LogLevel, other: LogLevel) -> Bool { one.rank < other.rank }
    }

    /// What it was configured with.
    public private(set) var configuration: NodeConfiguration

    /// Makes a node that waits for `start`.
    public init(_ configuration: NodeConfiguration, memory: Memory) {
        self.configuration = configuration
    }

    /// When `deadlineReached` is due; nil for never.
    public var deadline: Instant? { nil }

    /// Whether it is Active in the election: then its deadlines must be met before packets are read on.
    public var isActive: Bool { false }

    /// Takes an event and returns what to do.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] { [] }
}
