extension VirtualRouter {
    /// The name of a state.
    public enum StateName: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
        case initialize
        case backup
        case active

        /// `backup`.
        public var description: String { rawValue }
    }

    /// Who was heard last, and when.
    public struct Sighting: Sendable, Equatable {
        /// The sender.
        public var address: IPAddress
        /// Its priority; 0: it resigned.
        public var priority: Priority
        /// When it was handed in.
        public var time: Instant

        /// Makes one.
        public init(address: IPAddress, priority: Priority, time: Instant) {
            self.address = address
            self.priority = priority
            self.time = time
        }
    }

    /// Why it went from one state to another.
    public enum Cause: Sendable, Equatable {
        /// It was told to take part.
        case startup
        /// It takes part, and owns the addresses (priority 255).
        case owner
        /// Nothing was heard for the Active Down Interval. `last`: who was Active; nil if nobody was.
        case activeDown(last: IPAddress?, silence: Duration)
        /// The Active router gave up (priority 0), and the Skew Time is over.
        case resigned(from: IPAddress)
        /// The Active router has a lower priority, and is not followed.
        case preempting(Priority, from: IPAddress)
        /// A second Active router has a higher priority.
        case higherPriority(Priority, from: IPAddress)
        /// A second Active router has the same priority and a higher address.
        case higherAddress(from: IPAddress)
        /// This router was frozen, for so long, and another one took over meanwhile.
        case overslept(Duration, from: IPAddress)
        /// The Active router has given up in favour of this one, which was told so.
        case handedOver(from: IPAddress?)
        /// It was told to stop.
        case shutdown
        /// Its interface is down, gone, or has no address.
        case interfaceDown
    }
}

extension VirtualRouter.Cause {
    /// A word for programs: `active_down`, `resigned`, …
    public var code: String {
        switch self {
        case .startup: "startup"
        case .owner: "owner"
        case .activeDown: "active_down"
        case .resigned: "resigned"
        case .preempting: "preempting"
        case .higherPriority: "higher_priority"
        case .higherAddress: "higher_address"
        case .overslept: "overslept"
        case .handedOver: "handed_over"
        case .shutdown: "shutdown"
        case .interfaceDown: "interface_down"
        }
    }

    /// The other router that it is about.
    public var other: IPAddress? {
        switch self {
        case .startup, .owner, .shutdown, .interfaceDown: nil
        case .activeDown(let address, _), .handedOver(let address): address
        case .resigned(let address), .preempting(_, let address), .higherPriority(_, let address),
            .higherAddress(let address), .overslept(_, let address):
            address
        }
    }
}

extension VirtualRouter.Cause: CustomStringConvertible {
    /// `no advertisement from 198.51.100.2 for 3.61 s`
    public var description: String {
        switch self {
        case .startup: "listening for an Active router"
        case .owner: "priority 255, it owns the addresses"
        case .activeDown(let last?, let silence): "no advertisement from \(last) for \(silence.shortText)"
        case .activeDown(nil, let silence): "no advertisement from anybody for \(silence.shortText)"
        case .resigned(let address): "\(address) gave up (priority 0)"
        case .preempting(let priority, let address): "preempts \(address), which has the lower priority \(priority)"
        case .higherPriority(let priority, let address): "\(address) is Active with the higher priority \(priority)"
        case .higherAddress(let address): "\(address) is Active with the same priority, and a higher address"
        case .overslept(let time, let address):
            "sent nothing for \(time.shortText) (frozen?), and \(address) has taken over"
        case .handedOver(let address?): "\(address) handed over to it"
        case .handedOver(nil): "it was handed over to"
        case .shutdown: "told to stop"
        case .interfaceDown: "the interface is down or has no address"
        }
    }
}

extension Duration {
    /// For people: `36.1 ms`, `3.61 s`, `122 s`; trailing zeros are left out. Up to 1 s with 0.1 ms, up to 100 s with 10 ms.
    var shortText: String {
        switch self {
        case ..<(.zero): "-" + (.zero - self).shortText
        case ..<(.microseconds(999_950)): Self.decimal(inUnits(perSecond: 10_000), digits: 1) + " ms"
        case ..<(.milliseconds(99_995)): Self.decimal(inUnits(perSecond: 100), digits: 2) + " s"
        default: Self.decimal(inUnits(perSecond: 1), digits: 0) + " s"
        }
    }

    /// How many of this part of a second, to the nearest.
    private func inUnits(perSecond count: Int64) -> Int64 {
        let (seconds, attoseconds) = (self + .seconds(1) / (2 * count)).components
        return seconds * count + attoseconds / (1_000_000_000_000_000_000 / count)
    }

    private static func decimal(_ value: Int64, digits: Int) -> String {
        var text = String(value)
        guard digits > 0 else { return text }
        text = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
        var (whole, fraction) = (text.dropLast(digits), text.suffix(digits))
        while fraction.last == "0" { fraction.removeLast() }
        if !fraction.isEmpty { whole += "." + fraction }
        return String(whole)
    }
}
