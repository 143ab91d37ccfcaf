public import Failover
import FoundationEssentials
import Glibc
import LinuxNet
public import Logging
import Operations
import Synchronization
import VRRP

/// Why a daemon could not be started, or did not go on.
public struct DaemonError: Error, Sendable, CustomStringConvertible {
    /// One sentence.
    public var description: String
}

/// The failover daemon: the heartbeat's thread with all virtual routers, and around it what may wait. Made of parts that know
/// nothing of each other; this puts them together, and takes them apart again.
public final class Daemon: Sendable {
    private let logger: Logger
    private let service: ServiceNotification
    private let inbox: NodeInbox
    private let routers: [RouterShell]
    private let heartbeat: HeartbeatLoop
    private let configuration: Mutex<DaemonConfiguration>
    private let control: Control
    private let state = Mutex(State())

    private struct State {
        var stops = 0
        var tasks: [Task<Void, Never>] = []
    }

    /// The control socket and who serves it.
    private final class Control: Sendable {
        private let socket: Mutex<ControlSocket?>
        let server: ControlServer

        init(_ socket: consuming ControlSocket, _ server: ControlServer) {
            self.socket = Mutex(socket)
            self.server = server
        }

        func close() async {
            await server.close()
            socket.withLock { $0.take()?.remove() }
        }
    }

    /// How much longer than its orders a node may take to stop.
    private static let stopMargin: Duration = .seconds(5)

    /// Starts everything. `onEnd` is called, from any thread, when the heartbeat has ended; then `finish` is due. Throws where
    /// something is missing that it cannot do without: rights, an interface, the state folder, the control socket.
    public init(
        _ configuration: DaemonConfiguration, logger: Logger, onEnd: @escaping @Sendable () -> Void
    ) async throws(DaemonError) {
        do {
            let service = ServiceNotification.ofProcess
            try Files.makeFolder(configuration.stateDirectory, mode: 0o750)
            let socket = try ControlSocket(configuration.control)
            let inbox = try NodeInbox()
            let routers = try Self.makeRouters(configuration, logger, service, inbox)
            let report = StatusReport(
                node: configuration.nodeName, pid: getpid(), startedAt: WallClock.now, virtualRouters: [])
            let desk = ControlDesk(routers: routers, inbox: inbox, report: report)
            let server = try await ControlServer(socket.descriptor) { await desk.answer($0) }
            control = Control(socket, server)
            ProgramText.release()
            heartbeat = try HeartbeatLoop(
                configuration.virtualRouters, nodes: Self.makeNodes(configuration, routers), routers: routers,
                inbox: inbox, realTime: configuration.realTime, logger: logger,
                onStart: {
                    for router in routers { router.start() }
                    service.send("READY=1")
                }, onEnd: onEnd)
            (self.logger, self.service, self.inbox, self.routers) = (logger, service, inbox, routers)
            self.configuration = Mutex(configuration)
        } catch {
            throw DaemonError(description: "\(error)")
        }
        logger.notice("\(configuration.nodeName) starts", code: "started")
        watchHeartbeat()
    }

    private static func makeRouters(
        _ configuration: DaemonConfiguration, _ logger: Logger, _ service: ServiceNotification, _ inbox: NodeInbox
    ) throws(SystemCallError) -> [RouterShell] {
        var routers: [RouterShell] = []
        for (index, router) in configuration.virtualRouters.enumerated() {
            var logger = logger
            logger[metadataKey: "virtual_router"] = .string(router.node.name)
            routers.append(
                try RouterShell(
                    router, index: index, stateFolder: configuration.stateDirectory,
                    salvageFolder: configuration.salvageDirectory, logger: logger, service: service
                ) { inbox.post(.event($0, router: index)) })
        }
        return routers
    }

    /// With what each remembers. A memory that cannot be read is put aside: both servers are looked at anyway.
    private static func makeNodes(_ configuration: DaemonConfiguration, _ routers: [RouterShell]) -> [Node] {
        zip(configuration.virtualRouters, routers).map { router, shell in
            let file = MemoryFile(folder: configuration.stateDirectory, router: router.node.name)
            switch file.read() {
            case .memory(let memory): return Node(router.node, memory: memory)
            case .none: return Node(router.node, memory: Memory())
            case .unusable(let reason):
                shell.logger.error("\(reason); starting without, it is kept as .unusable", code: "memory")
                file.setAside()
                return Node(router.node, memory: Memory())
            }
        }
    }

