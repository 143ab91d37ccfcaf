/// The checksum of the internet protocols (RFC 1071): the complement of the one's complement sum of 16-bit words.
struct InternetChecksum {
    /// Not folded yet: 32 bits hold 65,537 words, far more than a message has.
    private var sum: UInt32 = 0

    /// Adds bytes; an odd last one counts as if a zero followed.
    mutating func add(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBytes { add($0) }
    }

    /// Adds bytes; an odd last one counts as if a zero followed.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index + 1 < bytes.count {
            sum &+= UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
            index += 2
        }
        if index < bytes.count { sum &+= UInt32(bytes[index]) << 8 }
    }

    /// Adds what stands before the message for the checksum alone. The IPv4 form (as for UDP, RFC 768) and the IPv6 form
    /// (RFC 8200 §8.1) have the same sum, wherever their fields stand:
    ///
    ///      0                   1                   2                   3
    ///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    ///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    ///     |               source address (4 or 16 bytes)                  |
    ///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    ///     |             destination address (4 or 16 bytes)               |
    ///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    ///     |     zero      |   protocol    |       message length          |
    ///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    mutating func addPseudoHeader(
        from source: IPAddress, to destination: IPAddress, protocolNumber: UInt8, length: Int
    ) {
        add(source)
        add(destination)
        sum &+= UInt32(protocolNumber) &+ UInt32(truncatingIfNeeded: length & 0xffff)
    }

    private mutating func add(_ address: IPAddress) {
        switch address {
        case .v4(let value):
            sum &+= value >> 16 &+ (value & 0xffff)
        case .v6(let high, let low):
            addWords(of: high)
            addWords(of: low)
        }
    }

    private mutating func addWords(of value: UInt64) {
        let words = value >> 48 &+ (value >> 32 & 0xffff) &+ (value >> 16 & 0xffff) &+ (value & 0xffff)
        sum &+= UInt32(truncatingIfNeeded: words)
    }

    /// Takes a word out that was added: the checksum field itself.
    mutating func remove(_ word: UInt16) { sum &-= UInt32(word) }

    /// What belongs into the checksum field, which was added as zero. Over a sound message with its checksum: 0.
    var value: UInt16 {
        var folded = sum
        while folded > 0xffff { folded = (folded & 0xffff) &+ folded >> 16 }
        return ~UInt16(truncatingIfNeeded: folded)
    }
}
