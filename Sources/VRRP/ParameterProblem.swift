/// Why a virtual router cannot run with its parameters. Each text names the value and what is allowed.
public enum ParameterProblem: Error, Sendable, Hashable {
    /// There is nothing to stand for.
    case noAddresses
    /// More than an advertisement holds.
    case tooManyAddresses(Int, AddressFamily)
    /// The first address, and one of the other family.
    case mixedFamilies(IPAddress, IPAddress)
    /// Version 2 and an IPv6 address.
    case addressNeedsVersion3(IPAddress)
    /// All zeros, a group, or broadcast.
    case unusableAddress(IPAddress)
    /// One address twice.
    case duplicateAddress(IPAddress)
    /// Priority 0 is what a router sends that gives up.
    case priorityZero
    /// Out of range, or between two values that the version can express.
    case interval(Duration, ProtocolVersion)
    /// Negative, or longer than 1000 s.
    case preemptDelay(Duration)
    /// Version 3 has no authentication.
    case passwordWithVersion3
    /// Bytes: none, or more than 8.
    case passwordLength(Int)
    /// A zero byte is what a shorter password is filled up with.
    case passwordContainsZero
}

extension ParameterProblem: CustomStringConvertible {
    /// The value and what is allowed, for people. Passwords are not shown.
    public var description: String {
        switch self {
        case .noAddresses:
            "a virtual router has at least one address, and none is given"
        case .tooManyAddresses(let count, .ipv4):
            "\(count) addresses are too many: an advertisement holds 1...255 IPv4 addresses"
        case .tooManyAddresses(let count, .ipv6):
            "\(count) addresses are too many: an advertisement holds 1...90 IPv6 addresses"
        case .mixedFamilies(let first, let other):
            "the addresses \(first) and \(other) are of different families; use one virtual router for each"
        case .addressNeedsVersion3(let address):
            "version 2 carries IPv4 addresses only, and \(address) is an IPv6 address; use version 3"
        case .unusableAddress(let address):
            "\(address) cannot be the address of a host"
        case .duplicateAddress(let address):
            "the address \(address) is listed twice"
        case .priorityZero:
            "the priority is 0, which is what a router sends that gives up; use 1...255 (255: owner of the addresses)"
        case .interval(let interval, .v2):
            "the advertisement interval is \(interval.spelledOut); version 2 takes whole seconds, 1 s...255 s"
        case .interval(let interval, .v3):
            "the advertisement interval is \(interval.spelledOut); version 3 takes 10 ms...40.95 s, in steps of 10 ms"
        case .preemptDelay(let delay):
            "the preempt delay is \(delay.spelledOut); it can be 0 s...1000 s"
        case .passwordWithVersion3:
            "version 3 has no authentication; leave the password out, or use version 2"
        case .passwordLength(let length):
            "the password has \(length) bytes; it can have 1...8"
        case .passwordContainsZero:
            "the password contains a zero byte, which would end it"
        }
    }
}

extension VirtualRouterParameters {
    /// What the count field holds; 90 IPv6 addresses fill an Ethernet frame of 1500 bytes, and fragments are no heartbeat.
    private var mostAddresses: Int { family == .ipv4 ? 255 : 90 }

    /// The first thing that makes them unusable; nil when a virtual router can run with them.
    ///
    /// Deviation: RFC 9568 §5.2.9 wants a link-local address first in an IPv6 list, for the routers that hosts find by
    /// router advertisements. A virtual address that hosts are configured with needs none; keepalived asks for none either.
    public var problem: ParameterProblem? {
        if let problem = addressProblem { return problem }
        if priority == .resigning { return .priorityZero }
        if !isIntervalUsable { return .interval(advertisementInterval, version) }
        if !(.zero ... .seconds(1000)).contains(preemptDelay) { return .preemptDelay(preemptDelay) }
        return passwordProblem
    }

    private var addressProblem: ParameterProblem? {
        guard let first = addresses.first else { return .noAddresses }
        if addresses.count > mostAddresses { return .tooManyAddresses(addresses.count, family) }
        var seen: Set<IPAddress> = []
        for address in addresses {
            if address.family != first.family { return .mixedFamilies(first, address) }
            if version == .v2, address.family == .ipv6 { return .addressNeedsVersion3(address) }
            if !address.canBeHost { return .unusableAddress(address) }
            if !seen.insert(address).inserted { return .duplicateAddress(address) }
        }
        return nil
    }

    private var isIntervalUsable: Bool {
        let step: Duration = version == .v2 ? .seconds(1) : .milliseconds(10)
        let longest: Duration = version == .v2 ? .seconds(255) : .milliseconds(40_950)
        return (step...longest).contains(advertisementInterval) && advertisementInterval.isMultiple(of: step)
    }

    private var passwordProblem: ParameterProblem? {
        guard case .password(let password) = authentication else { return nil }
        if version == .v3 { return .passwordWithVersion3 }
        if !(1...8).contains(password.count) { return .passwordLength(password.count) }
        return password.contains(0) ? .passwordContainsZero : nil
    }
}

extension IPAddress {
    /// 0.0.0.0/8 and 240.0.0.0/4 belong to no host (RFC 6890), nor do groups.
    fileprivate var canBeHost: Bool {
        switch self {
        case .v4(let value): value >> 24 != 0 && value >> 28 < 0xe
        case .v6: !isMulticast && !isUnspecified
        }
    }
}

extension Duration {
    /// The unit: 1 s, or a fraction that divides it.
    fileprivate func isMultiple(of unit: Duration) -> Bool {
        let (seconds, attoseconds) = components
        let (unitSeconds, unitAttoseconds) = unit.components
        return unitSeconds > 0 ? seconds % unitSeconds == 0 && attoseconds == 0 : attoseconds % unitAttoseconds == 0
    }

    /// For people: `10 ms` below a second, `40.95 s` from there on.
    var spelledOut: String {
        let (seconds, attoseconds) = components
        let isShort = seconds == 0 && attoseconds != 0
        let fractionDigits = isShort ? 15 : 18
        let unit: Int64 = isShort ? 1_000_000_000_000_000 : 1_000_000_000_000_000_000
        let whole = isShort ? attoseconds / unit : seconds
        let digits = String((attoseconds % unit).magnitude)
        var fraction = String(repeating: "0", count: fractionDigits - digits.count) + digits
        while fraction.last == "0" { fraction.removeLast() }
        let sign = whole == 0 && attoseconds < 0 ? "-" : ""
        return "\(sign)\(whole)\(fraction.isEmpty ? "" : "." + fraction) \(isShort ? "ms" : "s")"
    }
}
