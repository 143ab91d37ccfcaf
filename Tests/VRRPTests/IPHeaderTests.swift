import Testing
import VRRP

/// The IP header in front of a packet.
struct IPHeaderTests {
    private static let v4: [UInt8] = [
        0x45, 0xc0, 0, 24, 0, 1, 0, 0, 255, 112, 0, 0, 198, 51, 100, 1, 224, 0, 0, 18, 1, 2, 3, 4,
    ]
    private static let v6: [UInt8] =
        [0x60, 0, 0, 0, 0, 2, 112, 255, 0xfe, 0x80] + [UInt8](repeating: 0, count: 13) + [7, 0xff, 2]
        + [UInt8](repeating: 0, count: 13) + [0x12, 8, 9]

    /// Test macros cannot take a span.
    private func header(of packet: [UInt8]) -> IPHeader? { IPHeader(packet.span) }

    @Test("IPv4: source, destination, TTL and where the payload is")
    func ipv4() throws {
        let header = try #require(self.header(of: Self.v4))
        #expect(header.source == .v4(0xc633_6401))
        #expect(header.destination == .v4(0xe000_0012))
        #expect(header.hopLimit == 255)
        #expect(header.payloadProtocol == 112)
        #expect(header.payload == 20..<24)
        // Padding of the link layer does not belong to it; a total length beyond the end does not count.
        #expect(self.header(of: Self.v4 + [0, 0])?.payload == 20..<24)
        #expect(self.header(of: Array(Self.v4.dropLast(2)))?.payload == 20..<22)
    }

    @Test("IPv6: the same")
    func ipv6() throws {
        let header = try #require(self.header(of: Self.v6))
        #expect(header.source == .v6(0xfe80_0000_0000_0000, 7))
        #expect(header.destination == .v6(0xff02_0000_0000_0000, 0x12))
        #expect(header.hopLimit == 255)
        #expect(header.payload == 40..<42)
    }

    @Test("every truncation and every first byte is read or refused")
    func truncations() {
        for packet in [Self.v4, Self.v6] {
            for count in 0...packet.count {
                if let header = header(of: Array(packet[..<count])) {
                    #expect(header.payload.upperBound <= count)
                }
            }
            for first in UInt8.min ... .max {
                if let header = header(of: [first] + packet.dropFirst()) {
                    #expect(header.payload.upperBound <= packet.count)
                }
            }
        }
    }
}
