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

extension IPAddress {
    /// From four (IPv4) or sixteen (IPv6) bytes in network byte order; nil for any other number of bytes.
    public init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4:
            self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            let high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
            self = .v6(high, bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        default:
            return nil
        }
    }

    /// Its four or sixteen bytes in network byte order.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let value): value.networkBytes
        case .v6(let high, let low): high.networkBytes + low.networkBytes
        }
    }

    /// Whether it is valid on its own link alone: 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291 §2.5.6).
    public var isLinkLocal: Bool {
        switch self {
        case .v4(let value): value >> 16 == 0xa9fe
        case .v6(let high, _): high >> 54 == 0xfe80 >> 6
        }
    }

    /// Whether it stands for a group: 224.0.0.0/4, ff00::/8.
    public var isMulticast: Bool {
        switch self {
        case .v4(let value): value >> 28 == 0xe
        case .v6(let high, _): high >> 56 == 0xff
        }
    }

    /// Whether it is all zeros, which stands for no address.
    public var isUnspecified: Bool { self == .v4(0) || self == .v6(0, 0) }

    /// Where advertisements go to: 224.0.0.18 (RFC 9568 §5.1.1.2), ff02::12 (§5.1.2.2).
    public static func vrrpGroup(_ family: AddressFamily) -> IPAddress {
        switch family {
        case .ipv4: .v4(0xe000_0012)
        case .ipv6: .v6(0xff02_0000_0000_0000, 0x12)
        }
    }
}

extension IPAddress: Comparable {
    /// IPv4 before IPv6, then as numbers in network byte order.
    public static func < (left: IPAddress, right: IPAddress) -> Bool {
        switch (left, right) {
        case (.v4(let left), .v4(let right)): left < right
        case (.v6(let leftHigh, let leftLow), .v6(let rightHigh, let rightLow)):
            leftHigh == rightHigh ? leftLow < rightLow : leftHigh < rightHigh
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}

extension FixedWidthInteger {
    /// Its bytes, the highest first.
    var networkBytes: [UInt8] {
        stride(from: Self.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: self >> Self($0)) }
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
