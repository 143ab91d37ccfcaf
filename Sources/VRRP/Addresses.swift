/// A point in time of the monotonic clock. The pure targets never read the clock: callers pass the time in.
public typealias Instant = ContinuousClock.Instant

/// IPv4 or IPv6.
public enum AddressFamily: Sendable, Hashable, CaseIterable {
    case ipv4
    case ipv6
}

/// An IP address. Ordered as a number in network byte order, IPv4 before IPv6: RFC 9568 §6.4.3 breaks ties so.
public enum IPAddress: Sendable, Hashable {
    /// Four bytes, the first one in the highest bits.
    case v4(UInt32)
    /// Sixteen bytes: the first eight, and the last eight.
    case v6(UInt64, UInt64)

    /// Its family.
    public var family: AddressFamily {
        switch self {
        case .v4: .ipv4
        case .v6: .ipv6
        }
    }
}

/// An address that belongs to whoever is Active, and where it is put.
public struct VirtualAddress: Sendable, Hashable {
    /// The address.
    public var address: IPAddress
    /// Length of the prefix, bits: 0...32 or 0...128.
    public var prefixLength: UInt8
    /// The interface that gets it; nil for the one that the heartbeat runs on.
    public var interface: String?
    /// IPv4 only: the label of the address, such as `eth0:vip` (at most 15 bytes).
    public var label: String?

    /// Makes one; without a prefix length it is a host address (/32, /128).
    public init(_ address: IPAddress, prefixLength: UInt8? = nil, interface: String? = nil, label: String? = nil) {
        self.address = address
        self.prefixLength = prefixLength ?? (address.family == .ipv4 ? 32 : 128)
        self.interface = interface
        self.label = label
    }
}
