public import VRRP

/// One node of a pair: the election, the virtual addresses and the Redis roles in one machine without IO. Composes
/// `StandaloneRouter` and `Coordinator`.
public struct Node: Sendable, Equatable {
    /// What happened.
    public enum Event: Sendable, Equatable {
        /// Begin: look at both servers, then take part.
        case start
        /// End: hand over in an orderly way while serving, leave silently otherwise. `finished` follows, after a bounded time.
        case stop
        /// From the network, for the election and the addresses. `start`, `stop` and `priorityChanged` are not for callers.
        case network(StandaloneRouter.Event)
        /// What the local Redis said, or that it says nothing. Whenever there is news, and at least every `downAfter / 3`.
        case local(RedisReading)
        /// The same of the peer's Redis, at least every `downAfter`.
        case peer(RedisReading)
        /// The other daemon, as the local Redis shows it; nil: it is not to be seen.
        case peerDaemon(Presence?)
        /// Whether at least one witness answers, by a question that was asked then: whenever that changes, and the first
        /// answer to a question that began after `askWitnesses`.
        case witness(isReachable: Bool, askedAt: Instant)
        /// An operation has news.
        case progress(OperationID, OperationProgress)
        /// An operation has ended.
        case ended(OperationID, OperationOutcome)
        /// The operator asks for something; `answer` with the same number follows.
        case ordered(OperatorOrder, number: Int)
        /// Another configuration: priority, timing and policy are taken over; nothing else may differ.
        case reconfigured(NodeConfiguration)
        /// `deadline` has passed, and no packet waits.
        case deadlineReached
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Send, add, remove, announce: executed at once, with `worked` or `failed` handed in as `network` events.
        case network(StandaloneRouter.Action)
        /// Destroy the connections to these addresses, so that clients see a reset and no silence. Executed at once.
        case resetConnections([VirtualAddress])
        /// Begin an operation on the servers.
        case redis(RedisOrder, OperationID)
        /// Have this operation end soon, with all as it was. Its outcome is awaited as ever.
        case abort(OperationID)
        /// Ask the local Redis now, and not only when the next reading is due.
        case refresh
        /// Ask the witnesses now, and tell their first answer, also where it is no news.
        case askWitnesses
        /// Show this to the other daemon.
        case show(Presence)
        /// Keep this over a restart. Before the next operation begins.
        case remember(Memory)
        /// Add this to the history.
        case record(Transition)
        /// Amend the history's entry of the own promotion with this number: so much was lost, as was found out by this node;
        /// `kept`: the files that have it, where they are here. Once for each account, and again after a restart.
        case amend(Settlement, by: String, kept: [String])
        /// Run the operator's program.
        case run(Hook)
        /// Answer the operator.
        case answer(number: Int, OrderAnswer)
        /// Tell the operator, in the log: one sentence. `code` is a stable word.
        case log(LogLevel, code: String, String)
        /// Stopped: nothing more will come.
        case finished
    }

    /// How important a sentence is.
    public enum LogLevel: String, Sendable, Hashable, Comparable {
        case info
        case notice
        case warning
        case error

        private var rank: Int {
            switch self {
            case .info: 0
            case .notice: 1
            case .warning: 2
            case .error: 3
            }
        }

        /// By importance.
        public static func < (one: LogLevel, other: LogLevel) -> Bool { one.rank < other.rank }
    }

    /// What it was configured with.
    public var configuration: NodeConfiguration { coordinator.configuration }
    /// The election and the addresses.
    public private(set) var router: StandaloneRouter
    var coordinator: Coordinator

    /// Makes a node that waits for `start`. The configuration's parts have no `problem`.
    public init(_ configuration: NodeConfiguration, memory: Memory) {
        coordinator = Coordinator(configuration, memory: memory)
        // The coordinator preempts by a switchover.
        var election = configuration.router
        election.preempts = false
        router = StandaloneRouter(
            election, virtualAddresses: configuration.virtualAddresses, upkeep: configuration.upkeep,
            peers: configuration.unicastPeers, servesByOrder: true)
    }

    /// When `deadlineReached` is due; nil for never.
    public var deadline: Instant? {
        guard let first = router.deadline, let second = coordinator.deadline else {
            return router.deadline ?? coordinator.deadline
        }
        return min(first, second)
    }

    /// Whether it is Active in the election: then its deadlines must be met before packets are read on.
    public var isActive: Bool { router.state.name == .active }

