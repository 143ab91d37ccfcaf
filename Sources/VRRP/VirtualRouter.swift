// The election, told as a story
//
// A router starts by listening (Backup). Whoever is Active advertises at a fixed interval; a Backup that hears nothing for
// three intervals and its own Skew Time becomes Active. The skew is the shorter the higher the priority, so that the best
// Backup is the first one to notice, and its first advertisement keeps the others quiet. An Active router that stops says
// so (priority 0), and then only the skew is waited for. Where two are Active, because a cable between them was cut and
// is whole again, the higher priority wins, and of equal ones the higher address; the loser falls back as soon as it hears
// the winner, with a last word, and the winner announces the addresses again, because hosts may still send to the loser.

/// One virtual router: RFC 9568 §6.4 (version 3), RFC 3768 §6.4 (version 2). Knows nothing of sockets, of interfaces, or of
/// what an Active router does with its addresses (see `AddressUpkeep`).
///
/// Events carry the time; actions are to be executed in the order given. What the caller promises:
/// - `received` is an advertisement that `VirtualRouterParameters.check` accepted.
/// - `deadlineReached` comes at `deadline` or soon after. **Packets that wait are handed in first.** A process that was
///   frozen (SIGSTOP, a paused machine, no CPU) wakes with its timer overdue and advertisements waiting; a Backup that
///   looked at the clock first would take over from a living Active. A `deadlineReached` that comes before `deadline`,
///   because a packet moved it meanwhile, does nothing.
public struct VirtualRouter: Sendable, Equatable {
    /// Where it stands.
    public enum State: Sendable, Equatable {
        /// Takes no part. Leaves to `backup` on startup, with priority 255 to `active`.
        case initialize
        /// Listens. Leaves to `active` when the timer fires or it is made the owner of the addresses, to `initialize` on
        /// shutdown or without its interface.
        ///
        /// `activeAdvertisementInterval`: of the Active router (version 2: our own). `preemptAfter`: until then an Active
        /// router of lower priority is heard out; nil while none was heard, or without a delay.
        case backup(activeDownTimer: Instant, activeAdvertisementInterval: Duration, preemptAfter: Instant?)
        /// Has the addresses, and advertises. Leaves to `backup` when another Active router wins, to `initialize` on
        /// shutdown or without its interface.
        ///
        /// `answersAfter`: before that, advertisements that lose are not answered again.
        case active(advertisementTimer: Instant, answersAfter: Instant)

        /// Its name.
        public var name: StateName {
            switch self {
            case .initialize: .initialize
            case .backup: .backup
            case .active: .active
            }
        }
    }

    /// What happened.
    public enum Event: Sendable, Equatable {
        /// Take part. Nothing where it does already.
        case startup
        /// Stop taking part; an Active router says so (priority 0).
        case shutdown
        /// The interface is down, gone, or has no address to send from. Nothing is sent.
        case interfaceDown
        /// An advertisement that was checked, and the address it came from.
        case received(Advertisement, from: IPAddress)
        /// `deadline` has passed, and no packet waits.
        case deadlineReached
        /// From now on this is the priority; 0 counts as 1. It keeps its state, but for a Backup that becomes the owner.
        case priorityChanged(Priority)
        /// From now on advertisements leave from this address.
        case primaryAddressChanged(IPAddress)
        /// A Backup becomes Active at once, because the caller knows that the Active router has given up in its favour.
        case takeOver
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Send it to the group or to all peers.
        case send(Advertisement)
        /// The addresses are ours: add and announce them. The first advertisement went before, so that a former Active
        /// router gives them up before they are announced.
        case becomeActive(Cause)
        /// The addresses are not ours. One that loses against a second Active router advertises once more after this.
        case becomeBackup(Cause)
        /// The addresses are not ours. On shutdown the resignation is sent after this: the next Active router finds them free.
        case initialize(Cause)
        /// A second Active router was heard, and lost: announce the addresses again.
        case reaffirm
    }

