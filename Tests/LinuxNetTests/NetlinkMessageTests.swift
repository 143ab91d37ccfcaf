import Testing

@testable import LinuxNet

/// What the kernel sends is read without trust in its lengths.
@Suite struct NetlinkMessageTests {
    private func types(_ bytes: [UInt8]) -> [UInt16] {
        var types: [UInt16] = []
        bytes.withUnsafeBytes { NetlinkMessage.forEach(in: $0) { types.append($0.type) } }
        return types
    }

    private func attributes(_ bytes: [UInt8]) -> [Int: [UInt8]] {
        bytes.withUnsafeBytes { NetlinkMessage.attributes(of: $0).mapValues { Array($0) } }
    }

    /// Length, type, flags, sequence, port, and then the body.
    private func header(length: UInt8, type: UInt8) -> [UInt8] {
        [length, 0, 0, 0, type, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    }

    @Test func `messages follow each other at multiples of four bytes`() {
        #expect(types([]) == [])
        #expect(types(header(length: 16, type: 2)) == [2])
        #expect(types(header(length: 17, type: 2) + [9, 0, 0, 0] + header(length: 16, type: 3)) == [2, 3])
        // The last one needs no filling.
        #expect(types(header(length: 17, type: 2) + [9]) == [2])
    }

    @Test func `a length that does not fit ends the reading`() {
        for length: UInt8 in [0, 15, 17, 255] {
            #expect(types(header(length: 16, type: 2) + header(length: length, type: 3)) == [2])
        }
        for count in 0..<16 { #expect(types(Array(header(length: 16, type: 2)[..<count])) == []) }
    }

    @Test func `attributes by their types, without the bits that say how to read them`() {
        #expect(attributes([5, 0, 1, 0, 7, 0, 0, 0, 4, 0, 2, 0x80]) == [1: [7], 2: []])
        #expect(attributes([5, 0, 1, 0, 7]) == [1: [7]])
        for length: UInt8 in [0, 3, 6, 255] {
            #expect(attributes([5, 0, 1, 0, 7, 0, 0, 0] + [length, 0, 2, 0, 7]) == [1: [7]])
        }
    }

    @Test func `random bytes never trap`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...120, using: &generator)).map { _ in
                UInt8.random(in: 0...(Bool.random(using: &generator) ? 24 : 255), using: &generator)
            }
            // So that there is a message of a type that is looked into.
            if bytes.count >= 20 {
                bytes.replaceSubrange(
                    0..<6, with: [UInt8(bytes.count), 0, 0, 0, [16, 17, 20, 21].randomElement()!, 0])
                bytes[16] = [0, 2, 10].randomElement()!
            }
            bytes.withUnsafeBytes {
                NetlinkMessage.forEach(in: $0) { message in
                    _ = Link(message)
                    _ = InterfaceAddress(message)
                }
            }
        }
    }

    @Test func `a request is laid out as the kernel wants it`() {
        var request = NetlinkRequest(20, flags: 4, sequence: 0x0102_0304, body: UInt64(5))
        request.add(2, [198, 51, 100, 100])
        request.add(3, Array("eth0".utf8) + [0])
        request.nest(26) { $0.add(1, UInt32(7)) }
        #expect(
            request.bytes == [
                56, 0, 0, 0, 20, 0, 5, 0, 4, 3, 2, 1, 0, 0, 0, 0,
                5, 0, 0, 0, 0, 0, 0, 0,
                8, 0, 2, 0, 198, 51, 100, 100,
                9, 0, 3, 0, 101, 116, 104, 48, 0, 0, 0, 0,
                12, 0, 26, 0x80, 8, 0, 1, 0, 7, 0, 0, 0,
            ])
    }
}
