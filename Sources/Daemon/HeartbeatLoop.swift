import Failover
import LinuxNet
import Logging
import Synchronization
import VRRP

/// What the heartbeat's loop is told by other threads.
typealias NodeInbox = Inbox<RouterMessage<NodeCore>>

/// A node as the core of a `RouterLoop`.
struct NodeCore: RouterCore {
    var node: Node

    static var start: Node.Event { .start }
    static var deadlineReached: Node.Event { .deadlineReached }
    static func network(_ event: StandaloneRouter.Event) -> Node.Event { .network(event) }
    static func networkAction(of action: Node.Action) -> StandaloneRouter.Action? {
        if case .network(let action) = action { action } else { nil }
    }

    var deadline: Instant? { node.deadline }
    var isActive: Bool { node.isActive }
    var election: StandaloneRouter { node.router }
    mutating func handle(_ event: Node.Event, now: Instant) -> [Node.Action] { node.handle(event, now: now) }
}

/// The heartbeat's thread, with the nodes of all virtual routers on it.
final class HeartbeatLoop: Sendable {
    private let thread: HeartbeatThread
    private let end = Ending()

    private final class Ending: Sendable {
        let isOver = Atomic(false)
        let failure = Mutex<SystemCallError?>(nil)
    }

    /// Starts it. `nodes` and `routers` belong to the configurations, place by place. `onStart` is called when the sockets are
    /// open and the nodes have begun, `onEnd` when the thread has ended; both on that thread, and neither may wait.
    init(
        _ configurations: [VirtualRouterConfiguration], nodes: [Node], routers: [RouterShell], inbox: NodeInbox,
        realTime: RealTime.Settings?, logger: Logger, onStart: @escaping @Sendable () -> Void,
        onEnd: @escaping @Sendable () -> Void
    ) throws(SystemCallError) {
        let end = end
        thread = try HeartbeatThread.start(realTime: realTime) { problems in
            for problem in problems { logger.warning("\(problem)", code: "not_real_time") }
            do throws(SystemCallError) {
                let clients = ClientConnections(routers)
                var running = nodes.count
                let loop = try RouterLoop(configurations.map(\.standalone), inbox: inbox) { index, _ in
                    NodeCore(node: nodes[index])
                } perform: { action, index in
                    switch action {
                    case .resetConnections(let addresses): clients.reset(addresses, index)
                    case .finished:
                        running -= 1
                        if running == 0 { inbox.post(.finish) }
                    default: routers[index].perform(action)
                    }
                } notify: { notice in
                    notice.log(routers, logger)
                }
                try loop.run(onStart: onStart)
            } catch {
                end.failure.withLock { $0 = error }
            }
            end.isOver.store(true, ordering: .releasing)
            onEnd()
        }
    }

    /// Whether it has ended, because it was told to or by itself.
    var isFinished: Bool { end.isOver.load(ordering: .acquiring) }

    /// Waits for the end, and returns what it ended of; nil where it was told to.
    func join() -> SystemCallError? {
        thread.join()
        return end.failure.withLock { $0 }
    }
}

/// Destroys the connections of clients, or has Redis do it where the kernel cannot. Belongs to the heartbeat's thread.
private final class ClientConnections {
    private let routers: [RouterShell]
    private var diag: SocketDiag?
    private var hasComplained = false

    /// The most that the heartbeat waits for the kernel. A thousand connections take about 10 ms.
    private static let limit: Duration = .milliseconds(50)
    /// The most that it waits for Redis, where the kernel cannot or will not: a few milliseconds, as long as Redis answers.
    private static let redisLimit: Duration = .milliseconds(20)

    init(_ routers: [RouterShell]) { self.routers = routers }

    func reset(_ addresses: [VirtualAddress], _ index: Int) {
        let router = routers[index]
        do throws(SystemCallError) {
            if diag == nil { diag = try SocketDiag() }
            guard let outcome = try diag?.resetConnections(to: addresses.map(\.address), limit: Self.limit) else {
                return
            }
            if outcome.destroyed > 0 {
                router.logger.info("connections of clients were reset: \(outcome.destroyed)", code: "connections_reset")
            }
            guard !outcome.isComplete else { return }
            router.logger.warning(
                "more connections than \(Self.limit) are enough for; Redis closes the rest", code: "connections_left")
        } catch {
            if !hasComplained {
                router.logger.warning(
                    "\(error); Redis closes them instead, within \(Self.redisLimit) if it can", code: "no_socket_diag")
            }
            hasComplained = true
        }
        router.disconnectClients(within: Self.redisLimit)
    }
}

extension VirtualRouterConfiguration {
    /// The router's place on the network.
    var standalone: StandaloneConfiguration {
        StandaloneConfiguration(
            interface: interface, source: source, parameters: node.router, virtualAddresses: node.virtualAddresses,
            peers: node.unicastPeers, minimumHopLimit: minimumHopLimit, upkeep: node.upkeep,
            resetsAfterRemoval: true)
    }
}

extension StandaloneNotice {
    /// Says it in the log, as what it is about.
    fileprivate func log(_ routers: [RouterShell], _ logger: Logger) {
        func router(_ id: VirtualRouterID, _ interface: String) -> Logger {
            routers.first {
                let configuration = $0.configuration
                return configuration.interface == interface && configuration.node.router.virtualRouterID == id
            }?.logger ?? logger
        }
        switch self {
        case .report(let report, let id, let interface):
            router(id, interface).log(level: report.level, "\(interface) vrid \(id): \(report)", code: report.code)
        case .statistics(let numbers, let id, let interface):
            router(id, interface).notice("\(interface) vrid \(id): \(numbers)", code: "statistics")
        case .trouble(let error, let interface): logger.error("\(interface): \(error)", code: "trouble")
        case .notRealTime(let error): logger.warning("\(error)", code: "not_real_time")
        }
    }
}

extension StandaloneRouter.Report {
    /// How important it is.
    fileprivate var level: Logger.Level {
        switch self {
        case .transition, .recovered: .info
        case .link(let link): link.isUp && link.primaryAddress != nil ? .info : .warning
        case .rejected, .discrepancy, .secondActive, .ownAddress, .manyRemarks, .addressRestored, .trouble: .warning
        }
    }
}
