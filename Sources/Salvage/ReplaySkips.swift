/// Which units of a file are left out: one bit for each, in order. Decided once, before the first is sent, and kept on the
/// server beside the marker, so that a run that goes on later leaves out the same ones.
public struct ReplaySkips: Sendable, Equatable {
    private var bits: [UInt8] = []
    /// How many units it knows of.
    public private(set) var count = 0

    /// Of no unit.
    public init() {}

    /// The next unit.
    public mutating func append(_ isSkipped: Bool) {
        if count.isMultiple(of: 8) { bits.append(0) }
        if isSkipped { bits[bits.count - 1] |= 1 << UInt8(count % 8) }
        count += 1
    }

    /// Whether a unit, counted from 0, is left out; `nil` beyond the last.
    public subscript(index: Int) -> Bool? {
        guard (0..<count).contains(index) else { return nil }
        return bits[index / 8] & 1 << UInt8(index % 8) != 0
    }

    /// As it is kept: the count in digits, a colon, the bits.
    public var encoded: [UInt8] { Array("\(count):".utf8) + bits }

    /// Reads what was kept; `nil` for anything else.
    public init?(_ encoded: [UInt8]) {
        guard let colon = encoded.prefix(20).firstIndex(of: UInt8(ascii: ":")), colon > 0,
            encoded[..<colon].allSatisfy(\.isASCIIDigit),
            let count = Int(String(decoding: encoded[..<colon], as: UTF8.self)),
            encoded.count - colon - 1 == count / 8 + (count.isMultiple(of: 8) ? 0 : 1)
        else { return nil }
        bits = Array(encoded[(colon + 1)...])
        self.count = count
    }
}
