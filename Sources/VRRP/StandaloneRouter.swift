/// One virtual router and its addresses on one interface, without Redis: `syncgate vrrp`. Composes the election
/// (`VirtualRouter`), the addresses (`AddressUpkeep`), the state of the interface, and what an operator is told.
///
/// Events carry the time; actions are to be executed in the order given. Reports stand last: whatever serves the network
/// goes before what is said about it. What the caller promises, beside what `VirtualRouter` and `AddressUpkeep` ask for:
/// - `link` comes at the start and with every change of the interface or its addresses.
/// - Packets that wait are handed in before `removed` and `deadlineReached`: a process that was frozen learns first whether
///   its addresses are another router's by now.
/// - Every `send`, `add`, `remove` and `announce` is followed by `worked` or `failed`, after the actions that came with it.
public struct StandaloneRouter: Sendable, Equatable {
    /// The interface that the heartbeat runs on.
    public struct LinkState: Sendable, Equatable {
        /// It exists, is up, and has a carrier.
        public var isUp: Bool
        /// Its first own address of the router's family (IPv6: its link-local one); nil without. Never a virtual address.
        public var primaryAddress: IPAddress?

        /// The address that was configured to be sent from, where one was; `primaryAddress` is then it or nil.
        public var source: IPAddress?

        /// Makes one.
        public init(isUp: Bool, primaryAddress: IPAddress?, source: IPAddress? = nil) {
            self.isUp = isUp
            self.primaryAddress = primaryAddress
            self.source = source
        }

        /// The address to send from; nil where nothing can be sent.
        var usableAddress: IPAddress? { isUp ? primaryAddress : nil }
    }

    /// What the caller does for this router, and what can go wrong.
    public enum Undertaking: Sendable, Hashable {
        case send
        case announce
        case add(VirtualAddress)
        case remove(VirtualAddress)
    }

    /// What happened.
    public enum Event: Sendable, Equatable {
        /// Take part, as soon as the interface can be used.
        case start
        /// Stop taking part: the addresses go first, then a resignation is sent.
        case stop
        /// How the interface is now. The same as before: nothing happens.
        case link(LinkState)
        /// A VRRP packet: what `Advertisement.decode` made of it, and its source address.
        case packet(Result<Advertisement, PacketRejection>, from: IPAddress)
        /// The kernel says that a virtual address is gone.
        case removed(VirtualAddress)
        /// An interface of virtual addresses, other than the heartbeat's, came back.
        case interfaceReturned
        /// An action was executed.
        case worked(Undertaking)
        /// An action was not: the error as a sentence, as `SystemCallError` describes itself.
        case failed(Undertaking, reason: String)
        /// `deadline` has passed, and no packet waits.
        case deadlineReached
        /// From now on this is the priority.
        case priorityChanged(Priority)
        /// A Backup becomes Active at once: the Active router has given up in its favour.
        case takeOver
        /// `servesByOrder`: put the addresses on, while Active. Nothing in the other states.
        case serve
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Send it to the group or to all peers.
        case send(Advertisement)
        /// As in `AddressUpkeep`.
        case add([VirtualAddress], lifetime: Duration)
        /// As in `AddressUpkeep`.
        case remove([VirtualAddress])
        /// As in `AddressUpkeep`.
        case announce([VirtualAddress])
        /// Tell the operator. Never wait for that.
        case report(Report)
    }

    /// The election.
    public private(set) var router: VirtualRouter
    /// The addresses.
    public private(set) var upkeep: AddressUpkeep
    /// How many packets were rejected, all of them.
    public private(set) var counts = RejectionCounts()
    /// How many advertisements were accepted.
    public private(set) var accepted = 0
    /// The interface as it was last heard of.
    public private(set) var link: LinkState?
    /// Whether it was started, and not stopped since.
    public private(set) var isStarted = false

    /// Whether the addresses are there only when `serve` has ordered it, and not as soon as the election is won.
    public let servesByOrder: Bool

    /// nil under multicast.
    private let peers: [IPAddress]?
    private var remarks = Remarks()
    private var troubles = Troubles()

    /// `virtualAddresses`: what is put on interfaces; their addresses are those of the parameters. `peers`: empty under
    /// multicast. The parameters and settings have no `problem`.
    public init(
        _ parameters: VirtualRouterParameters, virtualAddresses: [VirtualAddress],
        upkeep settings: AddressUpkeep.Settings = AddressUpkeep.Settings(), peers: [IPAddress] = [],
        servesByOrder: Bool = false
    ) {
        self.servesByOrder = servesByOrder
        router = VirtualRouter(parameters, primaryAddress: parameters.family == .ipv4 ? .v4(0) : .v6(0, 0))
        upkeep = AddressUpkeep(virtualAddresses, settings: settings)
        self.peers = peers.isEmpty ? nil : peers
    }

    /// Whether the addresses are ours at present.
    public var isServing: Bool { upkeep.state != .standby }

    /// Where the election stands.
    public var state: VirtualRouter.State { router.state }

    /// When `deadlineReached` is due; nil for never.
    public var deadline: Instant? {
        guard let first = router.deadline, let second = upkeep.deadline else {
            return router.deadline ?? upkeep.deadline
        }
        return min(first, second)
    }

