/// Numbers that are the same in every run (xorshift64*).
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// Every seed gives another sequence.
    public init(seed: UInt64) { state = seed == 0 ? 1 : seed }

    public mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 2_685_821_657_736_338_717
    }
}
