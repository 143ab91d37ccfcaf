public import Failover
import LinuxNet
import NIOCore
import Operations
import RedisClient
import Replication
import Synchronization

/// The Redis side of one virtual router: watches both servers, shows this daemon to the other one and sees it, asks the
/// witnesses, and executes the node's orders. Two of them do not delay each other.
public final class RedisSide: Sendable {
    /// Of the exclusive orders and the others.
    private struct Order: Sendable {
        var order: RedisOrder
        var id: OperationID
        var transition: Int?
    }

    /// The operation under way, and the last one that was to end early, whether it had begun by then or not.
    private struct Aborting {
        var running: (id: OperationID, stop: StopFlag)?
        var aborted: OperationID?
    }

    /// What lives on the event loop of the connections.
    private final class Loop {
        var monitors: [RedisMonitor] = []
        var sender: PresenceSender?
        var view: PresenceView
        var hasLoggedChannels = false

        init(_ view: PresenceView) { self.view = view }
    }

    private let post: @Sendable (Node.Event) -> Void
    private let log: @Sendable (Node.LogLevel, _ code: String, String) -> Void
    private let folders: RedisOperations.Folders
    private let guardProgram: String?
    private let thread = SideThread()
    private let eventLoop: any NIOCore.EventLoop
    private let loop: NIOLoopBoundBox<Loop?>
    private let state: Mutex<(configuration: VirtualRouterConfiguration, isStopped: Bool)>
    private let operations: Mutex<RedisOperations>
    private let aborting = Mutex(Aborting())
    private let witnesses: WitnessProbe
    private let orders: AsyncStream<Order>.Continuation
    private let queue: Mutex<AsyncStream<Order>?>

    /// `post` is called from any thread with each event for the node: `.local`, `.peer`, `.peerDaemon`, `.witness`,
    /// `.progress`, `.ended`; it must not wait, nor call this side. `log` is told, seldom, what the node has no event for.
    /// `salvageDirectory`: nil for `salvage` in the state folder.
    public convenience init(
        _ configuration: VirtualRouterConfiguration, stateDirectory: String, salvageDirectory: String? = nil,
        log: @escaping @Sendable (Node.LogLevel, _ code: String, String) -> Void = { _, _, _ in },
        post: @escaping @Sendable (Node.Event) -> Void
    ) {
        self.init(
            configuration, stateDirectory: stateDirectory, salvageDirectory: salvageDirectory, guardProgram: nil,
            log: log, post: post)
    }

    /// As the public form, with the program that guards password fences, where it is not the running one.
    package init(
        _ configuration: VirtualRouterConfiguration, stateDirectory: String, salvageDirectory: String? = nil,
        guardProgram: String?,
        log: @escaping @Sendable (Node.LogLevel, _ code: String, String) -> Void = { _, _, _ in },
        post: @escaping @Sendable (Node.Event) -> Void
    ) {
        self.post = post
        self.log = log
        let folders = RedisOperations.Folders(state: stateDirectory, salvage: salvageDirectory)
        self.folders = folders
        self.guardProgram = guardProgram
        eventLoop = RedisConnection.eventLoop
        loop = .makeEmptyBox(eventLoop: eventLoop)
        state = Mutex((configuration, false))
        operations = Mutex(RedisOperations(configuration, folders, guardProgram: guardProgram, on: thread))
        witnesses = WitnessProbe(configuration.witnesses) { post(.witness(isReachable: $0, askedAt: $1)) }
        let (stream, continuation) = AsyncStream.makeStream(of: Order.self)
        orders = continuation
        queue = Mutex(stream)
    }

    /// Begins to watch. An interrupted run's fences are undone meanwhile.
    public func start() {
        let configuration = state.withLock { $0.configuration }
        eventLoop.execute { self.startWatching(configuration) }
        if !configuration.witnesses.isEmpty { startWitnesses() }
        let queue = queue.withLock { queue in
            defer { queue = nil }
            return queue
        }
        guard let queue else { return }
        Task(executorPreference: thread) {
            let operations = self.operations.withLock { $0 }
            for step in await operations.recover() {
                let isDone = step.step == "journal" || step.step == "released"
                self.log(isDone ? .notice : .warning, step.step, step.detail)
            }
            await operations.warmUp()
        }
        Task(executorPreference: thread) {
            for await next in queue { await self.execute(next) }
        }
    }

    /// Executes an order; its outcome is posted. `transition`: the number of the history's entry that it will lead to,
    /// where that is known. Returns at once; from any thread.
    public func order(_ order: RedisOrder, _ id: OperationID, transition: Int? = nil) {
        let order = Order(order: order, id: id, transition: transition)
        switch order.order {
        case .disconnectClients, .writeFence:
            Task(executorPreference: thread) {
                await self.tell(.ended(id, self.run(order, StopFlag())))
            }
        case .promote, .lead, .handOver, .follow, .park: orders.yield(order)
        }
    }

    /// Has an exclusive operation end soon, refused or failed, unless it is about to be done. Its outcome is posted as ever.
    /// Returns at once; from any thread.
    public func abort(_ id: OperationID) {
        aborting.withLock { aborting in
            aborting.aborted = id
            if let running = aborting.running, running.id == id { running.stop.set() }
        }
    }

