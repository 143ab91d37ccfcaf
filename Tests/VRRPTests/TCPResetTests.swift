import Testing
import VRRP

/// What a closed port answers. The packets were made with another implementation.
struct TCPResetTests {
    /// A SYN with options, whose sequence number is the last but one.
    private static let syn = bytes(
        """
        4500003c1c4640004006c9a8c6336402c6336464 c00018ebfffffffe00000000a002faf0b6a70000
        020405b40402080a12345678000000000103030a
        """)
    /// An acknowledgment with six bytes.
    private static let data = bytes(
        "4500002e1c4740004006c9b5c6336402c6336464 c00018eb1122334455667788501801f6c3270000 50494e470d0a")

    /// Test macros cannot take a span.
    private func reset(_ packet: [UInt8]) -> [UInt8]? { TCPReset.answer(to: packet.span) }

    private func answer(_ packet: [UInt8]) -> String? { reset(packet).map(hexadecimal) }

    /// With the IPv4 header's checksum made right.
    private func changed(_ packet: [UInt8], _ changes: [Int: UInt8]) -> [UInt8] {
        var packet = packet
        for (index, value) in changes { packet[index] = value }
        (packet[10], packet[11]) = (0, 0)
        var sum = stride(from: 0, to: Int(packet[0] & 15) * 4, by: 2).reduce(0) {
            $0 + (Int(packet[$1]) << 8 | Int(packet[$1 + 1]))
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        (packet[10], packet[11]) = (UInt8(~sum >> 8 & 0xff), UInt8(~sum & 0xff))
        return packet
    }

    @Test func `a SYN is acknowledged by the reset, beyond the end of the numbers`() {
        #expect(
            answer(Self.syn)
                == "45000028000040004006e602c6336464c6336402" + "18ebc00000000000ffffffff5014000082170000")
    }

    @Test func `a segment with an acknowledgment is reset from there`() {
        #expect(
            answer(Self.data)
                == "45000028000040004006e602c6336464c6336402" + "18ebc000556677880000000050040000b5380000")
    }

    @Test func `what a segment without acknowledgment held is counted whole`() throws {
        // Data, and FIN; the packet being cut off behind the header.
        for (flags, held) in [(0x00, 6), (0x01, 7), (0x02, 7), (0x03, 8)] as [(UInt8, UInt8)] {
            let packet = changed(Self.data, [33: flags])
            for length in [packet.count, 40] {
                let reset = try #require(self.reset(Array(packet[..<length])))
                #expect(Array(reset[24..<34]) == [0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44 + held, 0x50, 0x14])
            }
        }
    }

    @Test func `nothing else is answered`() {
        #expect(answer(changed(Self.data, [:])) != nil)
        for flags in UInt8.min ... .max {
            #expect((answer(changed(Self.data, [33: flags])) == nil) == (flags & 4 != 0))
        }
        // UDP; a first and a later fragment; a wrong checksum.
        #expect(answer(changed(Self.data, [9: 17])) == nil)
        #expect(answer(changed(Self.data, [6: 0x20])) == nil)
        #expect(answer(changed(Self.data, [7: 1])) == nil)
        var broken = Self.data
        broken[10] ^= 1
        #expect(answer(broken) == nil)
        // TCP headers that are too short, or longer than the packet.
        #expect(answer(changed(Self.data, [32: 0x40])) == nil)
        #expect(answer(changed(Self.data, [32: 0x70])) == nil)
        #expect(answer(changed(Self.data, [3: 39])) == nil)
        // From nobody, from loopback, from a group, from everybody, from the address itself.
        for first in [0, 127, 224, 255] as [UInt8] { #expect(answer(changed(Self.data, [12: first])) == nil) }
        #expect(answer(changed(Self.data, [15: 100])) == nil)
        // A reset gets no answer, so two that answer each other end at once.
        #expect(reset(Self.syn).map { reset($0) == nil } == true)
        // IPv6.
        #expect(answer([0x60, 0, 0, 0, 0, 20, 6, 64] + [UInt8](repeating: 1, count: 52)) == nil)
    }

    @Test func `hostile bytes do no harm`() {
        var random = SystemRandomNumberGenerator()
        for sample in [Self.syn, Self.data] {
            for length in 0...sample.count { #expect((answer(Array(sample[..<length])) == nil) == (length < 40)) }
            for _ in 0..<20_000 {
                var packet = sample
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    packet[Int.random(in: packet.indices, using: &random)] = .random(in: .min ... .max, using: &random)
                }
                packet.removeLast(.random(in: 0...packet.count / 2, using: &random))
                if packet.count >= 20, packet[0] == 0x45 { packet = changed(packet, [:]) }
                guard let reset = reset(packet) else { continue }
                #expect(reset.count == 40 && reset[33] & 4 != 0)
                #expect(reset[12..<16] == packet[16..<20] && reset[16..<20] == packet[12..<16])
            }
        }
    }
}
