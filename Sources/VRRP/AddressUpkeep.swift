/// What a router that is Active does for its virtual addresses: adds them, keeps them alive, announces them, brings them
/// back. Knows nothing of the election (`VirtualRouter`).
///
/// An address is added with a lifetime that is renewed every third of it, so that the kernel itself drops it when this
/// process is killed, frozen or hung. It is announced at once, some more times after a delay (a switch or a host may have
/// missed the first one), and from time to time.
///
/// Events carry the time; actions are to be executed in the order given. For each address of an `add`, the caller says
/// `added` or `addFailed` afterwards. One that cannot be added is tried again with each renewal, and announced as soon as
/// it is there.
public struct AddressUpkeep: Sendable, Equatable {
    /// How the addresses are kept.
    public struct Settings: Sendable, Equatable {
        /// How long the kernel keeps an address that is not renewed: whole seconds, at least 1 s.
        public var lifetime: Duration
        /// How many extra rounds of announcements follow, one a second; 0 for none.
        public var announceRepeat: Int
        /// After how long they begin (keepalived: `garp_master_delay`).
        public var announceDelay: Duration
        /// How often the addresses are announced from then on; nil: never.
        public var announceRefresh: Duration?

        /// Makes settings; `problem` says whether they can be used.
        public init(
            lifetime: Duration = .seconds(3), announceRepeat: Int = 5, announceDelay: Duration = .seconds(5),
            announceRefresh: Duration? = .seconds(60)
        ) {
            self.lifetime = lifetime
            self.announceRepeat = announceRepeat
            self.announceDelay = announceDelay
            self.announceRefresh = announceRefresh
        }

        /// What an operator may choose as the lifetime: a renewal that comes late by a second must not cost the address.
        public static let lifetimes: ClosedRange<Duration> = .seconds(2) ... .seconds(3600)

        /// What makes them unusable, as a sentence that names the value and what is allowed; nil where nothing does.
        public var problem: String? {
            if lifetime < .seconds(1) || lifetime > .seconds(86_400) || lifetime.components.attoseconds != 0 {
                return "a lifetime of \(lifetime.shortText) is not possible: whole seconds, 1 s to 86400 s"
            }
            if !(0...100).contains(announceRepeat) {
                return "\(announceRepeat) extra announcements are not possible: 0 to 100"
            }
            if !(.zero ... .seconds(3600)).contains(announceDelay) {
                return "a delay of \(announceDelay.shortText) before extra announcements is not possible: 0 s to 3600 s"
            }
            if let refresh = announceRefresh, !(.seconds(1) ... .seconds(86_400)).contains(refresh) {
                return "announcing every \(refresh.shortText) is not possible: 1 s to 86400 s, or never"
            }
            return nil
        }
    }

    /// What is due when, while Active.
    public struct Schedule: Sendable, Equatable {
        /// The next renewal.
        public var renewal: Instant
        /// The next extra round, and how many are left, itself included.
        public var extra: Extra?
        /// The next regular announcement.
        public var refresh: Instant?
        /// Addresses that could not be added, or that wait to be restored.
        public var missing: Set<VirtualAddress> = []
        /// When an address that somebody else had removed was last added again.
        public var restored: [VirtualAddress: Instant] = [:]
    }

    /// Extra rounds of announcements.
    public struct Extra: Sendable, Equatable {
        /// When the next one is due.
        public var next: Instant
        /// How many are left, the next one included.
        public var left: Int
    }

    /// Whose the addresses are.
    public enum State: Sendable, Equatable {
        /// Not ours. Leaves to `active` when activated.
        case standby
        /// Ours. Leaves to `standby` when deactivated.
        case active(Schedule)
    }

    /// What happened.
    public enum Event: Sendable, Equatable {
        /// The addresses are ours now.
        case activated
        /// They are not. In `standby` too they are removed: a process that crashed may have left some.
        case deactivated
        /// A second Active router gave way; hosts may still send to it.
        case reaffirmed
        /// The kernel says that one is gone. Our own removals, reported late, do no harm.
        case removed(VirtualAddress)
        /// It was added.
        case added(VirtualAddress)
        /// It could not be added.
        case addFailed(VirtualAddress)
        /// An interface that addresses are on came back, without them.
        case interfaceReturned
        /// `deadline` has passed.
        case deadlineReached
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Add them, or renew those that are there (`NLM_F_REPLACE`), to be dropped by the kernel after the lifetime.
        case add([VirtualAddress], lifetime: Duration)
        /// Remove them; one that is gone already is no error.
        case remove([VirtualAddress])
        /// One round of announcements: gratuitous ARP, unsolicited neighbour advertisements.
        case announce([VirtualAddress])
    }

    /// Somebody who removes an address again and again is answered at most this often.
    static let restorationPause = Duration.milliseconds(100)
    /// Between two extra rounds.
    static let extraPause = Duration.seconds(1)

    /// Whose the addresses are.
    public private(set) var state: State = .standby
    /// The addresses, in the order in which they are added and announced.
    public let addresses: [VirtualAddress]
    /// How they are kept.
    public let settings: Settings

