public import RedisLab

/// What happens to the node that serves.
public enum TrialEvent: String, Sendable, Hashable, CaseIterable {
    /// Its Redis is killed, and started again by a supervisor after a while.
    case redisKilled = "redis-killed"
    /// Its Redis hangs (SIGSTOP), and goes on after a while.
    case redisHung = "redis-hung"
    /// It is cut off from the network; its Redis goes on taking the writes of its own host.
    case cutOff = "cut-off"
    /// Its daemon is killed, and started again after a while.
    case daemonKilled = "daemon-killed"
    /// The operator asks for a switchover.
    case switchover = "switchover"

    /// How often each happens, in ten.
    static let usual: [TrialEvent] = [
        .redisKilled, .redisKilled, .redisKilled, .redisHung, .redisHung, .cutOff, .cutOff, .daemonKilled, .switchover,
        .switchover,
    ]
}

/// What the servers keep on their disks.
public enum Persistence: String, Sendable, Hashable, CaseIterable {
    /// Nothing.
    case none
    /// An append-only file that is synced with every write.
    case always
    /// An append-only file that is synced every second.
    case everysec
}

/// One failover, as its seed decides it.
public struct TrialPlan: Sendable, Hashable {
    /// 1, 2 …
    public var number: Int
    /// Both servers.
    public var version: RedisVersion
    /// Both servers' disks.
    public var persistence: Persistence
    /// What happens.
    public var event: TrialEvent
    /// The writers write so long before.
    public var warmUp: Duration
    /// The replica stands still (SIGSTOP) so long before the event: what the master acknowledges then is on its way.
    public var freeze: Duration
    /// It goes on so long after the event.
    public var thaw: Duration
    /// From the event to when what was taken away is given back; a node that was cut off or hung comes back when the other
    /// one has taken over, at the soonest.
    public var back: Duration
    /// A cut that nobody notices, or one that takes the carrier.
    public var isSilent: Bool

    /// One failover of a seed.
    init(
        number: Int, version: RedisVersion, persistence: Persistence, event: TrialEvent, random: inout SplitMix
    ) {
        (self.number, self.version, self.persistence, self.event) = (number, version, persistence, event)
        warmUp = .milliseconds(Int.random(in: 100...1100, using: &random))
        freeze = .milliseconds(
            Int.random(in: 0...3, using: &random) == 0 ? 0 : Int.random(in: 20...300, using: &random))
        thaw = .milliseconds(Int.random(in: 0...50, using: &random))
        // Squared: mostly soon, which is when it is hardest, and up to ten seconds.
        let part = Double.random(in: 0...1, using: &random)
        back = .milliseconds(Int(10_000 * part * part))
        isSilent = Bool.random(using: &random)
    }

    /// A single one, for tests: no lag, back after `back`.
    public init(_ version: RedisVersion, _ event: TrialEvent, back: Duration = .seconds(1), isSilent: Bool = false) {
        var random = SplitMix(seed: 1)
        self.init(number: 1, version: version, persistence: .none, event: event, random: &random)
        (warmUp, freeze, thaw, self.back) = (.milliseconds(300), .milliseconds(200), .zero, back)
        self.isSilent = isSilent
    }

    /// What may be expected of it.
    public var expectation: Sight.Expectation {
        var expectation = Sight.Expectation()
        expectation.mayDieWithProcess = event == .redisKilled && persistence != .always
        expectation.isCounted = event != .redisKilled
        // From Redis 4 on a replica that is promoted goes on with its master's history.
        expectation.isPartial = event == .switchover && version >= .v5_0
        return expectation
    }

    /// All failovers of a seed, those of one pair together: at most `most` of them, on the versions in turn.
    public static func all(
        _ count: Int, seed: UInt64, versions: [RedisVersion], events: [TrialEvent], most: Int = 10
    ) -> [[TrialPlan]] {
        let usual = events.isEmpty ? TrialEvent.usual : TrialEvent.usual.filter(events.contains)
        let length = min(max(count / max(versions.count * Persistence.allCases.count, 1), 1), most)
        var random = SplitMix(seed: seed)
        var left: [TrialEvent] = []
        var pairs: [[TrialPlan]] = []
        for number in 1...max(count, 1) {
            let pair = (number - 1) / length
            if pair == pairs.count { pairs.append([]) }
            if left.isEmpty { left = usual.shuffled(using: &random) }
            var own = SplitMix(seed: seed &+ UInt64(number) &* 0x1_0001)
            pairs[pair].append(
                TrialPlan(
                    number: number, version: versions[pair % versions.count],
                    persistence: Persistence.allCases[pair / versions.count % Persistence.allCases.count],
                    event: left.removeLast(), random: &own))
        }
        return pairs
    }
}

extension TrialPlan: CustomStringConvertible {
    /// All of it on one line.
    public var description: String {
        let ms = { (duration: Duration) in "\(Int(duration / .milliseconds(1))) ms" }
        return "failover \(number): Redis \(version), append-only file: \(persistence.rawValue), \(event.rawValue)"
            + (event == .cutOff ? isSilent ? " (silently)" : " (cable)" : "") + " after \(ms(warmUp))"
            + (freeze > .zero ? ", the replica \(ms(freeze)) behind" : "")
            + (event == .switchover ? "" : ", back after \(ms(back))")
    }
}

/// A generator of numbers that are the same for the same seed, everywhere.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