    /// Where it stands.
    public private(set) var state: State = .initialize
    /// What it was configured with, with the present priority.
    public private(set) var parameters: VirtualRouterParameters
    /// The address that advertisements leave from; decides between equal priorities.
    public private(set) var primaryAddress: IPAddress
    /// The last advertisement of an Active router that a Backup heard, followed or not; nil in the other states.
    public private(set) var lastHeard: Sighting?

    /// Makes a router in `initialize`. The parameters have no `problem`.
    public init(_ parameters: VirtualRouterParameters, primaryAddress: IPAddress) {
        self.parameters = parameters
        self.primaryAddress = primaryAddress
    }

    /// When `deadlineReached` is due; nil in `initialize`.
    public var deadline: Instant? {
        switch state {
        case .initialize: nil
        case .backup(let activeDownTimer, _, _): activeDownTimer
        case .active(let advertisementTimer, _): advertisementTimer
        }
    }

    /// Takes an event and returns what to do. Events that mean nothing in a state return nothing and change nothing.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        let actions: [Action]
        switch state {
        case .initialize:
            (state, actions) = initialized(event, now)
        case .backup(let timer, let interval, let preemptAfter):
            let backup = Backup(timer: timer, interval: interval, preemptAfter: preemptAfter)
            (state, actions) = backedUp(backup, event, now)
        case .active(let timer, let answersAfter):
            (state, actions) = activated(timer, answersAfter, event, now)
        }
        if case .backup = state {} else { lastHeard = nil }
        return actions
    }
}

// MARK: - Times

extension VirtualRouter {
    /// Skew Time: in version 2 (256 - priority) / 256 seconds (RFC 3768 §6.1), in version 3 that part of the Active
    /// router's interval (RFC 9568 §6.1). Exact; nothing is rounded to wire units.
    func skewTime(_ activeInterval: Duration) -> Duration {
        let share = 256 - Int(parameters.priority.rawValue)
        switch parameters.version {
        case .v2: return .seconds(1) * share / 256
        case .v3: return activeInterval * share / 256
        }
    }

    /// Active Down Interval: three intervals of the Active router and the skew (RFC 9568 §6.1; RFC 3768 §6.1).
    func activeDownInterval(_ activeInterval: Duration) -> Duration { activeInterval * 3 + skewTime(activeInterval) }

    /// The interval of the Active router that sent this. In version 2 all routers have the same.
    private func interval(of advertisement: Advertisement) -> Duration {
        switch parameters.version {
        case .v2: parameters.advertisementInterval
        case .v3: advertisement.interval
        }
    }

    private func advertisement(_ priority: Priority) -> Advertisement {
        Advertisement(
            version: parameters.version, virtualRouterID: parameters.virtualRouterID, priority: priority,
            interval: parameters.advertisementInterval, addresses: parameters.addresses,
            authentication: parameters.authentication)
    }

    private mutating func setPriority(_ priority: Priority) {
        parameters.priority = max(priority, Priority(1))
    }
}

// MARK: - Initialize

extension VirtualRouter {
    private mutating func initialized(_ event: Event, _ now: Instant) -> (State, [Action]) {
        switch event {
        case .startup:
            if parameters.priority == .owner { return becomeActive(.owner, now) }
            let interval = parameters.advertisementInterval
            let backup = Backup(
                timer: now + activeDownInterval(interval), interval: interval,
                preemptAfter: parameters.preempts && parameters.preemptDelay > .zero
                    ? now + parameters.preemptDelay : nil)
            return (backup.state, [.becomeBackup(.startup)])
        case .priorityChanged(let priority): setPriority(priority)
        case .primaryAddressChanged(let address): primaryAddress = address
        case .shutdown, .interfaceDown, .received, .deadlineReached, .takeOver: break
        }
        return (.initialize, [])
    }

    /// The first advertisement, and then the addresses (RFC 9568 §6.4.1, §6.4.2). Who is preempted replies to it with its last
    /// one (see `yield`), which says nothing new then.
    private func becomeActive(_ cause: Cause, _ now: Instant) -> (State, [Action]) {
        let interval = parameters.advertisementInterval
        let isReplied = if case .preempting = cause { true } else { false }
        return (
            .active(advertisementTimer: now + interval, answersAfter: isReplied ? now + interval / 4 : now),
            [.send(advertisement(parameters.priority)), .becomeActive(cause)]
        )
    }
}

