public import VRRP

/// Runs virtual routers: packets and changes of the network in, advertisements and addresses out, all on the thread that
/// calls `run`. It decides nothing; its cores do: `StandaloneRouter`, or what is built around it.
///
/// Order: packets that wait are handed in before a change of the network and before a deadline that concludes from silence;
/// whoever is Active meets its deadlines however many packets wait. Messages of an `Inbox` are handed in as they were posted.
///
/// Not for sharing: made, used and let go on one thread (see `StandaloneThread`).
public final class RouterLoop<Core: RouterCore> {
    /// A virtual router with its place. A class, so that looking at a part of it copies nothing.
    private final class Router {
        var core: Core
        var sent = 0
        var unsent = 0
        /// What it has put on interfaces, and not removed since.
        var held: Set<VirtualAddress> = []
        let configuration: StandaloneConfiguration
        let segment: Segment

        init(_ core: Core, _ configuration: StandaloneConfiguration, _ segment: Segment) {
            self.core = core
            self.configuration = configuration
            self.segment = segment
        }
    }

    private let loop: EventLoop
    private let network: Network
    private let resets: ResetResponders
    private let inbox: Inbox<RouterMessage<Core>>
    private let notify: @Sendable (StandaloneNotice) -> Void
    /// Called on the loop's thread, in the order of the core's actions, with those that are not for the loop.
    private let perform: (Core.Action, _ router: Int) -> Void
    /// Those that come and go with the Active state, of all routers: never sent from.
    private var virtualAddresses: Set<IPAddress> = []
    private var segments: [Segment] = []
    private var routers: [Router] = []
    private var isFinishing = false
    /// When each router has something to do, and as what. Beside them, as all are looked at after each event.
    private var due: [(deadline: Instant?, isActive: Bool)] = []

    /// Opens what is needed, and starts no router yet. Throws where rights or interfaces are missing. `makeCore` gets the place
    /// of each configuration in the list, and the addresses that come and go: all but those that an owner (priority 255) has
    /// for good. `perform` and `notify` must not wait.
    public init(
        _ configurations: [StandaloneConfiguration], inbox: Inbox<RouterMessage<Core>>,
        makeCore: (_ router: Int, _ addresses: [VirtualAddress]) -> Core,
        perform: @escaping (Core.Action, _ router: Int) -> Void = { _, _ in },
        notify: @escaping @Sendable (StandaloneNotice) -> Void
    ) throws(SystemCallError) {
        loop = try EventLoop()
        network = try Network()
        resets = ResetResponders { notify(.trouble($0, interface: $1)) }
        self.inbox = inbox
        self.perform = perform
        self.notify = notify
        for configuration in configurations { try add(configuration, makeCore) }
        try loop.register(inbox.fd) { [unowned self] in takeMessages() }
        try loop.register(network.monitorDescriptor) { [unowned self] in takeChanges() }
        loop.onDeadline = { [unowned self] in deadlineReached() }
    }

    private func add(
        _ configuration: StandaloneConfiguration, _ makeCore: (Int, [VirtualAddress]) -> Core
    ) throws(SystemCallError) {
        guard try network.link(configuration.interface) != nil else {
            throw SystemCallError(.findInterface(configuration.interface), .noDevice)
        }
        for address in configuration.virtualAddresses {
            guard let interface = address.interface, try network.link(interface) == nil else { continue }
            throw SystemCallError(.findInterface(interface), .noDevice)
        }
        let unowned = try network.unowned(by: configuration)
        if let own = try network.ownAddress(among: unowned, on: configuration.interface) {
            throw SystemCallError(.takeAddress(own, interface: configuration.interface), .addressInUse)
        }
        virtualAddresses.formUnion(unowned.map(\.address))
        let known = segments.first { $0.serves(configuration) }
        let segment = known ?? Segment(configuration)
        if known == nil { segments.append(segment) }
        segment.adopt(configuration)
        routers.append(Router(makeCore(routers.count, unowned), configuration, segment))
        due.append((nil, false))
    }

    /// Starts the routers, says so by `onStart`, and returns when it has been told to end. Throws where a socket cannot be
    /// opened at the start, or the event loop fails; addresses are removed in either case.
    public func run(onStart: () -> Void = {}) throws(SystemCallError) {
        if !virtualAddresses.isEmpty { try network.checkRights() }
        for segment in segments {
            try segment.look(network, except: [])
            try openSocket(of: segment)
            refresh(segment)
        }
        for index in routers.indices { handle(Core.start, index) }
        schedule()
        onStart()
        defer {
            withdraw()
            resets.end()
        }
        try loop.run()
        if isFinishing { resets.finish() }
    }