    // MARK: From outside

    /// Whether the heartbeat has ended.
    public var isFinished: Bool { heartbeat.isFinished }

    /// Has all nodes hand over, or leave; returns at once. After a bounded time they are ended anyway. The second time, it
    /// ends them at once: the addresses go, nothing is handed over.
    public func stop() {
        let stops = state.withLock { state in
            state.stops += 1
            return state.stops
        }
        guard stops == 1 else {
            logger.warning("told to stop again: ending at once", code: "stopping")
            return inbox.post(.end)
        }
        logger.notice("told to stop", code: "stopping")
        service.send("STOPPING=1")
        for router in routers { inbox.post(.event(.stop, router: router.index)) }
        let limit = routers.map { $0.configuration.node.timing.switchoverTimeout }.max() ?? .zero
        remember(
            Task { [inbox, logger] in
                do { try await Task.sleep(for: limit + Self.stopMargin) } catch { return }
                logger.error("a node did not stop in time; ending without it", code: "stopping")
                inbox.post(.end)
            })
    }

    /// Has counters written to the log; returns at once.
    public func tellStatistics() { inbox.post(.tellStatistics) }

    /// Takes over what may change while it runs. `read` reads the configuration file again. Where that fails, or a key differs
    /// that needs a restart, nothing changes at all; the log has the names. Returns the level of the log from now on.
    @discardableResult
    public func reload(_ read: () throws -> DaemonConfiguration) -> Node.LogLevel {
        service.sendReloading()
        defer { service.send("READY=1") }
        let running = configuration.withLock { $0 }
        do {
            let changes = ConfigurationChanges(from: running, to: try read())
            guard changes.needRestart.isEmpty else {
                let keys = changes.needRestart.joined(separator: ", ")
                logger.error("not reloaded, nothing was changed: only a restart changes \(keys)", code: "not_reloaded")
                return running.log.level
            }
            guard !changes.isEmpty else {
                logger.notice("reloaded: nothing differs", code: "reloaded")
                return running.log.level
            }
            configuration.withLock { $0 = changes.result }
            for (router, new) in zip(routers, changes.result.virtualRouters) {
                router.reconfigure(new)
                inbox.post(.event(.reconfigured(new.node), router: router.index))
            }
            logger.notice("reloaded: \(changes.live.joined(separator: ", "))", code: "reloaded")
            return changes.result.log.level
        } catch {
            logger.error("not reloaded, nothing was changed: \(error)", code: "not_reloaded")
            return running.log.level
        }
    }

    /// Waits for the heartbeat's end, and for the rest of the work within bounds. Returns the exit code: 2 where a right is
    /// missing, which trying again does not change.
    public func finish() async -> Int32 {
        let failure = heartbeat.join()
        for task in state.withLock({ $0.tasks }) { task.cancel() }
        if let failure { logger.critical("the heartbeat ended: \(failure)", metadata: ["code": "heartbeat"]) }
        let isHurried = failure != nil || state.withLock { $0.stops > 1 }
        await control.close()
        await withDiscardingTaskGroup { group in
            for router in routers {
                let limit = isHurried ? .zero : router.configuration.hookTimeout + HookQueue.patience * 2
                group.addTask { await router.finish(hooksWithin: limit) }
            }
        }
        logger.notice("stopped", code: "stopped")
        return failure.map { $0.isMissingRight ? 2 : 3 } ?? 0
    }

    // MARK: The watchdog

    private func remember(_ task: Task<Void, Never>) { state.withLock { $0.tasks.append(task) } }

    /// Tells systemd that the heartbeat's thread works, after having seen it work.
    private func watchHeartbeat() {
        guard let interval = service.watchdogInterval else { return }
        remember(
            Task { [inbox, service, logger] in
                while !Task.isCancelled {
                    let reply = Reply<Bool>()
                    inbox.post(.look(router: 0) { _ in reply.give(true) })
                    if await reply.value(within: interval / 2) == true {
                        service.send("WATCHDOG=1")
                        do { try await Task.sleep(for: interval / 2) } catch { return }
                    } else {
                        logger.error("the heartbeat's thread does not answer", code: "heartbeat")
                    }
                }
            })
    }
}
