import Replication
import VRRP

// A node's life, told as a story
//
// A node *starts* by looking at both servers, and takes part in the election only when it knows which data set is the
// pair's, and its own Redis has its place. It then *stands by*. Elected, it passes the *gate*: its Redis becomes the master,
// and only then do the addresses come, and it *serves*. It serves until its Redis fails (it gives the addresses away at once,
// and is in *fault*), until it loses the election, or until it *hands over*, because somebody asks for that or it is told to
// stop. A standby whose master's process is gone does not wait for the election: it promotes its own Redis at once, because
// a master that comes back empty would wipe it within 0.4 s, and takes the addresses when they are given away.

/// Decides what to do next, and in which order: the election's state, both Redis roles, the operator, the outcomes of operations.
///
/// Facts come as events; after each, the present phase looks at all facts anew. So nothing depends on the order in which
/// readings of two servers happen to arrive, and what was missed once is seen with the next reading.
struct Coordinator: Sendable, Equatable {
    /// What the node is doing.
    enum Phase: Sendable, Equatable {
        /// Before `start`. Leaves to `starting`, or to `paused` where it was paused when it was stopped.
        case idle
        /// Surveys, and follows where that is the verdict. Leaves to `standby` when its Redis has its place, to `fault`.
        case starting(since: Instant, inPlaceSince: Instant?)
        /// Listens. Leaves to `gating` when elected or when the master's process is gone, to `fault`, `starting`.
        case standby(retryAfter: Instant?)
        /// Its Redis is being promoted. Leaves to `serving`, `standby` (promoted before the election is decided), `fault`.
        indirect case gating(Gating)
        /// Has role and addresses. Leaves to `fault`, `handingOver`, `standby`.
        case serving(runID: String?)
        /// Its Redis gives the role away. Leaves to `standby` or `stopped`, back to `serving`, to `fault`.
        indirect case handingOver(HandingOver)
        /// Takes no part. Leaves to `starting` when what it waits for is there.
        indirect case fault(Fault, retryAt: Instant?)
        /// Moves nothing. Leaves to `starting` or `serving` when it is resumed.
        case paused(serves: Bool)
        /// Final.
        case stopped
    }

    /// Why a promotion is under way.
    struct Gating: Sendable, Equatable {
        var cause: GateCause
        var operation: OperationID?
        var since: Instant
    }

    /// What led to the gate.
    enum GateCause: Sendable, Equatable {
        case elected(VirtualRouter.Cause)
        case masterGone(String)
        case switchover
        case preempting(Priority)

        /// Whether there is somebody to wait for: nothing is to be lost.
        var isPlanned: Bool {
            switch self {
            case .switchover, .preempting: true
            case .elected, .masterGone: false
            }
        }
    }

    /// A planned hand-over.
    struct HandingOver: Sendable, Equatable {
        var operation: OperationID
        var isStop: Bool
        /// The addresses have been given away.
        var isReleased: Bool
        var deadline: Instant
    }

    /// An order for `min-slaves-to-write`, which does not keep others from being given.
    struct WriteFence: Sendable, Equatable {
        var operation: OperationID
        /// It has failed, and may be given again then.
        var retryAt: Instant?
    }

    /// An exclusive operation that is under way.
    struct Running: Sendable, Equatable {
        var id: OperationID
        var order: RedisOrder
        var since: Instant
        /// What it is doing, where it tells.
        var step: String?
        /// It was told to end.
        var isAborted = false

        /// It saves what the local server holds beyond the peer's, which may take minutes.
        var isFollowing: Bool { if case .follow = order { true } else { false } }
        /// What it is, for the operator.
        var words: String { step.map { "\(order.words): \($0)" } ?? order.words }
    }

    /// An operator who waits for an answer.
    struct Asked: Sendable, Equatable {
        var number: Int
        var deadline: Instant
    }

    /// Two servers with unrelated data sets: a role that changes within the same process is the operator's doing.
    struct Undecided: Sendable, Equatable {
        var localRunID: String?
        var peerRunID: String?
        var localIsMaster: Bool?
        var peerIsMaster: Bool?
    }

    /// What it wants done, in this order.
    enum Action: Sendable, Equatable {
        /// Take part in the election.
        case join
        /// Stop taking part; while Active the addresses go first, then the resignation.
        case leave
        /// Become Active at once.
        case takeOver
        /// Put the addresses on, and announce them.
        case serve
        /// For the shell, as it is.
        case node(Node.Action)
    }

    /// What happened, as the coordinator sees it.
    enum Event: Sendable, Equatable {
        case start
        case stop
        /// Whether the interface can be used.
        case link(isUsable: Bool)
        /// Where the election stands now.
        case election(VirtualRouter.StateName, VirtualRouter.Cause)
        /// An advertisement of the other node: Active, or resigning.
        case heard(Priority)
        case local(RedisReading)
        case peer(RedisReading)
        case peerDaemon(Presence?)
        case witness(isReachable: Bool, askedAt: Instant)
        case progress(OperationID, OperationProgress)
        case ended(OperationID, OperationOutcome)
        case ordered(OperatorOrder, number: Int)
        /// The process goes on after a sleep; see `hasSlept`.
        case woken
        case deadlineReached
    }

