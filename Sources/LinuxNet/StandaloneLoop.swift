internal import Glibc
public import VRRP

/// What one virtual router of a `StandaloneLoop` is made of.
public struct StandaloneConfiguration: Sendable {
    /// The interface of the heartbeat.
    public var interface: String
    /// The address to send from; nil: the first one of the family that is none of the virtual ones (IPv6: link-local).
    public var source: IPAddress?
    /// What the router is configured with.
    public var parameters: VirtualRouterParameters
    /// What it puts where while it is Active.
    public var virtualAddresses: [VirtualAddress]
    /// The other routers, for unicast; empty: the multicast group.
    public var peers: [IPAddress]
    /// How the addresses are kept and announced.
    public var upkeep: AddressUpkeep.Settings

    /// Makes one.
    public init(
        interface: String, source: IPAddress? = nil, parameters: VirtualRouterParameters,
        virtualAddresses: [VirtualAddress], peers: [IPAddress] = [], upkeep: AddressUpkeep.Settings = .init()
    ) {
        self.interface = interface
        self.source = source
        self.parameters = parameters
        self.virtualAddresses = virtualAddresses
        self.peers = peers
        self.upkeep = upkeep
    }
}

/// What a loop has to say: about one virtual router, or about itself.
public enum StandaloneNotice: Sendable {
    /// A virtual router reports.
    case report(StandaloneRouter.Report, VirtualRouterID, interface: String)
    /// The interface is there, and its socket cannot be opened; the routers take no part until that works.
    case noSocket(SystemCallError, interface: String)
    /// Real-time priority or locked memory cannot be had; the loop goes on without.
    case notRealTime(SystemCallError)
}

/// What a loop is told from outside.
public enum StandaloneOrder: Sendable {
    /// Hand over, remove the addresses, and end.
    case stop
    /// Another priority for a virtual router.
    case priority(Priority, VirtualRouterID)
}

/// Runs virtual routers: packets and changes of the network in, advertisements and addresses out, all on the thread that
/// calls `run`. It decides nothing; `StandaloneRouter` does.
///
/// Not for sharing: made, used and let go on one thread (see `StandaloneThread`).
public final class StandaloneLoop {
    /// A virtual router with its place.
    private struct Router {
        var core: StandaloneRouter
        let configuration: StandaloneConfiguration
        let segment: Int
    }

    private let loop: EventLoop
    private let network: Network
    private let orders: Inbox<StandaloneOrder>
    private let notify: @Sendable (StandaloneNotice) -> Void
    private var segments: [Segment] = []
    private var routers: [Router] = []

    /// Opens what is needed, and starts no router yet. Throws where rights or interfaces are missing.
    public init(
        _ configurations: [StandaloneConfiguration], orders: Inbox<StandaloneOrder>,
        notify: @escaping @Sendable (StandaloneNotice) -> Void
    ) throws(SystemCallError) {
        loop = try EventLoop()
        network = try Network()
        self.orders = orders
        self.notify = notify
        for configuration in configurations { try add(configuration) }
        try loop.register(orders.fd) { [unowned self] in takeOrders() }
        try loop.register(network.monitorDescriptor) { [unowned self] in takeChanges() }
        loop.onDeadline = { [unowned self] in deadlineReached() }
    }

    private func add(_ configuration: StandaloneConfiguration) throws(SystemCallError) {
        guard network.link(configuration.interface) != nil else {
            throw SystemCallError(.findInterface(configuration.interface), .noDevice)
        }
        for address in configuration.virtualAddresses {
            guard let interface = address.interface, network.link(interface) == nil else { continue }
            throw SystemCallError(.findInterface(interface), .noDevice)
        }
        let index = segments.firstIndex { $0.serves(configuration) } ?? segments.count
        if index == segments.count { segments.append(Segment(configuration)) }
        segments[index].adopt(configuration)
        let owned = try network.owned(by: configuration)
        routers.append(
            Router(
                core: StandaloneRouter(
                    configuration.parameters,
                    virtualAddresses: configuration.virtualAddresses.filter { !owned.contains($0) },
                    upkeep: configuration.upkeep, peers: configuration.peers),
                configuration: configuration, segment: index))
    }

    /// Starts the routers, and returns when they have been stopped. Throws where a socket cannot be opened at the start,
    /// or the event loop fails.
    public func run() throws(SystemCallError) {
        for index in segments.indices {
            try openSocket(of: index)
            refresh(index)
        }
        for index in routers.indices { handle(.start, index) }
        schedule()
        try loop.run()
    }

    // MARK: Events

    private func takeOrders() {
        for order in orders.take() {
            switch order {
            case .stop:
                for index in routers.indices { handle(.stop, index) }
                loop.stop()
            case .priority(let priority, let id):
                for index in routers.indices where routers[index].configuration.parameters.virtualRouterID == id {
                    handle(.priorityChanged(priority), index)
                }
            }
        }
        schedule()
    }