// MARK: - Backup

extension VirtualRouter {
    /// The values of the state `backup`.
    private struct Backup {
        var timer: Instant
        var interval: Duration
        var preemptAfter: Instant?

        var state: State {
            .backup(activeDownTimer: timer, activeAdvertisementInterval: interval, preemptAfter: preemptAfter)
        }
    }

    private mutating func backedUp(_ backup: Backup, _ event: Event, _ now: Instant) -> (State, [Action]) {
        var backup = backup
        switch event {
        case .shutdown: return (.initialize, [.initialize(.shutdown)])
        case .interfaceDown: return (.initialize, [.initialize(.interfaceDown)])
        case .received(let advertisement, let sender): hear(advertisement, from: sender, &backup, now)
        case .deadlineReached:
            if now >= backup.timer { return becomeActive(takeoverCause(backup, now), now) }
        case .priorityChanged(let priority):
            let before = skewTime(backup.interval)
            setPriority(priority)
            if parameters.priority == .owner { return becomeActive(.owner, now) }
            backup.timer += skewTime(backup.interval) - before
        case .primaryAddressChanged(let address): primaryAddress = address
        case .takeOver: return becomeActive(.handedOver(from: lastHeard?.address), now)
        case .startup: break
        }
        return (backup.state, [])
    }

    /// RFC 9568 §6.4.2, RFC 3768 §6.4.2.
    ///
    /// The preempt delay is not in the RFC. As in keepalived, an Active router of lower priority is followed like any other
    /// until the delay is over; then its advertisements no longer stop the timer, which runs out one Active Down Interval
    /// after the last one that did. A better router that is heard meanwhile ends the delay; it starts anew with the next
    /// lower one.
    private mutating func hear(
        _ advertisement: Advertisement, from sender: IPAddress, _ backup: inout Backup, _ now: Instant
    ) {
        lastHeard = Sighting(address: sender, priority: advertisement.priority, time: now)
        guard advertisement.priority != .resigning else {
            backup.timer = now + skewTime(backup.interval)
            return
        }
        if !parameters.preempts || advertisement.priority >= parameters.priority {
            backup.preemptAfter = nil
        } else if let end = backup.preemptAfter ?? preemptionTime(now), now < end {
            backup.preemptAfter = end
        } else {
            return
        }
        backup.interval = interval(of: advertisement)
        backup.timer = now + activeDownInterval(backup.interval)
    }

    /// When an Active router of lower priority that is first heard now has been heard out; nil: at once.
    private func preemptionTime(_ now: Instant) -> Instant? {
        parameters.preemptDelay > .zero ? now + parameters.preemptDelay : nil
    }

    private func takeoverCause(_ backup: Backup, _ now: Instant) -> Cause {
        let silence = now - backup.timer + activeDownInterval(backup.interval)
        guard let last = lastHeard else { return .activeDown(last: nil, silence: silence) }
        if last.priority == .resigning { return .resigned(from: last.address) }
        if parameters.preempts, last.priority < parameters.priority, last.time > now - backup.interval * 3 {
            return .preempting(last.priority, from: last.address)
        }
        return .activeDown(last: last.address, silence: silence)
    }
}

// MARK: - Active

