import Testing

@testable import VRRP

@Suite("keepalived 2.2.7 on the wire")
struct KeepalivedTests {
    private func decode(_ message: [UInt8], of vector: Vector) throws(PacketRejection) -> Advertisement {
        try Advertisement.decode(
            message.span, from: vector.source, to: vector.destination, hopLimit: vector.hopLimit, minimumHopLimit: 64)
    }

    @Test("is understood", arguments: keepalivedVectors)
    func decoding(_ vector: Vector) throws {
        #expect(try decode(bytes(vector.message), of: vector) == vector.advertisement)
        var resignation = vector.advertisement
        resignation.priority = .resigning
        #expect(try decode(bytes(vector.resignation), of: vector) == resignation)
    }

    @Test("is what we send, byte for byte", arguments: keepalivedVectors)
    func encoding(_ vector: Vector) {
        var advertisement = vector.advertisement
        let message = advertisement.encode(from: vector.source, to: vector.destination, coverage: .pseudoHeader)
        #expect(hexadecimal(message) == hexadecimal(bytes(vector.message)))
        advertisement.priority = .resigning
        let resignation = advertisement.encode(from: vector.source, to: vector.destination, coverage: .pseudoHeader)
        #expect(hexadecimal(resignation) == hexadecimal(bytes(vector.resignation)))
    }

    @Test("cut off after any byte is rejected as truncated", arguments: keepalivedVectors)
    func truncation(_ vector: Vector) {
        let message = bytes(vector.message)
        for length in 0..<message.count {
            #expect(throws: PacketRejection.truncated(length: length, needed: length < 8 ? 8 : message.count)) {
                try decode(Array(message[..<length]), of: vector)
            }
        }
    }

    /// One's complement sums catch every change of a single bit.
    @Test("with any bit turned over is rejected", arguments: keepalivedVectors)
    func bits(_ vector: Vector) {
        let message = bytes(vector.message)
        for bit in 0..<message.count * 8 {
            var turned = message
            turned[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            #expect(throws: PacketRejection.self, "bit \(bit)") { try decode(turned, of: vector) }
        }
    }

    @Test("with bytes behind it is understood", arguments: keepalivedVectors)
    func trailingBytes(_ vector: Vector) throws {
        let message = bytes(vector.message) + [0xde, 0xad, 0xbe]
        #expect(try decode(message, of: vector) == vector.advertisement)
    }

    @Test("over IPv6 unicast comes with hop limit 64, and is heard only where that is allowed")
    func unicastHopLimit() throws {
        let vector = try #require(keepalivedVectors.last)
        #expect(throws: PacketRejection.hopLimit(64)) {
            try Advertisement.decode(
                bytes(vector.message).span, from: vector.source, to: vector.destination, hopLimit: 64)
        }
    }
}
