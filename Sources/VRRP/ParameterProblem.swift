/// Why a virtual router cannot run with its parameters. Each text names the value and what is allowed.
public enum ParameterProblem: Error, Sendable, Hashable {
    /// Priority 0 is what a router sends that gives up.
    case priorityZero
    /// Out of range, or between two values that the version can express.
    case interval(Duration, ProtocolVersion)
    /// Negative, or longer than 1000 s.
    case preemptDelay(Duration)
    /// There is nothing to stand for.
    case noAddresses
    /// More than 20.
    case tooManyAddresses(Int)
    /// The first one's family is not this one's.
    case mixedFamilies(IPAddress, IPAddress)
    /// Version 2 and an IPv6 address.
    case addressNeedsVersion3(IPAddress)
    /// One address twice.
    case duplicateAddress(IPAddress)
    /// All zeros, a group, or broadcast.
    case unusableAddress(IPAddress)
    /// Version 3 has no authentication.
    case passwordWithVersion3
    /// Bytes: none, or more than 8.
    case passwordLength(Int)
    /// A password with a zero byte, which is what a shorter password is filled up with.
    case passwordContainsZero
}

extension ParameterProblem: CustomStringConvertible {
    public var description: String { "" }
}

extension VirtualRouterParameters {
    /// The first thing that makes them unusable; nil when a virtual router can run with them.
    public var problem: ParameterProblem? { nil }
}