    /// Takes an event and returns what to do.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        var output: [Action] = []
        if coordinator.hasSlept(now) { coordinate(.woken, &output, now) }
        switch event {
        case .start:
            // Addresses that a killed daemon left.
            output.append(.resetConnections(configuration.virtualAddresses))
            output.append(.network(.remove(configuration.virtualAddresses)))
            coordinate(.start, &output, now)
        case .stop: coordinate(.stop, &output, now)
        case .network(let event): network(event, &output, now)
        case .local(let reading): coordinate(.local(reading), &output, now)
        case .peer(let reading): coordinate(.peer(reading), &output, now)
        case .peerDaemon(let presence): coordinate(.peerDaemon(presence), &output, now)
        case .witness(let isReachable, let askedAt):
            coordinate(.witness(isReachable: isReachable, askedAt: askedAt), &output, now)
        case .progress(let id, let progress): coordinate(.progress(id, progress), &output, now)
        case .ended(let id, let outcome): coordinate(.ended(id, outcome), &output, now)
        case .ordered(let order, let number): coordinate(.ordered(order, number: number), &output, now)
        case .reconfigured(let new): reconfigure(new, &output, now)
        case .deadlineReached:
            route(.deadlineReached, &output, now)
            // Ten times in a second nothing but an advertisement is due.
            if coordinator.isDue(now) { coordinate(.deadlineReached, &output, now) }
        }
        return output
    }
}

// MARK: - The parts

extension Node {
    private mutating func network(_ event: StandaloneRouter.Event, _ output: inout [Action], _ now: Instant) {
        route(event, &output, now)
        switch event {
        case .link(let link):
            coordinate(.link(isUsable: link.isUp && link.primaryAddress != nil), &output, now)
        case .packet(.success(let advertisement), let sender):
            let peers = configuration.unicastPeers
            do throws(PacketRejection) {
                try router.router.parameters.check(advertisement, peers: peers.isEmpty ? nil : peers, from: sender)
            } catch {
                // The router has counted and reported it.
                return
            }
            guard sender != router.router.primaryAddress else { return }
            coordinate(.heard(advertisement.priority), &output, now)
        default: break
        }
    }

    /// Gives the router an event, and the coordinator what it did to the election.
    private mutating func route(_ event: StandaloneRouter.Event, _ output: inout [Action], _ now: Instant) {
        if let election = elect(event, &output, now) { coordinate(election, &output, now) }
    }

    /// Gives the router an event, and returns what it did to the election.
    private mutating func elect(
        _ event: StandaloneRouter.Event, _ output: inout [Action], _ now: Instant
    ) -> Coordinator.Event? {
        let (before, wasServing) = (router.state.name, router.isServing)
        var cause = VirtualRouter.Cause.startup
        for action in router.handle(event, now: now) {
            // Clients are to see a reset, and not silence, when the address goes.
            if case .remove(let addresses) = action, wasServing { output.append(.resetConnections(addresses)) }
            if case .report(.transition(_, _, let why)) = action { cause = why }
            output.append(.network(action))
        }
        return router.state.name == before ? nil : .election(router.state.name, cause)
    }

    private mutating func coordinate(_ event: Coordinator.Event, _ output: inout [Action], _ now: Instant) {
        // What an action does to the election is handed in after the last one: the answer to it stands after them.
        var elections: [Coordinator.Event?] = []
        for action in coordinator.handle(event, now: now) {
            switch action {
            case .join: elections.append(elect(.start, &output, now))
            case .leave: elections.append(elect(.stop, &output, now))
            case .takeOver: elections.append(elect(.takeOver, &output, now))
            case .serve: elections.append(elect(.serve, &output, now))
            case .node(let action): output.append(action)
            }
        }
        for election in elections.compactMap({ $0 }) { coordinate(election, &output, now) }
    }

    private mutating func reconfigure(_ new: NodeConfiguration, _ output: inout [Action], _ now: Instant) {
        let priority = new.router.priority
        if priority != configuration.router.priority { route(.priorityChanged(priority), &output, now) }
        var next = configuration
        (next.timing, next.policy, next.router.priority) = (new.timing, new.policy, priority)
        coordinator.configuration = next
        // What was said of those that are gone says nothing of others.
        if !new.policy.hasWitnesses { (coordinator.isWitnessReachable, coordinator.witnessedAt) = (nil, nil) }
        coordinate(.deadlineReached, &output, now)
    }

    /// The node as one look shows it.
    public func status(now: Instant) -> NodeStatus {
        let fault: Fault? = if case .fault(let fault, _) = coordinator.phase { fault } else { nil }
        return NodeStatus(
            name: configuration.name, node: configuration.node, state: coordinator.state,
            since: coordinator.since ?? now, reason: coordinator.reason, fault: fault, vrrp: router.state.name,
            priority: router.router.parameters.priority, hasVirtualAddresses: router.isServing,
            address: router.link?.primaryAddress, lastHeard: router.router.lastHeard,
            local: coordinator.local.reading, peer: coordinator.peer.reading, peerDaemon: coordinator.presence,
            isWitnessReachable: configuration.policy.hasWitnesses ? coordinator.isWitnessReachable : nil,
            operation: coordinator.running.map(\.words), epoch: coordinator.memory.epoch)
    }
}

extension RedisOrder {
    /// What it is, for the operator.
    public var words: String {
        switch self {
        case .promote: "promoting the local Redis"
        case .lead: "making the local Redis master"
        case .handOver: "handing over to the peer's Redis"
        case .follow: "making the local Redis follow the peer's; what it alone holds is saved first"
        case .park: "making the local Redis read-only"
        case .disconnectClients: "disconnecting the clients of the local Redis"
        case .writeFence(let replicas): "setting min-slaves-to-write to \(replicas)"
        }
    }
}