    private func takeChanges() {
        let changes = network.takeChanges()
        for index in segments.indices { refresh(index) }
        for index in routers.indices {
            let configuration = routers[index].configuration
            for address in configuration.virtualAddresses {
                let interface = address.interface ?? configuration.interface
                if changes.removed.contains(where: { $0.interface == interface && $0.address == address.address }) {
                    handle(.removed(address), index)
                }
            }
            let others = Set(configuration.virtualAddresses.compactMap(\.interface)).subtracting([
                configuration.interface
            ])
            if !others.isDisjoint(with: changes.returned) { handle(.interfaceReturned, index) }
        }
        schedule()
    }

    /// A batch of packets of one segment. They are collected first: handling them may send on the same socket.
    private func takePackets(of segment: Int) {
        for packet in segments[segment].receive() {
            // An interface that goes down says so by netlink as well: nothing to do about an error here.
            let sender = packet.sender
            if sender == segments[segment].primaryAddress, segments[segment].isUnicast { continue }
            for index in routers.indices where routers[index].segment == segment {
                if let id = packet.virtualRouterID,
                    routers[index].configuration.parameters.virtualRouterID.rawValue != id
                {
                    continue
                }
                handle(.packet(packet.content, from: sender), index)
            }
        }
        schedule()
    }

    private func deadlineReached() {
        for index in routers.indices {
            guard let deadline = routers[index].core.deadline, deadline <= ContinuousClock.now else { continue }
            handle(.deadlineReached, index)
        }
        schedule()
    }

    /// The next deadline of all. Who is Active must send in time; who listens must not conclude from silence before it has
    /// heard all that waits.
    private func schedule() {
        var next: (deadline: Instant, isActive: Bool)?
        for router in routers {
            guard let deadline = router.core.deadline, next.map({ deadline < $0.deadline }) ?? true else { continue }
            next = (deadline, router.core.state.name == .active)
        }
        loop.patience = next?.isActive == false ? .untilSilent : .oneRound
        loop.deadline = next?.deadline
    }

    // MARK: The interface

    /// Looks at the interface again, after a change of anything.
    private func refresh(_ segment: Int) {
        let addresses = routers.filter { $0.segment == segment && $0.configuration.parameters.priority != .owner }
            .flatMap { $0.configuration.virtualAddresses.map(\.address) }
        let isAnother = segments[segment].look(network, except: addresses)
        if isAnother || !segments[segment].hasSocket {
            closeSocket(of: segment)
            do throws(SystemCallError) { try openSocket(of: segment) } catch {
                notify(.noSocket(error, interface: segments[segment].interface))
            }
        }
        let state = segments[segment].linkState
        for index in routers.indices where routers[index].segment == segment { handle(.link(state), index) }
    }

    /// Nothing where the interface is away.
    private func openSocket(of segment: Int) throws(SystemCallError) {
        guard let descriptor = try segments[segment].openSocket(network) else { return }
        try loop.register(descriptor) { [unowned self] in takePackets(of: segment) }
    }

    private func closeSocket(of segment: Int) {
        if let descriptor = segments[segment].descriptor { loop.unregister(descriptor) }
        segments[segment].closeSocket()
    }

    // MARK: Actions

    private func handle(_ event: StandaloneRouter.Event, _ index: Int) {
        var events = [event]
        while !events.isEmpty {
            let next = events.removeFirst()
            for action in routers[index].core.handle(next, now: .now) { events += execute(action, index) }
        }
    }

    /// Executes it, and returns what came of it.
    private func execute(_ action: StandaloneRouter.Action, _ index: Int) -> [StandaloneRouter.Event] {
        let configuration = routers[index].configuration
        switch action {
        case .send(let advertisement):
            let coverage = configuration.parameters.checksumCoverage
            return [
                outcome(.send) { () throws(SystemCallError) in
                    try segments[routers[index].segment].send(advertisement, coverage)
                }
            ]
        case .add(let addresses, let lifetime):
            return addresses.map { address in
                outcome(.add(address)) { () throws(SystemCallError) in
                    try network.add(address, to: address.interface ?? configuration.interface, lifetime: lifetime)
                }
            }
        case .remove(let addresses):
            return addresses.map { address in
                outcome(.remove(address)) { () throws(SystemCallError) in
                    try network.remove(address, from: address.interface ?? configuration.interface)
                }
            }
        case .announce(let addresses):
            return [
                outcome(.announce) { () throws(SystemCallError) in
                    for address in addresses {
                        try network.announce(address.address, on: address.interface ?? configuration.interface)
                    }
                }
            ]
        case .report(let report):
            let id = configuration.parameters.virtualRouterID
            notify(.report(report, id, interface: configuration.interface))
            return []
        }
    }

    private func outcome(
        _ task: StandaloneRouter.Task, _ work: () throws(SystemCallError) -> Void
    ) -> StandaloneRouter.Event {
        do throws(SystemCallError) {
            try work()
            return .worked(task)
        } catch {
            return .failed(task, reason: "\(error)")
        }
    }
}