    /// Shows this to the other daemon from now on. Returns at once.
    public func show(_ presence: Presence) {
        eventLoop.execute { self.loop.value?.sender?.show(presence) }
    }

    /// Asks the local Redis now. Returns at once.
    public func refresh() {
        eventLoop.execute { self.loop.value?.monitors.first?.hurry() }
    }

    /// Asks the witnesses now, and posts their first answer. Returns at once.
    public func askWitnesses() { witnesses.ask() }

    /// Takes over timing and witnesses; the servers must be the same.
    public func reconfigure(_ configuration: VirtualRouterConfiguration) {
        let before = state.withLock { state in
            defer { state.configuration = configuration }
            return state.configuration
        }
        let next = RedisOperations(configuration, folders, guardProgram: guardProgram, on: thread)
        let former = operations.withLock { operations in
            defer { operations = next }
            return operations
        }
        Task(executorPreference: thread) {
            await next.warmUp()
            await former.close()
        }
        witnesses.apply(configuration.witnesses)
        if before.witnesses.isEmpty, !configuration.witnesses.isEmpty { startWitnesses() }
        eventLoop.execute {
            guard let monitors = self.loop.value?.monitors else { return }
            for (index, monitor) in monitors.enumerated() {
                monitor.apply(Self.settings(configuration, isLocal: index == 0))
            }
        }
    }

    /// Closes all connections. No event is posted after it has returned; an operation under way is told to end, unseen.
    public func stop() async {
        state.withLock { $0.isStopped = true }
        aborting.withLock { $0.running?.stop.set() }
        orders.finish()
        witnesses.stop()
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            eventLoop.execute {
                for monitor in self.loop.value?.monitors ?? [] { monitor.stop() }
                self.loop.value?.sender?.stop()
                self.loop.value = nil
                done.resume()
            }
        }
        await operations.withLock { $0 }.close()
    }

    /// Under the lock, so that nothing is posted any more once `stop` has returned.
    private func tell(_ event: Node.Event) {
        state.withLock { if !$0.isStopped { post(event) } }
    }

    private func execute(_ next: Order) async {
        let stop = StopFlag()
        aborting.withLock { aborting in
            aborting.running = (next.id, stop)
            if aborting.aborted == next.id { stop.set() }
        }
        let outcome = await run(next, stop)
        aborting.withLock { $0.running = nil }
        tell(.ended(next.id, outcome))
    }

    private func run(_ next: Order, _ stop: StopFlag) async -> OperationOutcome {
        let operations = operations.withLock { $0 }
        return await operations.run(next.order, transition: next.transition, stop: stop) { progress in
            // What it costs is known before it is done, and no entry of the history before its end.
            if case .step(let step) = progress, step.step == FullResync.step { self.log(.info, step.step, step.detail) }
            self.tell(.progress(next.id, progress))
        }
    }

    private func startWitnesses() {
        do throws(SystemCallError) { try witnesses.start() } catch {
            log(.error, "witness_probe", "the witnesses cannot be asked: \(error)")
        }
    }

    /// A hang of the local server must be seen in time; the peer's is its own daemon's to see.
    private static func settings(_ configuration: VirtualRouterConfiguration, isLocal: Bool) -> RedisWatch.Settings {
        let downAfter = configuration.node.timing.downAfter
        let own = min(.milliseconds(400), downAfter * 4 / 10)
        return RedisWatch.Settings(
            sampleInterval: configuration.sampleInterval, downAfter: downAfter,
            calmInterval: isLocal ? own : min(.milliseconds(500), downAfter / 2),
            calmReplicaInterval: isLocal ? own : min(.seconds(1), downAfter), readsChannels: isLocal)
    }

    // MARK: On the event loop

    private func startWatching(_ configuration: VirtualRouterConfiguration) {
        guard !state.withLock({ $0.isStopped }), loop.value == nil else { return }
        let view = PresenceView(
            virtualRouterID: configuration.node.router.virtualRouterID.rawValue, node: configuration.node.node)
        let side = Loop(view)
        side.monitors = [(configuration.local, true), (configuration.peer, false)].map { endpoint, isLocal in
            RedisMonitor(
                endpoint, Self.settings(configuration, isLocal: isLocal), channels: view.pattern,
                executor: thread, on: eventLoop
            ) { [weak self] in self?.heard($0, isLocal: isLocal) }
        }
        side.sender = PresenceSender(configuration.peer, executor: thread, on: eventLoop) { [log] in
            log(.warning, "presence_denied", $0)
        }
        loop.value = side
        for monitor in side.monitors { monitor.start() }
    }

    private func heard(_ news: RedisMonitor.News, isLocal: Bool) {
        guard let side = loop.value else { return }
        switch news {
        case .reading(let reading):
            tell(isLocal ? .local(reading) : .peer(reading))
            guard isLocal else { return }
            let isChanged = reading == .dead ? side.view.update([], now: .now) : side.view.settle(.now)
            if isChanged { tell(.peerDaemon(side.view.presence)) }
        case .channels(let names, let reason):
            if names == nil, !side.hasLoggedChannels {
                side.hasLoggedChannels = true
                log(.warning, "presence_denied", "the other daemon cannot be seen on the local Redis: \(reason)")
            }
            if side.view.update(names ?? [], now: .now) { tell(.peerDaemon(side.view.presence)) }
        }
    }
}
