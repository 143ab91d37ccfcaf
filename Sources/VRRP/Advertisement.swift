/// An ADVERTISEMENT, the one packet of the protocol. Wire units (seconds, centiseconds) exist in `encode` and `decode` alone.
///
/// Version 3 (RFC 9568 §5.1), over IPv4 or IPv6, IP protocol 112:
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |version|type(1)|     VRID      |   priority    | address count |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     | zero  |    interval, 10 ms    |           checksum            |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |        addresses, 4 bytes each (IPv4) or 16 (IPv6)            |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///
/// Version 2 (RFC 3768 §5.1; authentication: RFC 2338 §5.3.6), over IPv4:
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |version|type(1)|     VRID      |   priority    | address count |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |  auth. type   |  interval, s  |           checksum            |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                   addresses, 4 bytes each                     |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |         password, 8 bytes (zeros without a password)          |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
public struct Advertisement: Sendable, Equatable {
    /// The protocol's version.
    public var version: ProtocolVersion
    /// Which virtual router it is about.
    public var virtualRouterID: VirtualRouterID
    /// The sender's priority; 0: it gives up.
    public var priority: Priority
    /// The sender's interval. v2: whole seconds, 1...255 s; v3: 10 ms...40.95 s, in steps of 10 ms.
    public var interval: Duration
    /// The addresses it stands for, 1...255 of the family that it is sent over.
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
