import Failover
import Replication
import Salvage
import VRRP

/// A node and a clock: tells the node what happens, and keeps what it wants done.
struct NodeStory {
    static let own = RedisAddress(host: "198.51.100.1", port: 6379)
    static let other = RedisAddress(host: "198.51.100.2", port: 6379)
    static let otherAddress = IPAddress.v4(0xc633_6402)
    static let vip = VirtualAddress(.v4(0xc633_6464))

    var node: Node
    var now: ContinuousClock.Instant = .now
    var actions: [Node.Action] = []

    init(memory: Memory = Memory(), change: (inout NodeConfiguration) -> Void = { _ in }) {
        var configuration = NodeConfiguration(
            name: "redis", node: "node1",
            router: VirtualRouterParameters(
                virtualRouterID: VirtualRouterID(51) ?? VirtualRouterID.one, advertisementInterval: .milliseconds(100),
                preempts: false, addresses: [Self.vip.address]),
            virtualAddresses: [Self.vip], localRedis: Self.own, peerRedis: Self.other)
        change(&configuration)
        node = Node(configuration, memory: memory)
    }

    /// The actions of one event, also kept.
    @discardableResult
    mutating func happens(_ event: Node.Event, after pause: Duration = .milliseconds(1)) -> [Node.Action] {
        now += pause
        let new = node.handle(event, now: now)
        actions += new
        return new
    }

    /// Lets time pass: deadlines fire when they are due.
    @discardableResult
    mutating func passes(_ time: Duration) -> [Node.Action] {
        let end = now + time
        var new: [Node.Action] = []
        while let deadline = node.deadline, deadline <= end {
            now = max(now, deadline)
            new += node.handle(.deadlineReached, now: now)
        }
        now = end
        actions += new
        return new
    }

    /// A witness has answered a question that was asked just now, or none does any more.
    @discardableResult
    mutating func witness(isReachable: Bool, after pause: Duration = .milliseconds(1)) -> [Node.Action] {
        happens(.witness(isReachable: isReachable, askedAt: now + pause), after: pause)
    }

    mutating func link() {
        happens(.network(.link(.init(isUp: true, primaryAddress: .v4(0xc633_6401)))))
    }

    @discardableResult
    mutating func reads(local: ServerText? = nil, peer: ServerText? = nil) throws -> [Node.Action] {
        var new: [Node.Action] = []
        if let peer { new += happens(.peer(.observed(Observation(try peer.info(), at: now)))) }
        if let local { new += happens(.local(.observed(Observation(try local.info(), at: now)))) }
        return new
    }

    @discardableResult
    mutating func hears(priority: UInt8 = 100) -> [Node.Action] {
        let advertisement = Advertisement(
            version: .v3, virtualRouterID: node.configuration.router.virtualRouterID, priority: Priority(priority),
            interval: .milliseconds(100), addresses: [Self.vip.address])
        return happens(.network(.packet(.success(advertisement), from: Self.otherAddress)))
    }

    @discardableResult
    mutating func ends(
        _ result: OperationOutcome.Result = .done, remedy: String? = nil, loss: Loss = .none,
        account: Rejoin.Account? = nil, evidence: Evidence? = nil
    ) -> [Node.Action] {
        guard let id = lastOrder?.id else { return [] }
        return happens(
            .ended(
                id,
                OperationOutcome(
                    result, remedy: remedy, loss: loss, account: account, evidence: evidence, startedAt: now)))
    }

    var lastOrder: (order: RedisOrder, id: OperationID)? {
        for case .redis(let order, let id) in actions.reversed() { return (order, id) }
        return nil
    }

    var state: CoordinatorState { node.status(now: now).state }
    var hasVIP: Bool { node.status(now: now).hasVirtualAddresses }
}

extension VirtualRouterID {
    static var one: VirtualRouterID { VirtualRouterID(1)! }
}

extension [Node.Action] {
    /// What is to be kept over a restart, as it was said last.
    var memory: Memory? {
        compactMap { if case .remember(let memory) = $0 { memory } else { nil } }.last
    }

    /// What the other daemon is shown, as it was said last.
    var presence: Presence? {
        compactMap { if case .show(let presence) = $0 { presence } else { nil } }.last
    }

    /// Entries of the history.
    var transitions: [Transition] {
        compactMap { if case .record(let transition) = $0 { transition } else { nil } }
    }

    /// Short words for what concerns the network, the servers and the operator, in order.
    var words: [String] {
        compactMap { action in
            switch action {
            case .network(.send(let advertisement)): advertisement.priority == .resigning ? "resign" : "advertise"
            case .network(.add): "add"
            case .network(.remove): "remove"
            case .network(.announce): "announce"
            case .network(.report), .log, .show, .remember, .refresh: nil
            case .resetConnections: "reset"
            case .redis(let order, _): order.word
            case .abort: "abort"
            case .askWitnesses: "ask witnesses"
            case .amend: "amend"
            case .record(let transition): "-> \(transition.to)"
            case .run(let hook): hook.rawValue
            case .answer(_, let answer): answer.isDone ? "done" : "refused"
            case .finished: "finished"
            }
        }
    }

    /// How often this was said.
    func logged(_ code: String) -> Int {
        count { if case .log(_, code, _) = $0 { true } else { false } }
    }

    func contains(order word: String) -> Bool { words.contains(word) }
}

extension RedisOrder {
    var word: String {
        switch self {
        case .promote(let order):
            order.knownMaster.flatMap { $0.contact == .answering ? nil : "promote(\($0.contact))" } ?? "promote"
        case .lead: "lead"
        case .handOver: "hand over"
        case .follow(let discard, _, _): "follow(\(discard))"
        case .park: "park"
        case .disconnectClients: "disconnect"
        case .writeFence(let replicas): "write fence \(replicas)"
        }
    }
}
