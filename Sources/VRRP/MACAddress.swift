/// A link-layer address of Ethernet, six bytes.
public struct MACAddress: Sendable, Hashable {
    /// The six bytes in the lower 48 bits, the first one highest.
    private let value: UInt64

    /// From six bytes in the order of transmission; nil for any other number of bytes.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        value = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// From text: `02:00:5e:10:00:ff`, digits of either case. nil for anything else.
    public init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        let groups = parts.compactMap { $0.hexadecimal(digits: 2...2) }
        guard parts.count == 6, groups.count == 6 else { return nil }
        value = groups.reduce(0) { $0 << 8 | UInt64($1) }
    }

    private init(value: UInt64) { self.value = value }

    /// Every station of the segment: `ff:ff:ff:ff:ff:ff`.
    public static let broadcast = MACAddress(value: 0xffff_ffff_ffff)

    /// Where an IPv6 multicast packet goes to: 33:33 and the last four bytes of the group (RFC 2464 §7).
    static func group(_ low: UInt64) -> MACAddress { MACAddress(value: 0x3333_0000_0000 | low & 0xffff_ffff) }

    /// Its six bytes in the order of transmission.
    public var bytes: [UInt8] { Array(value.networkBytes.dropFirst(2)) }
}

extension MACAddress: CustomStringConvertible {
    /// `02:00:5e:10:00:ff`
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
