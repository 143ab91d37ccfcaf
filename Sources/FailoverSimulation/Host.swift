import Failover
import Replication
import VRRP

/// One machine: its Redis, its daemon, and what its kernel knows.
final class Host {
    let index: Int
    /// The host that its daemon takes for the other node.
    let peer: Int
    var isUp = true
    var isLinkUp = true
    let redis: RedisServer
    let daemon: Daemon
    /// Until when the kernel keeps the virtual address; nil without it.
    var addressUntil: Time?
    /// When connections to the address were last destroyed.
    var lastReset: Time = -1

    init(index: Int, peer: Int, redis: RedisServer, daemon: Daemon) {
        self.index = index
        self.peer = peer
        self.redis = redis
        self.daemon = daemon
    }

    func hasAddress(at now: Time) -> Bool { addressUntil.map { now < $0 } ?? false }
}

/// What a daemon's shell holds, and what its process leaves behind.
final class Daemon {
    /// nil while it does not run.
    var core: Core?
    let configuration: NodeConfiguration
    /// The file.
    var memory = Memory()
    /// Ascending with each start: what belongs to an earlier process comes to nothing.
    var process = 0
    /// Stopped (SIGSTOP): what would be handed in waits.
    var isFrozen = false
    var packets: [EventQueue.Job] = []
    var deferred: [EventQueue.Job] = []
    var armed: Time?
    /// How often a deadline that was handed in did not move.
    var spins = 0
    var monitors = Array(repeating: Monitor(), count: World.mostHosts)
    var probe = WitnessProbe()
    var shown: Presence?
    /// What of it the peer's Redis knows, and since when.
    var subscribed: (channel: String, at: Time)?
    var isSubscribing = false
    var seen: String??
    /// The operation under way.
    var operation: OperationID?
    var isPromoting = false
    var lastAdvertisement: Time = 0
    var activeSince: Time?
    var startedAt: Time = 0
    var stoppingSince: Time?
    /// Reported losses that the history has not shown yet.
    var unrecorded: [(loss: Loss, since: Time)] = []
    /// The latest kill, freeze, thaw or start.
    var lastDisturbance: Time = -.s(100)
    /// The latest fault it reported.
    var fault = ""

    init(configuration: NodeConfiguration) { self.configuration = configuration }

    var isRunning: Bool { core != nil }
    var isWorking: Bool { core != nil && !isFrozen }
    var state: CoordinatorState? { core == nil ? nil : shown?.state }
}

/// Holds the node, which is large, in one place.
final class Core {
    private var node: Node
    private(set) var deadline: Instant?
    private(set) var isActive = false

    init(_ node: Node) { self.node = node }

    func handle(_ event: Node.Event, now: Instant) -> [Node.Action] {
        Self.step(&node, event, now, &deadline, &isActive)
    }

    /// In place: nothing of the node is copied.
    private static func step(
        _ node: inout Node, _ event: Node.Event, _ now: Instant, _ deadline: inout Instant?, _ isActive: inout Bool
    ) -> [Node.Action] {
        let actions = node.handle(event, now: now)
        deadline = node.deadline
        isActive = node.isActive
        return actions
    }
}

/// Asks one server all the time.
struct Monitor {
    /// When the request left that is not answered yet.
    var silentSince: Time?
    var isAsking = false
    var number = 0
    /// Of the last answer, and whether nothing had been written since the one before.
    var offset: Int64?
    var isCalm = false
}
