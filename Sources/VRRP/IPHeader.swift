/// The part of an IP header that VRRP looks at.
///
///      IPv4 (RFC 791)                                       IPv6 (RFC 8200)
///       0                   1                               0                   1
///       0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5                     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
///      +-------+-------+---------------+                   +-------+-----------------------+
///    0 |Vers.=4|  IHL  |               |                 0 |Vers.=6|                       |
///    2 |         Total Length          |                 4 |        Payload Length         |
///    8 |  Time to Live |   Protocol    |                 6 |  Next Header  |   Hop Limit   |
///   12 |        Source (4 bytes)       |                 8 |       Source (16 bytes)       |
///   16 |     Destination (4 bytes)     |                24 |     Destination (16 bytes)    |
///      +-------------------------------+                   +-------------------------------+
public struct IPHeader: Sendable, Equatable {
    /// The protocol number of VRRP.
    public static let vrrp: UInt8 = 112

    /// Who sent it.
    public var source: IPAddress
    /// Whom to.
    public var destination: IPAddress
    /// Time to live or hop limit.
    public var hopLimit: UInt8
    /// Protocol or next header.
    public var payloadProtocol: UInt8
    /// Where the payload lies in the packet; never beyond its end.
    public var payload: Range<Int>

    /// Reads the header that a packet starts with. nil where there is none of version 4 or 6, or where the packet ends
    /// within it. A payload that is announced longer than the packet ends with the packet.
    public init?(_ packet: Span<UInt8>) {
        guard packet.count >= 20 else { return nil }
        switch packet[0] >> 4 {
        case 4:
            let length = Int(packet[0] & 15) * 4
            let total = Int(packet[2]) << 8 | Int(packet[3])
            guard length >= 20, total >= length, packet.count >= length else { return nil }
            source = .v4(Self.number(packet, 12))
            destination = .v4(Self.number(packet, 16))
            (hopLimit, payloadProtocol) = (packet[8], packet[9])
            payload = length..<min(total, packet.count)
        case 6:
            guard packet.count >= 40 else { return nil }
            let length = Int(packet[4]) << 8 | Int(packet[5])
            source = .v6(Self.long(packet, 8), Self.long(packet, 16))
            destination = .v6(Self.long(packet, 24), Self.long(packet, 32))
            (payloadProtocol, hopLimit) = (packet[6], packet[7])
            payload = 40..<min(40 + length, packet.count)
        default:
            return nil
        }
    }

    /// Four bytes in network order.
    private static func number(_ bytes: Span<UInt8>, _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 << 8 | UInt32(bytes[offset + $1]) }
    }

    /// Eight bytes in network order.
    private static func long(_ bytes: Span<UInt8>, _ offset: Int) -> UInt64 {
        UInt64(number(bytes, offset)) << 32 | UInt64(number(bytes, offset + 4))
    }
}
