/// What the master's offset was, and when: from this, a replica's lag in bytes becomes a lag in seconds.
///
/// The replica's own acknowledgement (`slaveN:…,lag=`) only tells when it last spoke, once a second. The age of its data
/// is the time since the master's offset passed what the replica has applied, and that takes the master's history.
public struct LagHistory: Sendable, Equatable {
    /// How old a replica's data is.
    public enum Age: Sendable, Equatable {
        /// So old, interpolated between two readings.
        case known(Duration)
        /// Older than the first reading; so old if the master wrote at the present rate before it as well.
        case estimated(Duration)
        /// Older than the first reading, which is so long ago; the master does not write now.
        case atLeast(Duration)

        /// The number, however it was found.
        public var duration: Duration {
            switch self {
            case .known(let age), .estimated(let age), .atLeast(let age): age
            }
        }
    }

    private struct Sample: Equatable {
        var offset: Int64
        var at: Instant
    }

    private var samples: [Sample] = []
    private let capacity: Int

    /// Makes an empty history that keeps the last `capacity` readings, at least 2.
    public init(capacity: Int = 3600) {
        self.capacity = max(capacity, 2)
    }

    /// Adds a reading. One that goes back in offset or time starts the history anew: the master is another one.
    public mutating func record(offset: Int64, at: Instant) {
        if let last = samples.last, offset < last.offset || at < last.at { samples.removeAll() }
        if samples.count >= capacity { samples.removeFirst(samples.count - capacity + 1) }
        samples.append(Sample(offset: offset, at: at))
    }

    /// Bytes per second over the last `window`; `nil` until there are two readings.
    public func rate(over window: Duration = .seconds(10)) -> Double? {
        guard let last = samples.last, samples.count > 1 else { return nil }
        let first = samples.first { last.at - $0.at <= window } ?? samples[samples.count - 2]
        let from = first == last ? samples[samples.count - 2] : first
        let seconds = (last.at - from.at) / .seconds(1)
        return seconds > 0 ? Double(last.offset - from.offset) / seconds : nil
    }

    /// How old the data up to `offset` is at `now`; `nil` without a reading.
    public func age(of offset: Int64, now: Instant) -> Age? {
        guard let first = samples.first, let last = samples.last else { return nil }
        if offset >= last.offset { return .known(.zero) }
        if offset < first.offset {
            let seen = max(now - first.at, .zero)
            guard let rate = rate(), rate > 0 else { return .atLeast(seen) }
            return .estimated(seen + .bounded(seconds: Double(first.offset - offset) / rate))
        }
        // The first reading beyond the offset; the one before it is at or below.
        guard let next = samples.firstIndex(where: { $0.offset > offset }), next > 0 else { return .known(.zero) }
        let (below, above) = (samples[next - 1], samples[next])
        let part = Double(offset - below.offset) / Double(above.offset - below.offset)
        return .known(max(now - (below.at + (above.at - below.at) * part), .zero))
    }
}

extension Duration {
    /// So many seconds, a hundred years at most: what a server claims must not overflow a duration.
    static func bounded(seconds: Double) -> Duration { .seconds(min(seconds, 3_155_760_000)) }
}
