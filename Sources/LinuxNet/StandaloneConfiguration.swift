public import VRRP

/// What one virtual router of a `RouterLoop` needs to know of its place.
public struct StandaloneConfiguration: Sendable {
    /// The interface of the heartbeat.
    public var interface: String
    /// The address to send from; nil: the first one of the family that is none of the virtual ones (IPv6: link-local).
    public var source: IPAddress?
    /// What the router is configured with.
    public var parameters: VirtualRouterParameters
    /// What it puts where while it is Active.
    public var virtualAddresses: [VirtualAddress]
    /// The other routers, for unicast; empty: the multicast group.
    public var peers: [IPAddress]
    /// Unicast: the least hop limit (TTL) that a packet may come with; 255 proves that it comes from this segment.
    public var minimumHopLimit: UInt8
    /// How the addresses are kept and announced.
    public var upkeep: AddressUpkeep.Settings
    /// Whether TCP segments to an IPv4 address are answered with resets for a second after its removal: for who resets
    /// connections before. Where connections live on at the other node, they must not be answered.
    public var resetsAfterRemoval: Bool

    /// Makes one.
    public init(
        interface: String, source: IPAddress? = nil, parameters: VirtualRouterParameters,
        virtualAddresses: [VirtualAddress], peers: [IPAddress] = [], minimumHopLimit: UInt8 = 255,
        upkeep: AddressUpkeep.Settings = .init(), resetsAfterRemoval: Bool = false
    ) {
        self.interface = interface
        self.source = source
        self.parameters = parameters
        self.virtualAddresses = virtualAddresses
        self.peers = peers
        self.minimumHopLimit = minimumHopLimit
        self.upkeep = upkeep
        self.resetsAfterRemoval = resetsAfterRemoval
    }
}

/// What a loop has to say: about one virtual router, or about itself.
public enum StandaloneNotice: Sendable {
    /// A virtual router reports.
    case report(StandaloneRouter.Report, VirtualRouterID, interface: String)
    /// What a virtual router has done so far; at the end, and when it is ordered.
    case statistics(StandaloneStatistics, VirtualRouterID, interface: String)
    /// Something that concerns an interface cannot be done; what depends on it waits for the next change of the network.
    case trouble(SystemCallError, interface: String)
    /// Real-time priority or locked memory cannot be had; the loop goes on without.
    case notRealTime(SystemCallError)
}

/// What a virtual router has done since it was made.
public struct StandaloneStatistics: Sendable, Equatable {
    /// Where it stands.
    public var state: VirtualRouter.StateName
    /// Advertisements that left; under unicast, one to all peers counts once.
    public var sent: Int
    /// Advertisements that could not be sent.
    public var unsent: Int
    /// Advertisements that were accepted.
    public var accepted: Int
    /// Packets that were rejected, by reason.
    public var rejections: RejectionCounts
    /// Packets that were dropped because the socket's queue was full; of all routers that share the socket.
    public var overruns: Int
}

extension StandaloneStatistics: CustomStringConvertible {
    /// `active; sent 12, not sent 0, accepted 3, rejected 1 (ttl 1), dropped 0`
    public var description: String {
        let reasons = rejections.filter { $0.count > 0 }.map { " (\($0.kind.code) \($0.count))" }.joined()
        return "\(state); sent \(sent), not sent \(unsent), accepted \(accepted), "
            + "rejected \(rejections.total)\(reasons), dropped \(overruns)"
    }
}
