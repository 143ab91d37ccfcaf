/// What is wrong with the routers that a virtual router is to speak with, or with the address that it is to speak from.
public enum PeerProblem: Sendable, Equatable {
    /// The address to send from is not of the virtual addresses' family.
    case sourceFamily(IPAddress)
    /// A peer's address is not.
    case peerFamily(IPAddress)
    /// Peers over IPv6, and no address to send from: it would be the link-local one, and no peer has that in its list.
    case sourceNeeded
    /// A peer is a multicast group.
    case group(IPAddress)
    /// A peer is named twice.
    case duplicatePeer
    /// A hop limit to accept, and no peers: what comes from the group is of this segment.
    case hopLimitWithoutPeers

    /// All of them. `family` is that of the first virtual address, nil where it is not known.
    public static func find(
        source: IPAddress?, peers: [IPAddress], minimumHopLimit: UInt8, family: AddressFamily?
    ) -> [PeerProblem] {
        func isOther(_ address: IPAddress) -> Bool { family.map { $0 != address.family } ?? false }
        var problems: [PeerProblem] = []
        if let source, isOther(source) { problems.append(.sourceFamily(source)) }
        problems += peers.filter(isOther).map { .peerFamily($0) }
        problems += peers.filter(\.isMulticast).map { .group($0) }
        if source == nil, peers.contains(where: { $0.family == .ipv6 && !$0.isLinkLocal }) {
            problems.append(.sourceNeeded)
        }
        if minimumHopLimit != 255, peers.isEmpty { problems.append(.hopLimitWithoutPeers) }
        if Set(peers).count != peers.count { problems.append(.duplicatePeer) }
        return problems
    }

    /// A sentence that stands behind the name of the setting it is about; others are called as they are given.
    public func text(source: String, peers: String) -> String {
        switch self {
        case .sourceFamily(let address), .peerFamily(let address):
            "\(address) is not of the family of the first virtual address"
        case .sourceNeeded: "over IPv6 \(source) is needed as well: the address that the other node knows this one by"
        case .group(let address): "\(address) is a group, and no router; without \(peers) the right one is used"
        case .duplicatePeer: "an address is listed twice"
        case .hopLimitWithoutPeers: "means nothing without \(peers)"
        }
    }
}