    /// In `standby`. The settings have no `problem`.
    public init(_ addresses: [VirtualAddress], settings: Settings = Settings()) {
        self.addresses = addresses
        self.settings = settings
    }

    /// When `deadlineReached` is due; nil in `standby`.
    public var deadline: Instant? {
        guard case .active(let schedule) = state else { return nil }
        // Asked after every event of every router: no array.
        var first = schedule.renewal
        if let extra = schedule.extra { first = min(first, extra.next) }
        if let refresh = schedule.refresh { first = min(first, refresh) }
        return first
    }

    /// Takes an event and returns what to do. Events that mean nothing in a state return nothing and change nothing.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        guard case .active(var schedule) = state else {
            switch event {
            case .activated:
                state = .active(newSchedule(now))
                return addAndAnnounce(addresses)
            case .deactivated: return [.remove(addresses)]
            case .reaffirmed, .removed, .added, .addFailed, .interfaceReturned, .deadlineReached: return []
            }
        }
        if event == .deactivated {
            state = .standby
            return [.remove(addresses)]
        }
        let actions = keep(&schedule, event, now)
        state = .active(schedule)
        return actions
    }
}

// MARK: - While Active

extension AddressUpkeep {
    private func keep(_ schedule: inout Schedule, _ event: Event, _ now: Instant) -> [Action] {
        switch event {
        case .reaffirmed:
            planAnnouncements(&schedule, now)
            return announce(present(schedule))
        case .removed(let address): return restore(address, &schedule, now)
        case .added(let address): return schedule.missing.remove(address).map { announce([$0]) } ?? []
        case .addFailed(let address):
            if addresses.contains(address) { schedule.missing.insert(address) }
            return []
        case .interfaceReturned:
            planAnnouncements(&schedule, now)
            schedule.renewal = now + renewalInterval
            return addAndAnnounce(addresses)
        case .deadlineReached: return work(&schedule, now)
        case .activated, .deactivated: return []
        }
    }

    private var renewalInterval: Duration { settings.lifetime / 3 }

    private func newSchedule(_ now: Instant) -> Schedule {
        var schedule = Schedule(renewal: now + renewalInterval)
        planAnnouncements(&schedule, now)
        return schedule
    }

    /// After an announcement at `now`.
    private func planAnnouncements(_ schedule: inout Schedule, _ now: Instant) {
        schedule.extra =
            settings.announceRepeat > 0
            ? Extra(next: now + settings.announceDelay, left: settings.announceRepeat) : nil
        schedule.refresh = settings.announceRefresh.map { now + $0 }
    }

    /// Adds it again at once; an address that keeps being removed waits for its turn.
    private func restore(_ address: VirtualAddress, _ schedule: inout Schedule, _ now: Instant) -> [Action] {
        guard addresses.contains(address) else { return [] }
        if let last = schedule.restored[address], now < last + Self.restorationPause {
            schedule.missing.insert(address)
            schedule.renewal = min(schedule.renewal, last + Self.restorationPause)
            return []
        }
        schedule.restored[address] = now
        return addAndAnnounce([address])
    }

    /// What is due.
    private func work(_ schedule: inout Schedule, _ now: Instant) -> [Action] {
        var actions: [Action] = []
        var announcesAll = false
        if now >= schedule.renewal {
            // Renewed too late: the kernel has dropped them.
            announcesAll = now - schedule.renewal >= settings.lifetime - renewalInterval
            if !addresses.isEmpty { actions.append(.add(addresses, lifetime: settings.lifetime)) }
            for address in schedule.missing where schedule.restored[address] != nil { schedule.restored[address] = now }
            schedule.renewal = Self.next(after: schedule.renewal, every: renewalInterval, now)
        }
        if let extra = schedule.extra, now >= extra.next {
            announcesAll = true
            let next = Self.next(after: extra.next, every: Self.extraPause, now)
            schedule.extra = extra.left > 1 ? Extra(next: next, left: extra.left - 1) : nil
        }
        if let refresh = schedule.refresh, let interval = settings.announceRefresh, now >= refresh {
            announcesAll = true
            schedule.refresh = Self.next(after: refresh, every: interval, now)
        }
        return actions + (announcesAll ? announce(present(schedule)) : [])
    }

    /// In step with the plan; a missed turn is not made up for.
    private static func next(after planned: Instant, every interval: Duration, _ now: Instant) -> Instant {
        planned + interval > now ? planned + interval : now + interval
    }

    private func present(_ schedule: Schedule) -> [VirtualAddress] {
        addresses.filter { !schedule.missing.contains($0) }
    }

    private func announce(_ addresses: [VirtualAddress]) -> [Action] {
        addresses.isEmpty ? [] : [.announce(addresses)]
    }

    private func addAndAnnounce(_ addresses: [VirtualAddress]) -> [Action] {
        addresses.isEmpty ? [] : [.add(addresses, lifetime: settings.lifetime), .announce(addresses)]
    }
}
