/// Gratuitous ARP: tells a segment where an IPv4 address is now. Whole Ethernet frames, to everybody (RFC 826; RFC 9568
/// §6.4.2 and §8.1.2 ask for it):
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |            destination: ff:ff:ff:ff:ff:ff                     |
///     +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                               |       source: our MAC         |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
///     |                                                               |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |      type: 0x0806 (ARP)       |   hardware: 1 (Ethernet)      |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |    protocol: 0x0800 (IPv4)    |   6 bytes     |   4 bytes     |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |  1: request, or 2: reply      |      sender: our MAC          |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
///     |                                                               |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                     sender: the address                       |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |   target: zeros in a request, our MAC in a reply              |
///     +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                               |     target: the address       |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                               |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
public enum GratuitousARP {
    /// The request form and the reply form, in this order; some hosts learn from the one only, some from the other. 42 bytes each;
    /// drivers pad them.
    ///
    /// The request has no target hardware address (RFC 5227 §2.3; keepalived fills in ones, nobody reads it). The reply has
    /// ours, without which Linux does not take it for gratuitous (`arp_is_garp` in net/ipv4/arp.c).
    public static func frames(for address: UInt32, mac: MACAddress) -> [[UInt8]] {
        [
            frame(operation: 1, for: address, mac: mac, target: [0, 0, 0, 0, 0, 0]),
            frame(operation: 2, for: address, mac: mac, target: mac.bytes),
        ]
    }

    private static func frame(operation: UInt8, for address: UInt32, mac: MACAddress, target: [UInt8]) -> [UInt8] {
        let header: [UInt8] = MACAddress.broadcast.bytes + mac.bytes + [0x08, 0x06]
        let kinds: [UInt8] = [0, 1, 0x08, 0x00, 6, 4, 0, operation]
        return header + kinds + mac.bytes + address.networkBytes + target + address.networkBytes
    }
}
