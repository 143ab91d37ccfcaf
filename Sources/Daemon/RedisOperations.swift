import Failover
import NIOCore
import Operations
import RedisClient
import Replication
import Synchronization

/// Executes the node's orders on the two servers, each to an outcome, within a bounded time.
final class RedisOperations: Sendable {
    /// How much longer than it is allowed to wait an operation may take, before it is told to stop, and once more until it
    /// is given up.
    private static let margin: Duration = .seconds(3)
    /// A snapshot of a large data set takes minutes. It ends by itself when one of the servers does not answer any more.
    private static let salvageLimit: Duration = .seconds(3600)

    private let configuration: VirtualRouterConfiguration
    private let folders: Folders
    private let guardProgram: String?
    private let thread: SideThread
    /// With open connections, for the next order.
    private let servers: Mutex<OpenServers>

    /// Where operations leave what outlives them.
    struct Folders: Sendable {
        /// The journal of fences.
        var state: String
        /// What was saved before a server was made to follow; nil for `salvage` in the folder above.
        var salvage: String?
    }

    /// Makes one. Connects when the first order comes, or with `warmUp`.
    init(
        _ configuration: VirtualRouterConfiguration, _ folders: Folders, guardProgram: String?, on thread: SideThread
    ) {
        self.configuration = configuration
        self.folders = folders
        self.guardProgram = guardProgram
        self.thread = thread
        servers = Mutex(Self.fresh(configuration))
    }

    private static func fresh(_ configuration: VirtualRouterConfiguration) -> OpenServers {
        OpenServers(local: configuration.local, peer: configuration.peer, timeout: configuration.connectTimeout)
    }

    /// Connects to both servers, so that the next order finds them open.
    func warmUp() async { await servers.withLock { $0 }.open() }

    /// Closes the connections.
    func close() async { await servers.withLock { $0 }.close() }

    /// Undoes the fences that an interrupted run of the daemon has left. Returns what was done.
    func recover() async -> [Step] {
        await ServerOrders.recover(
            local: configuration.local, peer: configuration.peer, stateDirectory: folders.state)
    }

    /// Runs an order to its end. Never longer than its time-outs allow: what does not end by then has failed. `transition`:
    /// the number of the history's entry that it will lead to, where that is known. `stop` has it end sooner.
    func run(
        _ order: RedisOrder, transition: Int?, stop: StopFlag,
        progress: @escaping @Sendable (OperationProgress) -> Void
    ) async -> OperationOutcome {
        let startedAt = ContinuousClock.now
        let limit = limit(of: order)
        var timers: [Scheduled<Void>] = []
        let outcome = await withCheckedContinuation { (waiting: CheckedContinuation<OperationOutcome, Never>) in
            let first = FirstOutcome(waiting)
            Task(executorPreference: thread) {
                first.resume(await self.execute(order, transition, startedAt, stop, progress))
            }
            timers = [
                Self.after(limit) { stop.set() },
                Self.after(limit + Self.margin) {
                    first.resume(OperationOutcome(.failed(reason: "it did not end in time"), startedAt: startedAt))
                },
            ]
        }
        for timer in timers { timer.cancel() }
        return outcome
    }

    private static func after(_ pause: Duration, _ body: @escaping @Sendable () -> Void) -> Scheduled<Void> {
        RedisConnection.eventLoop.scheduleTask(in: .nanoseconds(Int64(pause / .nanoseconds(1))), body)
    }

    private func limit(of order: RedisOrder) -> Duration {
        let waiting: Duration =
            switch order {
            case .promote(let promotion): promotion.timeout
            case .handOver(let timeout): timeout
            case .follow: Self.salvageLimit
            case .lead, .park, .disconnectClients, .writeFence: .zero
            }
        return waiting + configuration.connectTimeout * 8 + Self.margin
    }

    /// Each exclusive operation has its servers for itself; meanwhile new connections are opened for the next one.
    private func takeServers() -> OpenServers {
        let next = Self.fresh(configuration)
        return servers.withLock { servers in
            defer { servers = next }
            return servers
        }
    }

    private func execute(
        _ order: RedisOrder, _ transition: Int?, _ startedAt: Instant, _ stop: StopFlag,
        _ progress: @escaping @Sendable (OperationProgress) -> Void
    ) async -> OperationOutcome {
        let servers = takeServers()
        let outcome = await execute(order, on: servers, transition, startedAt, stop, progress)
        Task(executorPreference: thread) {
            await servers.close()
            await self.warmUp()
        }
        return outcome
    }

