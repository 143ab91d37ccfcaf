import Glibc

/// A packet as it was on the wire.
///
/// The fields are read here, with the offsets of the RFCs and without the code under test, so that what a test sees is
/// not what the codec believes.
public struct CapturedPacket: Sendable, Hashable {
    /// What it is.
    public enum Content: Sendable, Hashable {
        /// A packet of IP protocol 112.
        case heartbeat(Heartbeat)
        /// An ARP packet whose sender and target addresses are the same.
        case gratuitousARP(address: String, isReply: Bool)
        /// An unsolicited neighbour advertisement (ICMPv6 136).
        case neighborAdvertisement(address: String)
        /// Anything else.
        case other
    }

    /// A VRRP packet.
    public struct Heartbeat: Sendable, Hashable {
        /// The packet's source, as text.
        public var source: String
        /// The packet's destination, as text.
        public var destination: String
        /// TTL or hop limit.
        public var hopLimit: UInt8
        /// The VRRP message, without the IP header.
        public var message: [UInt8]

        /// 2 or 3.
        public var version: UInt8 { message.isEmpty ? 0 : message[0] >> 4 }
        /// The virtual router's number.
        public var virtualRouterID: UInt8 { message.count > 1 ? message[1] : 0 }
        /// The sender's priority.
        public var priority: UInt8 { message.count > 2 ? message[2] : 0 }
    }

    /// When the kernel saw it.
    public var time: WallTime
    /// The sender's MAC address.
    public var mac: String
    /// What it is.
    public var content: Content

    /// It, if it is VRRP.
    public var heartbeat: Heartbeat? {
        if case .heartbeat(let heartbeat) = content { heartbeat } else { nil }
    }

    /// The address that it announces: gratuitous ARP, or an unsolicited neighbour advertisement.
    public var announced: String? {
        switch content {
        case .gratuitousARP(let address, _), .neighborAdvertisement(let address): address
        case .heartbeat, .other: nil
        }
    }

    /// Reads an Ethernet frame.
    init(time: WallTime, frame: ArraySlice<UInt8>) {
        let bytes = Array(frame)
        self.time = time
        mac = bytes.count < 14 ? "" : bytes[6..<12].map { Self.hex($0) }.joined(separator: ":")
        guard bytes.count >= 14 else {
            content = .other
            return
        }
        let payload = Array(bytes[14...])
        content =
            switch UInt16(bytes[12]) << 8 | UInt16(bytes[13]) {
            case 0x0800: Self.ipv4(payload)
            case 0x86dd: Self.ipv6(payload)
            case 0x0806: Self.arp(payload)
            default: .other
            }
    }

    private static func ipv4(_ bytes: [UInt8]) -> Content {
        guard bytes.count >= 20, bytes[9] == 112 else { return .other }
        let (header, total) = (Int(bytes[0] & 0xf) * 4, Int(bytes[2]) << 8 | Int(bytes[3]))
        guard header >= 20, total >= header, total <= bytes.count else { return .other }
        return .heartbeat(
            Heartbeat(
                source: v4(bytes[12..<16]), destination: v4(bytes[16..<20]), hopLimit: bytes[8],
                message: Array(bytes[header..<total])))
    }

    private static func ipv6(_ bytes: [UInt8]) -> Content {
        guard bytes.count >= 40 else { return .other }
        let end = 40 + (Int(bytes[4]) << 8 | Int(bytes[5]))
        guard end <= bytes.count else { return .other }
        let body = Array(bytes[40..<end])
        if bytes[6] == 112 {
            return .heartbeat(
                Heartbeat(
                    source: v6(bytes[8..<24]), destination: v6(bytes[24..<40]), hopLimit: bytes[7], message: body))
        }
        // ICMPv6 neighbour advertisement, Solicited flag clear, from hop limit 255.
        guard bytes[6] == 58, bytes[7] == 255, body.count >= 24, body[0] == 136, body[4] & 0x40 == 0 else {
            return .other
        }
        return .neighborAdvertisement(address: v6(body[8..<24]))
    }

    private static func arp(_ bytes: [UInt8]) -> Content {
        guard bytes.count >= 28, bytes[14..<18] == bytes[24..<28] else { return .other }
        return .gratuitousARP(address: v4(bytes[14..<18]), isReply: bytes[7] == 2)
    }

    private static func v4(_ bytes: ArraySlice<UInt8>) -> String { text(bytes, AF_INET) }

    private static func v6(_ bytes: ArraySlice<UInt8>) -> String { text(bytes, AF_INET6) }

    private static func text(_ bytes: ArraySlice<UInt8>, _ family: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        guard inet_ntop(family, Array(bytes), &buffer, 64) != nil else { return "?" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
