public import VRRP

/// What a `RouterLoop` runs: a core around the election and the addresses of one virtual router. Beside what
/// `StandaloneRouter` takes and gives, it may have events and actions of its own, which the loop passes through.
public protocol RouterCore: Sendable {
    /// What it takes.
    associatedtype Event: Sendable
    /// What it gives.
    associatedtype Action: Sendable

    /// Begin.
    static var start: Event { get }
    /// `deadline` has passed, and no packet waits.
    static var deadlineReached: Event { get }
    /// An event of the network, as this core takes it.
    static func network(_ event: StandaloneRouter.Event) -> Event
    /// What the loop itself is to do; nil: the action is for whoever runs the loop.
    static func networkAction(of action: Action) -> StandaloneRouter.Action?

    /// When `deadlineReached` is due; nil for never.
    var deadline: Instant? { get }
    /// Whether its deadlines must be met before packets are read on: it is Active, and advertises.
    var isActive: Bool { get }
    /// The election and the addresses, for counters.
    var election: StandaloneRouter { get }
    /// Takes an event and returns what to do, in order.
    mutating func handle(_ event: Event, now: Instant) -> [Action]
}

extension RouterCore {
    /// Handles an event in place, and looks when there is something to do next: a look from outside would copy the core.
    mutating func advance(
        _ event: Event, now: Instant
    ) -> (actions: [Action], due: (deadline: Instant?, isActive: Bool)) {
        let actions = handle(event, now: now)
        return (actions, (deadline, isActive))
    }
}

extension StandaloneRouter: RouterCore {
    /// `Event.start`.
    public static var start: Event { .start }
    /// `Event.deadlineReached`.
    public static var deadlineReached: Event { .deadlineReached }
    /// The event itself.
    public static func network(_ event: Event) -> Event { event }
    /// The action itself.
    public static func networkAction(of action: Action) -> Action? { action }

    /// Whether it is Active.
    public var isActive: Bool { state.name == .active }
    /// Itself.
    public var election: StandaloneRouter { self }
}

/// What a `RouterLoop` is told by other threads. Routers are named by their places in the list that the loop was made with.
public enum RouterMessage<Core: RouterCore>: Sendable {
    /// An event for a router.
    case event(Core.Event, router: Int)
    /// Have a look at a router, on the loop's thread: copy what is needed, and go.
    case look(router: Int, @Sendable (Core) -> Void)
    /// Say what was done so far.
    case tellStatistics
    /// End, after all that was posted before. Addresses that are still there are removed.
    case end
    /// The same, and return only when who still sends to addresses that were removed has been answered, for up to a second:
    /// for routers that have given all away.
    case finish
}