    private func execute(
        _ order: RedisOrder, on servers: OpenServers, _ transition: Int?, _ startedAt: Instant, _ stop: StopFlag,
        _ progress: @escaping @Sendable (OperationProgress) -> Void
    ) async -> OperationOutcome {
        switch order {
        case .promote(let promotion):
            return .init(await promote(promotion, servers, stop, progress), startedAt)
        case .lead:
            var options = LeadRun.Options(local: configuration.local, peer: configuration.peer)
            options.connectTimeout = configuration.connectTimeout
            options.maxLossBytes = configuration.node.policy.maxLossBytes
            return .init(await LeadRun(options, over: servers, report: { _ in }).run(), startedAt)
        case .handOver(let timeout):
            var options = demotion(.handOver, timeout, stop)
            options.onPromoted = { progress(.promoted) }
            return .init(await DemotionRun(options, over: servers, report: { _ in }).run(), startedAt)
        case .follow(let accepted, let promotion, let origin):
            var options = demotion(.follow(accepting: accepted.limit), configuration.connectTimeout * 4, stop)
            options.salvage.promotion = promotion
            options.salvage.transition = transition
            options.salvage.epoch = origin.epoch
            options.salvage.writtenAfter = origin.writtenAfter.map { WallClock.text($0) }
            return .init(
                await DemotionRun(options, over: servers, report: { progress(.step($0)) }).run(), startedAt)
        case .park:
            return await small("parked", startedAt) { () throws(ServerTrouble) in
                try await ServerOrders.park(servers)
                return "the local Redis is read-only with its data set, and follows nobody"
            }
        case .disconnectClients:
            return await small("disconnected", startedAt) { () throws(ServerTrouble) in
                "\(try await ServerOrders.disconnectClients(servers)) connection(s) of clients are closed"
            }
        case .writeFence(let count):
            return await small("write_fence", startedAt) { () throws(ServerTrouble) in
                try await ServerOrders.fenceWrites(servers, minReplicas: count)
                return "min-slaves-to-write is \(count)"
            }
        }
    }

    private func promote(
        _ order: RedisOrder.PromotionOrder, _ servers: OpenServers, _ stop: StopFlag,
        _ progress: @escaping @Sendable (OperationProgress) -> Void
    ) async -> OperationReport {
        var options = PromotionRun.Options(local: configuration.local)
        options.master = configuration.peer
        options.timeout = order.timeout
        options.connectTimeout = configuration.connectTimeout
        options.onTimeout = order.promotesAfterTimeout ? .promote : .refuse
        options.maxLossBytes = order.maxLossBytes
        options.announce = configuration.announce.map { ($0.host, $0.port) }
        options.stateDirectory = folders.state
        options.isStopping = { stop.isSet }
        options.knownMaster = order.knownMaster
        options.needsMaster = order.isPlanned
        options.onPromoted = { progress(.promoted) }
        options.watchesLink = false
        if let guardProgram { options.guardProgram = guardProgram }
        return await PromotionRun(options, over: servers, report: { _ in }).run()
    }

    private func demotion(
        _ limits: Demotion.Purpose, _ timeout: Duration, _ stop: StopFlag
    ) -> DemotionRun.Options {
        var options = DemotionRun.Options(local: configuration.local, peer: configuration.peer)
        options.timeout = timeout
        options.connectTimeout = configuration.connectTimeout
        options.stateDirectory = folders.state
        options.isStopping = { stop.isSet }
        options.limits = limits
        options.watchesLink = false
        options.salvage.policy = configuration.divergence
        options.salvage.directory = folders.salvage
        options.salvage.node = configuration.node.node
        if let guardProgram { options.guardProgram = guardProgram }
        return options
    }

    private func small(
        _ step: String, _ startedAt: Instant, _ body: () async throws(ServerTrouble) -> String
    ) async -> OperationOutcome {
        do throws(ServerTrouble) {
            let words = try await body()
            let entry = Step(at: .now - startedAt, step: step, detail: words)
            return OperationOutcome(.done, startedAt: startedAt, steps: [entry])
        } catch {
            return OperationOutcome(
                .failed(reason: "the local server \(configuration.local.url): \(error)"), startedAt: startedAt)
        }
    }
}

/// Whoever is first tells the outcome.
private final class FirstOutcome: Sendable {
    private let waiting: Mutex<CheckedContinuation<OperationOutcome, Never>?>

    init(_ waiting: CheckedContinuation<OperationOutcome, Never>) { self.waiting = Mutex(waiting) }

    func resume(_ outcome: OperationOutcome) {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume(returning: outcome)
    }
}

extension RedisOrder.Discard {
    fileprivate var limit: Demotion.Accepted {
        switch self {
        case .nothing: .nothing
        case .surplus: .surplus
        case .kin: .kin
        }
    }
}

extension OperationOutcome {
    /// What a report comes to for the node.
    fileprivate init(_ report: OperationReport, _ startedAt: Instant) {
        let result: Result =
            switch report.result {
            case .promoted, .alreadyMaster, .demoted, .alreadyReplica: .done
            case .refused: .refused(code: report.reasonCode ?? "busy", reason: report.reason)
            case .failed: .failed(reason: report.reason)
            }
        let isDone = result == .done
        self.init(
            result, remedy: isDone ? nil : report.remedy, loss: isDone ? report.loss : .none, account: report.account,
            evidence: report.evidence,
            writeGap: report.writeGap,
            startedAt: startedAt, steps: report.steps)
    }
}