    /// Nobody renews the addresses any more, or gives them to the other router.
    private func withdraw() {
        for index in routers.indices {
            for address in routers[index].held { _ = remove([address], index) }
        }
    }

    // MARK: Events

    private func takeMessages() {
        for message in inbox.take() {
            switch message {
            case .event(let event, let index): handle(event, index)
            case .look(let index, let body): body(routers[index].core)
            case .tellStatistics: tellStatistics()
            case .finish:
                isFinishing = true
                loop.stop()
            case .end: loop.stop()
            }
        }
        schedule()
    }

    private func tellStatistics() {
        for router in routers {
            let election = router.core.election
            let statistics = StandaloneStatistics(
                state: election.state.name, sent: router.sent, unsent: router.unsent, accepted: election.accepted,
                rejections: election.counts, overruns: router.segment.overruns)
            let configuration = router.configuration
            notify(
                .statistics(
                    statistics, configuration.parameters.virtualRouterID, interface: configuration.interface))
        }
    }

    private func takeChanges() {
        // A process that was frozen is told that the kernel has dropped its addresses. Before it adds them again, it must
        // know whether they are another router's by now.
        for segment in segments { takePackets(of: segment) }
        var changes = Network.Changes()
        attempt(segments.first?.interface ?? "") { () throws(SystemCallError) in
            changes = try network.takeChanges(ignoring: virtualAddresses)
        }
        if changes.concernsInterfaces {
            for segment in segments { refresh(segment, wasGone: changes.gone.contains(segment.interface)) }
        }
        for index in routers.indices {
            let configuration = routers[index].configuration
            for address in configuration.virtualAddresses where changes.removed.contains(address.address) {
                let interface = address.interface ?? configuration.interface
                attempt(interface) { () throws(SystemCallError) in
                    // What we removed ourselves, and have added again since, is there.
                    guard try !network.has(address.address, on: interface) else { return }
                    handleNetwork(.removed(address), index)
                }
            }
            // Most changes are renewals, our own: they concern no interface.
            guard !changes.returned.isEmpty || !changes.readdressed.isEmpty else { continue }
            let others = Set(configuration.virtualAddresses.compactMap(\.interface)).subtracting([
                configuration.interface
            ])
            let places = Set(configuration.virtualAddresses.map { $0.interface ?? configuration.interface })
            // With another link-layer address, what was announced is wrong.
            if !others.isDisjoint(with: changes.returned) || !places.isDisjoint(with: changes.readdressed) {
                handleNetwork(.interfaceReturned, index)
            }
        }
        schedule()
    }

    /// A batch of packets of one segment. They are collected first: handling them may send on the same socket.
    private func takePackets(of segment: Segment) {
        var packets: [Segment.Packet] = []
        // What a socket notes of its interface, the monitor says as well.
        do throws(SystemCallError) { packets = try segment.receive() } catch {}
        for packet in packets {
            for index in routers.indices where routers[index].segment === segment {
                let id = routers[index].configuration.parameters.virtualRouterID
                guard packet.virtualRouterID == nil || packet.virtualRouterID == id.rawValue else { continue }
                handleNetwork(.packet(packet.content, from: packet.sender), index)
            }
        }
        // However long a Backup goes on reading before it concludes from silence, who is Active sends in time.
        fireDue { routers[$0].segment === segment && due[$0].isActive }
        schedule()
    }

    private func deadlineReached() {
        fireDue { _ in true }
        schedule()
    }

    private func fireDue(_ isMeant: (Int) -> Bool) {
        for index in due.indices {
            guard let deadline = due[index].deadline, deadline <= ContinuousClock.now, isMeant(index) else { continue }
            handle(Core.deadlineReached, index)
        }
    }

    /// The next deadline of all. Who is Active must send in time; who listens must not conclude from silence before it has
    /// heard all that waits.
    private func schedule() {
        var next: (deadline: Instant, isActive: Bool)?
        for router in due {
            guard let deadline = router.deadline, next.map({ deadline < $0.deadline }) ?? true else { continue }
            next = (deadline, router.isActive)
        }
        loop.patience = next?.isActive == false ? .untilSilent : .oneRound
        loop.deadline = next?.deadline
    }

