/// What an Active router advertises differently from how this one is configured, without being rejected for it.
public enum Discrepancy: Sendable, Hashable {
    /// Version 3: its interval is not ours. This router follows the Active one's (RFC 9568 §7.1).
    case interval(received: Duration, configured: Duration)
    /// Its addresses are not ours.
    case addresses(received: [IPAddress], configured: [IPAddress])
}

extension Discrepancy: CustomStringConvertible {
    public var description: String { "" }
}

extension VirtualRouterParameters {
    /// Whether a well-formed advertisement is for this router, in the order of RFC 9568 §7.1 and RFC 3768 §7.1.
    /// `peers`: nil under multicast; under unicast, the only ones that are heard.
    public func check(
        _ advertisement: Advertisement, peers: [IPAddress]?, from sender: IPAddress
    ) throws(PacketRejection) {
    }

    /// What is worth telling an operator of an advertisement that `check` accepts.
    public func discrepancies(_ advertisement: Advertisement) -> [Discrepancy] { [] }
}
