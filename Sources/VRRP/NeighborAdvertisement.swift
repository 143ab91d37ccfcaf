/// An unsolicited neighbour advertisement: tells a segment where an IPv6 address is now. A whole Ethernet frame to all nodes
/// (RFC 4861 §4.4 and §7.2.6, RFC 2464 §7; RFC 9568 §6.4.2 asks for it):
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |            destination: 33:33:00:00:00:01                     |
///     +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                               |       source: our MAC         |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
///     |                                                               |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |     type: 0x86dd (IPv6)       |  here the IPv6 header starts
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |   6   | traffic class: 0      |        flow label: 0          |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |     payload length: 32        |   58 (ICMPv6) | hop limit 255 |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |               source: the address (16 bytes)                  |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |               destination: ff02::1 (16 bytes)                 |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |   type: 136   |    code: 0    |  checksum, with pseudo-header |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |R|S|O|                       zero                              |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |               target: the address (16 bytes)                  |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |  option: 2    | 1: 8 bytes    |           our MAC             |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
///     |                                                               |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
public enum UnsolicitedNeighborAdvertisement {
    private static let allNodes = IPAddress.v6(0xff02_0000_0000_0000, 1)
    private static let icmpv6: UInt8 = 58

    /// The frame, 86 bytes: O (override what is cached) is set, S (solicited) is not. Empty for an IPv4 address.
    ///
    /// `isRouter` is R. Deviation: RFC 9568 §6.4.2 always sets it, for it speaks of routers. A host that does not forward
    /// answers solicitations without it, and neighbours must not see it come and go (RFC 4861 §7.2.5); as keepalived does,
    /// set it where the interface forwards IPv6.
    public static func packet(for address: IPAddress, mac: MACAddress, isRouter: Bool = false) -> [UInt8] {
        guard address.family == .ipv6 else { return [] }
        let flags: UInt8 = (isRouter ? 0x80 : 0) | 0x20
        var message: [UInt8] = [136, 0, 0, 0, flags, 0, 0, 0]
        message += address.bytes + [2, 1] + mac.bytes

        var checksum = InternetChecksum()
        checksum.add(message.span)
        checksum.addPseudoHeader(from: address, to: allNodes, protocolNumber: icmpv6, length: message.count)
        message.replaceSubrange(2..<4, with: checksum.value.networkBytes)

        let ethernet: [UInt8] = MACAddress.group(1).bytes + mac.bytes + [0x86, 0xdd]
        let header: [UInt8] = [0x60, 0, 0, 0] + UInt16(message.count).networkBytes + [icmpv6, 255]
        return ethernet + header + address.bytes + allNodes.bytes + message
    }
}
