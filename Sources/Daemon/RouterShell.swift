package import Failover
import Glibc
import LinuxNet
package import Logging
import Operations
import Synchronization
import VRRP

/// What the node of one virtual router wants done beside the network: its Redis side, memory, history, hooks, log. `perform`
/// is called on the heartbeat's thread and returns at once; all work is done elsewhere.
final class RouterShell: Sendable {
    let index: Int
    let name: String
    let logger: Logger
    private let settings: Mutex<VirtualRouterConfiguration>
    private let redis: RedisSide
    /// The last number of the history's entries when it was opened.
    private let lastNumber: Int
    private let salvageFolder: String
    private let gate: OrderGate
    private let recorder: JobThread
    private let file: Mutex<HistoryFile>
    private let hooks: HookQueue
    private let service: ServiceNotification
    private let state = Mutex(State())
    /// Orders of our own that have ended.
    private let ownEndings: Inbox<OperationID>

    private struct State {
        var answers: [Int: Reply<OrderAnswer>] = [:]
        var lastAnswer = 0
        var lastTransition: Transition?
        /// Orders of our own have negative numbers: the node is not told of their outcomes.
        var lastOwnOrder = 0
    }

    /// How long the disk is given to show the history.
    private static let readLimit: Duration = .seconds(5)

    init(
        _ configuration: VirtualRouterConfiguration, index: Int, stateFolder: String, salvageFolder: String,
        logger: Logger, service: ServiceNotification, post: @escaping @Sendable (Node.Event) -> Void
    ) throws(SystemCallError) {
        self.index = index
        name = configuration.node.name
        settings = Mutex(configuration)
        self.service = service
        self.logger = logger
        let memoryFile = MemoryFile(folder: stateFolder, router: configuration.node.name)
        gate = try OrderGate(logger: logger) { memory in
            do throws(FileTrouble) { try memoryFile.write(memory) } catch {
                logger.error("\(error); a restart will not know what the pair went through", code: "memory")
            }
        }
        recorder = try JobThread("history")
        let ownEndings = try Inbox<OperationID>()
        self.ownEndings = ownEndings
        let history = HistoryFile(folder: stateFolder, router: configuration.node.name, node: configuration.node.node)
        if let complaint = history.complaint { logger.warning("\(complaint)", code: "history") }
        lastNumber = history.base
        self.salvageFolder = salvageFolder
        file = Mutex(history)
        hooks = try HookQueue(logger: logger)
        redis = RedisSide(
            configuration, stateDirectory: stateFolder, salvageDirectory: salvageFolder
        ) { level, code, text in
            logger.log(level: level.loggerLevel, "\(text)", code: code)
        } post: { event in
            if case .ended(let id, _) = event, id < 0 { return ownEndings.post(id) }
            post(event)
        }
    }

    /// The configuration as it was last loaded.
    var configuration: VirtualRouterConfiguration { settings.withLock { $0 } }

    /// Begins to look at the servers.
    func start() { redis.start() }

    /// Takes over what may change while it runs.
    func reconfigure(_ new: VirtualRouterConfiguration) {
        settings.withLock { $0 = new }
        redis.reconfigure(new)
    }

    /// Does what the node wants, but for the network and the connections of clients.
    func perform(_ action: Node.Action) {
        switch action {
        case .network, .resetConnections, .finished: break
        case .redis(let order, let id):
            // As a rule an order leads to the next entry.
            let next = lastNumber + (state.withLock { $0.lastTransition?.number } ?? 0) + 1
            gate.pass { [redis] in redis.order(order, id, transition: next) }
        case .abort(let id): redis.abort(id)
        case .refresh: redis.refresh()
        case .askWitnesses: redis.askWitnesses()
        case .show(let presence): gate.pass { [redis] in redis.show(presence) }
        case .remember(let memory): gate.remember(memory)
        case .record(let transition): record(transition)
        case .amend(let settled, let node, let kept): amend(settled, by: node, kept: kept)
        case .run(let hook): run(hook)
        case .answer(let number, let answer):
            state.withLock { $0.answers.removeValue(forKey: number) }?.give(answer)
        case .log(let level, let code, let text): logger.log(level: level.loggerLevel, "\(text)", code: code)
        }
    }