    // MARK: The interface

    /// Looks at the interface again, after a change of anything. `wasGone`: it may have been away, and then the socket is in
    /// no group any more, even where the interface came back with its number. Nor is it, perhaps, where it could not be used
    /// meanwhile: an MTU too small for IPv6 ends all membership.
    private func refresh(_ segment: Segment, wasGone: Bool = false) {
        let wasUsable = segment.isUsable
        attempt(segment.interface) { () throws(SystemCallError) in
            let isAnother = try segment.look(network, except: virtualAddresses)
            let isBack = !wasUsable && segment.isUsable
            guard isAnother || wasGone || isBack || segment.descriptor == nil else { return }
            closeSocket(of: segment)
            try openSocket(of: segment)
        }
        let state = segment.linkState
        for index in routers.indices where routers[index].segment === segment { handleNetwork(.link(state), index) }
    }

    /// Nothing where the interface is away.
    private func openSocket(of segment: Segment) throws(SystemCallError) {
        guard let descriptor = try segment.openSocket() else { return }
        do throws(SystemCallError) {
            try loop.register(descriptor) { [unowned self] in takePackets(of: segment) }
        } catch {
            // A socket that nobody reads must not pass for one that hears nothing.
            segment.closeSocket()
            throw error
        }
    }

    private func closeSocket(of segment: Segment) {
        if let descriptor = segment.descriptor { loop.unregister(descriptor) }
        segment.closeSocket()
    }

    private func attempt(_ interface: String, _ work: () throws(SystemCallError) -> Void) {
        do throws(SystemCallError) { try work() } catch { notify(.trouble(error, interface: interface)) }
    }

    // MARK: Actions

    private func handleNetwork(_ event: StandaloneRouter.Event, _ index: Int) { handle(Core.network(event), index) }

    private func handle(_ event: Core.Event, _ index: Int) {
        let router = routers[index]
        var events = [event]
        var handled = 0
        while handled < events.count {
            let step = router.core.advance(events[handled], now: .now)
            due[index] = step.due
            for action in step.actions {
                if let action = Core.networkAction(of: action) {
                    for outcome in execute(action, index) { events.append(Core.network(outcome)) }
                } else {
                    perform(action, index)
                }
            }
            handled += 1
        }
    }

    /// Executes it, and returns what came of it.
    private func execute(_ action: StandaloneRouter.Action, _ index: Int) -> [StandaloneRouter.Event] {
        let configuration = routers[index].configuration
        switch action {
        case .send(let advertisement):
            let coverage = configuration.parameters.checksumCoverage
            let result = outcome(.send) { () throws(SystemCallError) in
                try routers[index].segment.send(advertisement, coverage)
            }
            if result == .worked(.send) { routers[index].sent += 1 } else { routers[index].unsent += 1 }
            return [result]
        case .add(let addresses, let lifetime):
            return addresses.map { address in
                outcome(.add(address)) { () throws(SystemCallError) in
                    try network.add(address, to: address.interface ?? configuration.interface, lifetime: lifetime)
                    routers[index].held.insert(address)
                    resets.end(address)
                }
            }
        case .remove(let addresses):
            guard configuration.resetsAfterRemoval else { return remove(addresses, index) }
            let leaving = addresses.filter(routers[index].held.contains)
            let opened = resets.open(for: leaving, interface: configuration.interface, network)
            let outcomes = remove(addresses, index)
            // For one that is still there, the kernel answers.
            if routers[index].held.isDisjoint(with: leaving) { resets.start(opened) }
            return outcomes
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

    private func remove(_ addresses: [VirtualAddress], _ index: Int) -> [StandaloneRouter.Event] {
        addresses.map { address in
            outcome(.remove(address)) { () throws(SystemCallError) in
                try network.remove(address, from: address.interface ?? routers[index].configuration.interface)
                routers[index].held.remove(address)
            }
        }
    }

    private func outcome(
        _ task: StandaloneRouter.Undertaking, _ work: () throws(SystemCallError) -> Void
    ) -> StandaloneRouter.Event {
        do throws(SystemCallError) {
            try work()
            return .worked(task)
        } catch {
            return .failed(task, reason: "\(error)")
        }
    }
}