    var configuration: NodeConfiguration
    var phase: Phase = .idle
    /// When the phase began; nil before `start`.
    var since: Instant?
    /// Why it is in this phase, or what it waits for.
    var reason = "not started"
    var memory: Memory
    var local = ServerView()
    var peer = ServerView()
    var presence: Presence?
    var isWitnessReachable: Bool?
    /// When the question was asked that a witness answered last.
    var witnessedAt: Instant?
    /// The election for which the witnesses were asked.
    var witnessesAskedFor: Instant?
    var isLinkUsable = false
    var isJoined = false
    var vrrp = VirtualRouter.StateName.initialize
    var vrrpCause = VirtualRouter.Cause.startup
    var vrrpSince: Instant?
    /// When an Active router was heard last, and when one resigned last.
    var activeHeardAt: Instant?
    var heardPriority: Priority?
    var resignedAt: Instant?
    /// An exclusive operation that is under way, and what one that has ended left to be dealt with.
    var running: Running?
    var outcome: OperationOutcome?
    /// The servers as they were when nothing told whose data set is the pair's, and what the operator has decided since.
    var undecided: Undecided?
    var decision: Survey.Decision?
    /// What the other node has found out, as it was last handed on.
    var amended: Settlement?
    /// How many times in a row an attempt came to nothing.
    var failures = 0
    /// The last promotion of the local server, until it serves.
    var promotion: OperationOutcome?
    var lastOperation: OperationID = 0
    /// The last reading of the master while the local server was its replica with the link up.
    var masterSample: Observation?
    /// Why the master's process is gone; nil while it is not, or when the local server has another master.
    var masterGone: String?
    /// When an operation of ours promoted the local server.
    var promotedAt: Instant?
    var isStopping = false
    var hasTriedHandOver = false
    var asked: Asked?
    var transitions = 0
    /// The last switchover or preemption was refused: a master that dies then is no reason for another pause.
    var wasPlanRefused = false
    /// Its removal was ordered once more before the end.
    var hasTriedToLift = false
    /// `min-slaves-to-write` as it was last ordered.
    var minReplicas: Int?
    /// The order for that which is under way or has failed, and when it may be given again.
    var writeFence: WriteFence?
    /// The local Redis has served, or was promoted to, and has not been made to follow or read-only since: a master that must
    /// not stay one without sight of anybody.
    var isToParkCutOff = false
    /// When it may be parked once more, after it did not work.
    var parkAt: Instant?
    /// Whether the local Redis is of use to its clients, as it was last told.
    var isOfUse = true
    /// Whether the peer's Redis could take over, as it was last told.
    var hasReplica: Bool?
    /// Since when the other daemon is to tell by what promotion its Redis is master.
    var promotionAwaitedSince: Instant?
    /// Since when the old master of the remembered promotion follows the local server.
    var copiedBySince: Instant?
    /// When the memory was last written down.
    var rememberedAt: Instant?
    private var shown: Presence?
    private var lookedAt: Instant?
    /// Since when the local server may hold what the peer's lacks.
    var trail = OffsetTrail()
    /// Collected while an event is handled.
    var output: [Action] = []

    init(_ configuration: NodeConfiguration, memory: Memory) {
        self.configuration = configuration
        self.memory = memory
    }

    /// Takes an event and returns what to do.
    mutating func handle(_ event: Event, now: Instant) -> [Action] {
        output = []
        take(event, now)
        // What one phase leads to, the next one may act on at once; each look ends in a phase that waits for something.
        var before: Phase
        var rounds = 0
        repeat {
            before = phase
            look(now)
            rounds += 1
        } while phase != before && rounds < 8
        keepWriteFence(now)
        show()
        lookedAt = now
        return output
    }

    /// Whether the process stood still for longer than its addresses live without it, while it served: they are gone, somebody
    /// else may have them, and nothing that it knows of its Redis is true any more. Awake, it looks with each advertisement.
    func hasSlept(_ now: Instant) -> Bool {
        guard case .serving = phase, let lookedAt else { return false }
        return now - lookedAt >= configuration.upkeep.lifetime
    }

    /// Whether it is to look now. Where it need not, it is awake all the same: see `hasSlept`.
    mutating func isDue(_ now: Instant) -> Bool {
        if let deadline, deadline <= now { return true }
        lookedAt = now
        return false
    }

    /// When to look again although nothing happens; nil for never. What is over and waits for something else is left out.
    var deadline: Instant? {
        let timing = configuration.timing
        var times: [Instant?] = [asked?.deadline]
        switch phase {
        case .starting(let since, let inPlaceSince):
            times += [since + timing.waitForPeer, inPlaceSince.map { $0 + timing.startGrace }]
        case .standby(let retryAfter):
            times += [retryAfter, promotedAt.map { $0 + Self.takeOverPatience }]
            if vrrp == .active { times.append(running.map { $0.since + Self.operationMargin }) }
        case .handingOver(let handingOver): times.append(handingOver.deadline)
        case .fault(_, let retryAt): times.append(retryAt)
        case .idle, .gating, .serving, .paused, .stopped: break
        }
        return times.compactMap { $0 }.filter { time in lookedAt.map { time > $0 } ?? true }.min()
    }

    /// How long a server that was promoted before the election is decided waits for the addresses.
    static let takeOverPatience: Duration = .seconds(2)
    /// How much longer than its time-out an operation may take before it is given up.
    static let operationMargin: Duration = .seconds(5)

    /// The phase's name.
    var state: CoordinatorState {
        switch phase {
        case .idle, .starting: .starting
        case .standby: .standby
        case .gating: .gating
        case .serving: .serving
        case .handingOver: .handingOver
        case .fault: .fault
        case .paused: .paused
        case .stopped: .stopped
        }
    }

    private mutating func show() {
        let presence = Presence(
            virtualRouterID: configuration.router.virtualRouterID.rawValue, node: configuration.node, state: state,
            epoch: memory.epoch, isMaster: memory.wasMaster, promotion: presentPromotion, settled: settled)
        guard presence != shown, phase != .idle else { return }
        shown = presence
        output.append(.node(.show(presence)))
    }
}