    /// Has Redis close the connections of its clients, and waits at most so long until it has: the address must not go
    /// before, or they would see silence.
    func disconnectClients(within limit: Duration) {
        let id = state.withLock { state in
            state.lastOwnOrder -= 1
            return state.lastOwnOrder
        }
        redis.order(.disconnectClients, id)
        let end = ContinuousClock.now + limit
        while !ownEndings.take().contains(id) {
            let left = end - .now
            guard left > .zero else { return }
            var entry = pollfd(fd: ownEndings.fd, events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, Int32((left / .milliseconds(1)).rounded(.up)))
        }
    }

    // MARK: The operator

    /// A number for an order; its answer will be given to `reply`.
    func expectAnswer(_ reply: Reply<OrderAnswer>) -> Int {
        state.withLock { state in
            state.lastAnswer += 1
            state.answers[state.lastAnswer] = reply
            return state.lastAnswer
        }
    }

    /// Nobody waits for it any more.
    func forgetAnswer(_ number: Int) { state.withLock { _ = $0.answers.removeValue(forKey: number) } }

    /// The last entries, the oldest first; nil where they cannot be read in time.
    func history(limit: Int) async -> [HistoryEntry]? {
        let reply = Reply<[HistoryEntry]>()
        recorder.run { [self] in
            do throws(FileTrouble) {
                reply.give(try file.withLock { (file) throws(FileTrouble) in try file.entries() }.suffix(limit))
            } catch {
                logger.error("\(error)", code: "history")
                reply.give(nil)
            }
        }
        return await reply.value(within: Self.readLimit)
    }

    // MARK: What is told

    private func record(_ transition: Transition) {
        state.withLock { $0.lastTransition = transition }
        if let account = transition.account {
            tell(SalvageWords.line(of: account, folder: salvageFolder, master: configuration.peer))
        }
        recorder.run { [self] in
            do throws(FileTrouble) {
                try file.withLock { (file) throws(FileTrouble) in try file.record(transition) }
            } catch {
                logger.error("\(error); this transition is in the log alone", code: "history")
            }
            service.send("STATUS=\(name): \(transition.to) (\(transition.cause))")
        }
    }

    private func amend(_ settled: Settlement, by node: String, kept: [String]) {
        recorder.run { [self] in
            do throws(FileTrouble) {
                let entry = try file.withLock { (file) throws(FileTrouble) in
                    try file.amend(settled, by: node, kept: kept)
                }
                if let entry { tell(SalvageWords.line(of: entry)) }
            } catch {
                logger.error("\(error); what promotion \(settled.epoch) has lost: \(settled.lost)", code: "history")
            }
        }
    }

    private func tell(_ line: SalvageWords.Line?) {
        if let line { logger.log(level: line.level, "\(line.text)", code: line.code) }
    }

    private func run(_ hook: Hook) {
        let configuration = configuration
        guard let command = configuration.hooks[hook], !command.isEmpty else { return }
        let transition = state.withLock { $0.lastTransition }
        hooks.run(
            HookQueue.Run(
                command: command, hook: hook, limit: configuration.hookTimeout,
                notifyArguments: [
                    "INSTANCE", name, hook.keepalivedState, "\(configuration.node.router.priority)",
                ], environment: HookEnvironment.variables(configuration, hook, transition)))
    }

    /// Ends all that goes on, waiting for hooks at most for so long.
    func finish(hooksWithin limit: Duration) async {
        await redis.stop()
        await hooks.finish(within: limit)
        await gate.finish(within: .seconds(2))
        await recorder.finish(within: .seconds(2))
        for reply in state.withLock({ $0.answers.values }) { reply.give(nil) }
    }
}

extension Logger {
    /// With a stable word for programs.
    func log(level: Logger.Level, _ message: Logger.Message, code: String) {
        log(level: level, message, metadata: ["code": .string(code)])
    }

    func error(_ message: Logger.Message, code: String) { log(level: .error, message, code: code) }
    func warning(_ message: Logger.Message, code: String) { log(level: .warning, message, code: code) }
    func notice(_ message: Logger.Message, code: String) { log(level: .notice, message, code: code) }
    func info(_ message: Logger.Message, code: String) { log(level: .info, message, code: code) }
}

extension Node.LogLevel {
    /// swift-log's name for it.
    package var loggerLevel: Logger.Level {
        switch self {
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }
}