extension VirtualRouter {
    private mutating func activated(
        _ timer: Instant, _ answersAfter: Instant, _ event: Event, _ now: Instant
    ) -> (State, [Action]) {
        let unchanged = State.active(advertisementTimer: timer, answersAfter: answersAfter)
        switch event {
        case .shutdown: return (.initialize, [.initialize(.shutdown), .send(advertisement(.resigning))])
        case .interfaceDown: return (.initialize, [.initialize(.interfaceDown)])
        case .deadlineReached:
            guard now >= timer else { return (unchanged, []) }
            let next = timer + parameters.advertisementInterval
            let timer = next > now ? next : now + parameters.advertisementInterval
            let state = State.active(advertisementTimer: timer, answersAfter: answersAfter)
            return (state, [.send(advertisement(parameters.priority))])
        case .received(let rival, let sender):
            if let cause = defeat(by: rival, from: sender, timer, now) { return yield(to: rival, sender, cause, now) }
            guard now >= answersAfter, !isReflection(rival, sender) else { return (unchanged, []) }
            return answer(rival, timer, now)
        case .priorityChanged(let priority): setPriority(priority)
        case .primaryAddressChanged(let address): primaryAddress = address
        case .startup, .takeOver: break
        }
        return (unchanged, [])
    }

    /// Why a second Active router wins; nil where it loses (RFC 9568 §6.4.3, RFC 3768 §6.4.3).
    ///
    /// Deviation: a router that was frozen so long that every Backup's timer has run out, and that would not preempt, or not
    /// yet, wakes to an Active router of lower priority that took over rightly; it does not take the addresses back. One
    /// that wakes and finds nobody Active goes on.
    private func defeat(
        by rival: Advertisement, from sender: IPAddress, _ timer: Instant, _ now: Instant
    ) -> Cause? {
        let mine = parameters.priority
        let interval = parameters.advertisementInterval
        if rival.priority == .resigning { return nil }
        if rival.priority > mine { return .higherPriority(rival.priority, from: sender) }
        if rival.priority == mine, sender > primaryAddress { return .higherAddress(from: sender) }
        let claimsBack = parameters.preempts && parameters.preemptDelay == .zero
        guard now >= timer + interval * 3, !claimsBack, !isReflection(rival, sender) else { return nil }
        return .overslept(now - timer + interval, from: sender)
    }

    /// Gives the addresses up, and then advertises once more.
    ///
    /// Deviation: RFC 9568 §6.4.3 falls silent at once. Where a cut cable is whole again and the loser hears the winner
    /// first, the winner would never know that there were two, and hosts would go on sending to the loser until their ARP
    /// entries expire. The last advertisement has the winner announce again (keepalived: `vrrp_higher_prio_send_advert`).
    /// One that overslept does not send it: it has the higher priority, and would win.
    private mutating func yield(
        to rival: Advertisement, _ sender: IPAddress, _ cause: Cause, _ now: Instant
    ) -> (State, [Action]) {
        lastHeard = Sighting(address: sender, priority: rival.priority, time: now)
        let interval = interval(of: rival)
        let isLower = parameters.preempts && rival.priority < parameters.priority
        let backup = Backup(
            timer: now + activeDownInterval(interval), interval: interval,
            preemptAfter: isLower ? preemptionTime(now) : nil)
        if case .overslept = cause { return (backup.state, [.becomeBackup(cause)]) }
        return (backup.state, [.becomeBackup(cause), .send(advertisement(parameters.priority))])
    }

    /// Asserts itself against a second Active router. After a resignation the timer starts anew, otherwise it runs on.
    ///
    /// Deviation: at most one such answer every quarter of an interval, and in between nothing happens at all, so that a flood
    /// of advertisements is not answered by a flood.
    /// Deviation: version 2 answers as well, as keepalived does, where RFC 3768 §6.4.3 only discards: both being Active ends a
    /// moment after they hear each other, and not an interval later.
    private func answer(_ rival: Advertisement, _ timer: Instant, _ now: Instant) -> (State, [Action]) {
        let interval = parameters.advertisementInterval
        let next = rival.priority == .resigning ? now + interval : timer
        return (
            .active(advertisementTimer: next, answersAfter: now + interval / 4),
            [.send(advertisement(parameters.priority)), .reaffirm]
        )
    }

    /// Our own advertisement, sent back by the segment, or a second machine with our address.
    ///
    /// Deviation: it is not answered. The answer would come back as well, and cures neither.
    private func isReflection(_ rival: Advertisement, _ sender: IPAddress) -> Bool {
        sender == primaryAddress && rival.priority == parameters.priority
    }
}
