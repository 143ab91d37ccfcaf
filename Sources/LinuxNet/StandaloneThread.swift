internal import Synchronization
public import VRRP

/// Virtual routers without Redis, on a heartbeat thread of their own.
public final class StandaloneThread: Sendable {
    private let configurations: [StandaloneConfiguration]
    private let inbox: Inbox<RouterMessage<StandaloneRouter>>
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
        let inbox = try Inbox<RouterMessage<StandaloneRouter>>()
        let end = Ending()
        self.configurations = configurations
        self.inbox = inbox
        self.end = end
        thread = try HeartbeatThread.start(realTime: realTime) { problems in
            for problem in problems { notify(.notRealTime(problem)) }
            do throws(SystemCallError) {
                let loop = try RouterLoop(configurations, inbox: inbox) { index, addresses in
                    let configuration = configurations[index]
                    return StandaloneRouter(
                        configuration.parameters, virtualAddresses: addresses, upkeep: configuration.upkeep,
                        peers: configuration.peers)
                } notify: {
                    notify($0)
                }
                try loop.run()
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
    public func stop() {
        for index in configurations.indices { inbox.post(.event(.stop, router: index)) }
        inbox.post(.tellStatistics)
        inbox.post(.end)
    }

    /// Has the routers say what they have done so far; returns at once.
    public func tellStatistics() { inbox.post(.tellStatistics) }

    /// Gives a virtual router another priority; returns at once.
    public func change(_ id: VirtualRouterID, to priority: Priority) {
        for (index, configuration) in configurations.enumerated() where configuration.parameters.virtualRouterID == id {
            inbox.post(.event(.priorityChanged(priority), router: index))
        }
    }

    /// Waits for the end, and returns what it ended of; nil after `stop`.
    public func join() -> SystemCallError? {
        thread.join()
        return end.failure.withLock { $0 }
    }
}
