// Addresses as people write them. Reading is strict: what inet_pton(3) refuses is refused here as well.

extension IPAddress {
    /// From text: `198.51.100.1` (no leading zeros, no shortened forms), `2001:db8::1` (RFC 4291 §2.2, without a zone).
    /// nil for anything else.
    public init?(_ text: String) {
        if let value = Self.ipv4(text[...]) {
            self = .v4(value)
        } else if let groups = Self.ipv6(text) {
            let halves = (groups[..<4], groups[4...])
            self = .v6(
                halves.0.reduce(0) { $0 << 16 | UInt64($1) }, halves.1.reduce(0) { $0 << 16 | UInt64($1) })
        } else {
            return nil
        }
    }

    private static func ipv4(_ text: Substring) -> UInt32? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let byte = part.decimal(upTo: 255), part.count == 1 || part.first != UInt8(ascii: "0") else {
                return nil
            }
            value = value << 8 | UInt32(byte)
        }
        return value
    }

    /// The eight groups.
    private static func ipv6(_ text: String) -> [UInt16]? {
        guard let gap = text.firstGap else {
            guard let groups = groups(text[...], mayEndInIPv4: true), groups.count == 8 else { return nil }
            return groups
        }
        guard let before = groups(text[..<gap.lowerBound], mayEndInIPv4: false),
            let after = groups(text[gap.upperBound...], mayEndInIPv4: true), before.count + after.count < 8
        else { return nil }
        return before + Array(repeating: 0, count: 8 - before.count - after.count) + after
    }

    /// Groups of hexadecimal digits between colons; the last one may be an IPv4 address, which makes two. None for empty text.
    private static func groups(_ text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if let group = part.utf8.hexadecimal(digits: 1...4) {
                groups.append(group)
            } else if mayEndInIPv4, index == parts.count - 1, let value = ipv4(part) {
                groups += [UInt16(value >> 16), UInt16(truncatingIfNeeded: value)]
            } else {
                return nil
            }
        }
        return groups
    }
}

extension IPAddress: CustomStringConvertible {
    /// `198.51.100.1`, or `2001:db8::1` in the form of RFC 5952: lower case, the longest run of zeros shortened.
    public var description: String {
        switch self {
        case .v4: bytes.map { "\($0)" }.joined(separator: ".")
        case .v6(0, let low) where low >> 32 == 0xffff: "::ffff:\(IPAddress.v4(UInt32(truncatingIfNeeded: low)))"
        case .v6(let high, let low): Self.text(of: [high, low])
        }
    }

    private static func text(of halves: [UInt64]) -> String {
        let groups = halves.flatMap { half in [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> UInt64($0)) } }
        let zeros = longestRunOfZeros(groups)
        func text(_ groups: ArraySlice<UInt16>) -> String {
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard zeros.count >= 2 else { return text(groups[...]) }
        return "\(text(groups[..<zeros.lowerBound]))::\(text(groups[zeros.upperBound...]))"
    }

    /// The first one of several of the same length (RFC 5952 §4.2.3); empty when no group is zero.
    private static func longestRunOfZeros(_ groups: [UInt16]) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 { start = index + 1 }
            if index + 1 - start > longest.count { longest = start..<index + 1 }
        }
        return longest
    }
}

extension VirtualAddress: CustomStringConvertible {
    /// From `198.51.100.100/24`, `2001:db8::64/64`, or without a prefix length, which makes it a host address.
    /// nil for anything else, and for a prefix longer than the address.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        guard parts.count == 2 else {
            self.init(address)
            return
        }
        let length = parts[1].utf8
        guard let bits = length.decimal(upTo: address.family == .ipv4 ? 32 : 128),
            length.count == 1 || length.first != UInt8(ascii: "0")
        else { return nil }
        self.init(address, prefixLength: UInt8(bits))
    }

    /// The address and its prefix length: `198.51.100.100/24`.
    public var description: String { "\(address)/\(prefixLength)" }
}

extension String {
    /// Where its first `::` is.
    fileprivate var firstGap: Range<Index>? {
        var index = startIndex
        while index < endIndex {
            let next = self.index(after: index)
            if self[index] == ":", next < endIndex, self[next] == ":" { return index..<self.index(after: next) }
            index = next
        }
        return nil
    }
}

extension Collection<UInt8> {
    /// The number that it spells in one to three decimal digits; nil above the limit.
    fileprivate func decimal(upTo limit: Int) -> Int? {
        guard (1...3).contains(count) else { return nil }
        var value = 0
        for digit in self {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value <= limit ? value : nil
    }

    /// The number that it spells in hexadecimal digits, of either case.
    func hexadecimal(digits: ClosedRange<Int>) -> UInt16? {
        guard digits.contains(count) else { return nil }
        var value: UInt16 = 0
        for digit in self {
            let lower = digit | 0x20
            if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) {
                value = value << 4 | UInt16(digit - UInt8(ascii: "0"))
            } else if (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(lower) {
                value = value << 4 | UInt16(lower - UInt8(ascii: "a") + 10)
            } else {
                return nil
            }
        }
        return value
    }
}
