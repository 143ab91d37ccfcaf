/// An ADVERTISEMENT, the one packet of the protocol. Wire units (seconds, centiseconds) exist in `encode` and `decode` alone.
public struct Advertisement: Sendable, Equatable {
    /// The protocol's version.
    public var version: ProtocolVersion
    /// Which virtual router it is about.
    public var virtualRouterID: VirtualRouterID
    /// The sender's priority; 0: it gives up.
    public var priority: Priority
    /// The sender's interval.
    public var interval: Duration
    /// The addresses it stands for.
    public var addresses: [IPAddress]
    /// Version 2 alone.
    public var authentication: Authentication

    /// Makes one.
    public init(
        version: ProtocolVersion, virtualRouterID: VirtualRouterID, priority: Priority, interval: Duration,
        addresses: [IPAddress], authentication: Authentication = .none
    ) {
        self.version = version
        self.virtualRouterID = virtualRouterID
        self.priority = priority
        self.interval = interval
        self.addresses = addresses
        self.authentication = authentication
    }
}