    /// Takes an event and returns what to do, reports last. Events that mean nothing at the moment return nothing.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        var output = Output()
        switch event {
        case .start: start(&output, now)
        case .stop:
            isStarted = false
            elect(.shutdown, &output, now)
        case .link(let new): setLink(new, &output, now)
        case .packet(let packet, let sender):
            if isStarted { receive(packet, from: sender, &output, now) }
        case .removed(let address):
            let actions = upkeep.handle(.removed(address), now: now)
            output.append(actions)
            if !actions.isEmpty { remark(.addressRestored(address), .restored(address), &output, now) }
        case .interfaceReturned: output.append(upkeep.handle(.interfaceReturned, now: now))
        case .worked(let task): worked(task, &output, now)
        case .failed(let task, let reason): failed(task, reason, &output, now)
        case .deadlineReached:
            elect(.deadlineReached, &output, now)
            output.append(upkeep.handle(.deadlineReached, now: now))
        case .priorityChanged(let priority): elect(.priorityChanged(priority), &output, now)
        case .takeOver: elect(.takeOver, &output, now)
        case .serve:
            if router.state.name == .active { output.append(upkeep.handle(.activated, now: now)) }
        }
        return output.actions + output.reports.map { .report($0) }
    }
}

// MARK: - The parts

extension StandaloneRouter {
    /// Collects actions, and reports apart from them.
    private struct Output {
        var actions: [Action] = []
        var reports: [Report] = []

        mutating func append(_ upkeep: [AddressUpkeep.Action]) {
            actions += upkeep.map { action in
                switch action {
                case .add(let addresses, let lifetime): .add(addresses, lifetime: lifetime)
                case .remove(let addresses): .remove(addresses)
                case .announce(let addresses): .announce(addresses)
                }
            }
        }
    }

    private mutating func start(_ output: inout Output, _ now: Instant) {
        guard !isStarted else { return }
        isStarted = true
        if link?.usableAddress != nil {
            elect(.startup, &output, now)
        } else {
            output.append(upkeep.handle(.deactivated, now: now))
            output.reports.append(.link(link ?? LinkState(isUp: false, primaryAddress: nil)))
        }
    }

    private mutating func setLink(_ new: LinkState, _ output: inout Output, _ now: Instant) {
        guard new != link else { return }
        let before = link?.usableAddress
        link = new
        if isStarted { output.reports.append(.link(new)) }
        guard let address = new.usableAddress else { return elect(.interfaceDown, &output, now) }
        if address != before { elect(.primaryAddressChanged(address), &output, now) }
        if before == nil, isStarted { elect(.startup, &output, now) }
    }

    /// Gives the election an event, and the addresses what comes of it.
    private mutating func elect(_ event: VirtualRouter.Event, _ output: inout Output, _ now: Instant) {
        let before = router.state.name
        for action in router.handle(event, now: now) {
            switch action {
            case .send(let advertisement): output.actions.append(.send(advertisement))
            case .becomeActive(let cause):
                if !servesByOrder { output.append(upkeep.handle(.activated, now: now)) }
                output.reports.append(.transition(from: before, to: .active, cause: cause))
            case .becomeBackup(let cause):
                output.append(upkeep.handle(.deactivated, now: now))
                output.reports.append(.transition(from: before, to: .backup, cause: cause))
            case .initialize(let cause):
                output.append(upkeep.handle(.deactivated, now: now))
                output.reports.append(.transition(from: before, to: .initialize, cause: cause))
            case .reaffirm: output.append(upkeep.handle(.reaffirmed, now: now))
            }
        }
    }

    private mutating func receive(
        _ packet: Result<Advertisement, PacketRejection>, from sender: IPAddress, _ output: inout Output, _ now: Instant
    ) {
        let advertisement: Advertisement
        do throws(PacketRejection) {
            advertisement = try packet.get()
            try router.parameters.check(advertisement, peers: peers, from: sender)
        } catch {
            counts.count(error)
            return remark(.rejected(error, from: sender), .rejected(error.kind, sender), &output, now)
        }
        accepted += 1
        for discrepancy in router.parameters.discrepancies(advertisement) {
            remark(.discrepancy(discrepancy, from: sender), .discrepancy(discrepancy, sender), &output, now)
        }
        if sender == router.primaryAddress { remark(.ownAddress(sender), .ownAddress, &output, now) }
        let answers = output.actions.count
        elect(.received(advertisement, from: sender), &output, now)
        if router.state.name == .active, output.actions.count > answers {
            remark(.secondActive(advertisement.priority, from: sender), .secondActive(sender), &output, now)
        }
    }

    private mutating func remark(_ report: Report, _ key: Remarks.Key, _ output: inout Output, _ now: Instant) {
        switch remarks.note(key, now: now) {
        case .new: output.reports.append(report)
        case .known: break
        case .full: output.reports.append(.manyRemarks)
        }
    }

    private mutating func worked(_ task: Undertaking, _ output: inout Output, _ now: Instant) {
        if case .add(let address) = task { output.append(upkeep.handle(.added(address), now: now)) }
        guard let failures = troubles.worked(task, now: now) else { return }
        output.reports.append(.recovered(task, failures: failures))
    }

    private mutating func failed(_ task: Undertaking, _ reason: String, _ output: inout Output, _ now: Instant) {
        if case .add(let address) = task { output.append(upkeep.handle(.addFailed(address), now: now)) }
        if troubles.failed(task, reason, now: now) { output.reports.append(.trouble(task, reason: reason)) }
    }
}
