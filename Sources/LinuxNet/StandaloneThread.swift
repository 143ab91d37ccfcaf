internal import Synchronization
public import VRRP

/// A `StandaloneLoop` on a heartbeat thread of its own.
public final class StandaloneThread: Sendable {
    private let orders: Inbox<StandaloneOrder>
    private let thread: HeartbeatThread
    private let end: Ending

    /// How it ended.
    private final class Ending: Sendable {
        let isOver = Atomic(false)
        let failure = Mutex<SystemCallError?>(nil)
    }

    /// Starts the routers. `notify` is called on the heartbeat thread with each notice, `onEnd` when the thread has ended by
    /// itself or by `stop`; neither may wait. Throws where no thread can be started; what goes wrong on the thread is what
    /// `join` returns.
    public init(
        _ configurations: [StandaloneConfiguration], realTime: RealTime.Settings? = nil,
        onEnd: @escaping @Sendable () -> Void = {}, notify: @escaping @Sendable (StandaloneNotice) -> Void
    ) throws(SystemCallError) {
        let orders = try Inbox<StandaloneOrder>()
        let end = Ending()
        self.orders = orders
        self.end = end
        thread = try HeartbeatThread.start(realTime: realTime) { problems in
            for problem in problems { notify(.notRealTime(problem)) }
            do throws(SystemCallError) {
                try StandaloneLoop(configurations, orders: orders, notify: notify).run()
            } catch {
                end.failure.withLock { $0 = error }
            }
            end.isOver.store(true, ordering: .releasing)
            onEnd()
        }
    }

    /// Whether it has ended, by `stop` or by itself.
    public var isFinished: Bool { end.isOver.load(ordering: .acquiring) }

    /// Has the routers hand over and end; returns at once.
    public func stop() { orders.post(.stop) }

    /// Has the routers say what they have done so far; returns at once.
    public func tellStatistics() { orders.post(.tellStatistics) }

    /// Gives a virtual router another priority; returns at once.
    public func change(_ id: VirtualRouterID, to priority: Priority) { orders.post(.priority(priority, id)) }

    /// Waits for the end, and returns what it ended of; nil after `stop`.
    public func join() -> SystemCallError? {
        thread.join()
        return end.failure.withLock { $0 }
    }
}
