/// The version of the protocol. Version 2 is IPv4 alone.
public enum ProtocolVersion: UInt8, Sendable, Hashable, CaseIterable {
    /// RFC 3768, and RFC 2338 for its authentication.
    case v2 = 2
    /// RFC 9568, which replaces RFC 5798.
    case v3 = 3
}

/// The number of a virtual router on its segment (VRID), 1...255.
public struct VirtualRouterID: Sendable, Hashable, CustomStringConvertible {
    /// 1...255.
    public let rawValue: UInt8

    /// nil outside 1...255.
    public init?(_ value: Int) {
        guard (1...255).contains(value) else { return nil }
        rawValue = UInt8(value)
    }

    /// The number.
    public var description: String { "\(rawValue)" }
}

/// How much a router wants to be Active. Higher wins.
public struct Priority: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// 0...255. A router is configured with 1...255.
    public let rawValue: UInt8

    /// Any value that a packet can carry.
    public init(_ value: UInt8) { rawValue = value }

    /// The Active router gives up (RFC 9568 §5.2.4).
    public static let resigning = Priority(0)
    /// What a router has unless it is told otherwise.
    public static let standard = Priority(100)
    /// The router owns the virtual addresses.
    public static let owner = Priority(255)

    /// As numbers.
    public static func < (left: Priority, right: Priority) -> Bool { left.rawValue < right.rawValue }

    /// The number.
    public var description: String { "\(rawValue)" }
}

/// Authentication of version 2 (RFC 2338 §5.3.6). Version 3 has none.
public enum Authentication: Sendable, Hashable {
    case none
    /// Type 1, a password in clear: up to 8 bytes, filled up with zeros. Keeps misconfigured routers apart, not attackers.
    case password([UInt8])
}

/// What the checksum of version 3 over IPv4 covers; routers differ. Both are accepted, one is sent.
public enum ChecksumCoverage: Sendable, Hashable, CaseIterable {
    /// Pseudo-header and message: RFC 9568 §5.2.8 for IPv6, and what keepalived sends over IPv4 as well.
    case pseudoHeader
    /// The message alone.
    case message
}

/// What a virtual router is configured with. All times are `Duration`s; wire units exist in the codec alone.
public struct VirtualRouterParameters: Sendable, Equatable {
    /// The protocol's version.
    public var version: ProtocolVersion
    /// Its number on the segment.
    public var virtualRouterID: VirtualRouterID
    /// 1...255; 255 for the owner of the addresses.
    public var priority: Priority
    /// Between two advertisements. v2: whole seconds, 1...255 s; v3: 10 ms...40.95 s, in steps of 10 ms.
    public var advertisementInterval: Duration
    /// Whether it takes over from an Active router of lower priority (`Preempt_Mode`).
    public var preempts: Bool
    /// How long it hears out an Active router of lower priority first, counted from the start or from when it first heard it.
    public var preemptDelay: Duration
    /// The addresses it advertises, all of one family, at least one.
    public var addresses: [IPAddress]
    /// Version 2 alone.
    public var authentication: Authentication
    /// Version 3 over IPv4 alone.
    public var checksumCoverage: ChecksumCoverage

    /// Makes parameters; `problem` says whether they can be used.
    public init(
        version: ProtocolVersion = .v3, virtualRouterID: VirtualRouterID, priority: Priority = .standard,
        advertisementInterval: Duration = .seconds(1), preempts: Bool = true, preemptDelay: Duration = .zero,
        addresses: [IPAddress], authentication: Authentication = .none,
        checksumCoverage: ChecksumCoverage = .pseudoHeader
    ) {
        self.version = version
        self.virtualRouterID = virtualRouterID
        self.priority = priority
        self.advertisementInterval = advertisementInterval
        self.preempts = preempts
        self.preemptDelay = preemptDelay
        self.addresses = addresses
        self.authentication = authentication
        self.checksumCoverage = checksumCoverage
    }

    /// The family of its addresses.
    public var family: AddressFamily { addresses.first?.family ?? .ipv4 }
}
