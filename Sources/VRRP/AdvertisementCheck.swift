/// What an Active router advertises differently from how this one is configured, without being rejected for it.
public enum Discrepancy: Sendable, Hashable {
    /// Version 3: its interval is not ours. This router follows the Active one's (RFC 9568 §7.1).
    case interval(received: Duration, configured: Duration)
    /// Its addresses are not ours. Whoever is Active then serves other addresses than the one before.
    case addresses(received: [IPAddress], configured: [IPAddress])
}

extension Discrepancy: CustomStringConvertible {
    /// Both values, for people.
    public var description: String {
        switch self {
        case .interval(let received, let configured):
            "its advertisement interval is \(received.spelledOut), and \(configured.spelledOut) is configured here"
        case .addresses(let received, let configured):
            "it stands for \(received.listed), and \(configured.listed) is configured here"
        }
    }
}

extension VirtualRouterParameters {
    /// Whether a well-formed advertisement is for this router. The first check that fails is thrown, in this order:
    /// sender, version, VRID, not the owner (RFC 9568 §7.1); for version 2 also authentication, addresses, interval (RFC
    /// 3768 §7.1). `peers`: nil under multicast; under unicast the only ones that are heard.
    ///
    /// Addresses may come in any order. In version 2 the owner's (priority 255) are taken as they are.
    public func check(
        _ advertisement: Advertisement, peers: [IPAddress]?, from sender: IPAddress
    ) throws(PacketRejection) {
        if let peers, !peers.contains(sender) { throw .unknownSender(sender) }
        guard advertisement.version == version else { throw .version(advertisement.version.rawValue) }
        guard advertisement.virtualRouterID == virtualRouterID else {
            throw .virtualRouterID(advertisement.virtualRouterID.rawValue)
        }
        guard priority != .owner else { throw .owner }
        if version == .v2 { try checkVersion2(advertisement) }
    }

    private func checkVersion2(_ advertisement: Advertisement) throws(PacketRejection) {
        guard advertisement.authentication.type == authentication.type else {
            throw .authenticationType(advertisement.authentication.type)
        }
        guard advertisement.authentication == authentication else { throw .password }
        guard advertisement.priority == .owner || hasSameAddresses(advertisement) else {
            throw .addressList(advertisement.addresses)
        }
        guard advertisement.interval == advertisementInterval else { throw .interval(advertisement.interval) }
    }

    /// What is worth telling an operator of an advertisement that `check` accepts: interval before addresses.
    public func discrepancies(_ advertisement: Advertisement) -> [Discrepancy] {
        var found: [Discrepancy] = []
        if advertisement.interval != advertisementInterval {
            found.append(.interval(received: advertisement.interval, configured: advertisementInterval))
        }
        if !hasSameAddresses(advertisement) {
            found.append(.addresses(received: advertisement.addresses, configured: addresses))
        }
        return found
    }

    private func hasSameAddresses(_ advertisement: Advertisement) -> Bool {
        let theirs = advertisement.addresses
        return theirs == addresses || theirs.count == addresses.count && theirs.sorted() == addresses.sorted()
    }
}

extension [IPAddress] {
    /// For people.
    var listed: String { map(\.description).joined(separator: ", ") }
}
