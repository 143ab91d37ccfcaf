/// Virtual time in microseconds from the beginning.
typealias Time = Int64

extension Time {
    /// So many milliseconds.
    static func ms(_ milliseconds: Int64) -> Time { milliseconds * 1000 }
    /// So many seconds.
    static func s(_ seconds: Int64) -> Time { seconds * 1_000_000 }
}

/// SplitMix64: small, fast, and the same on every machine. Everything that happens by chance in a simulation comes out of
/// one of these, so that a seed replays exactly.
struct SeededRandom {
    private var state: UInt64

    /// Neighbouring seeds begin far apart.
    init(_ seed: UInt64) { state = Self.mix(seed &* 0xd134_2543_de82_ef95 &+ 1) }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Self.mix(state)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// 0 up to, and without, `limit`, which is positive.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    /// Whether something happens that happens in so many of a hundred cases.
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    mutating func time(_ range: ClosedRange<Time>) -> Time {
        range.lowerBound + Time(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    /// One of these, which are not empty.
    mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }
}
