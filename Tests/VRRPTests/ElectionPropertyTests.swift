import Testing

@testable import VRRP

// Two and three routers on a simulated segment, in virtual time, with seeded randomness. A failure names its seed.

/// Routers, and a segment that delays, loses and separates.
private struct SimulatedSegment {
    struct Packet {
        var time: Instant
        var receiver: Int
        var sender: Int
        var advertisement: Advertisement
    }

    var random: SimulationNumbers
    var routers: [VirtualRouter] = []
    /// Crashed routers do nothing, and lose their state.
    var isAlive: [Bool] = []
    var packets: [Packet] = []
    var now = at(.zero)
    /// The longest that a packet takes.
    let delay: Duration
    /// Lost packets, in percent.
    var loss = 0
    /// Routers hear each other within their part alone.
    var part: [Int] = []
    /// Until then a router does nothing, but packets wait for it.
    var frozenUntil: [Instant] = []
    /// Since when there are two Active routers.
    var doubleSince: Instant?
    var longestDouble = Duration.zero
    var advertisements = 0

    init(_ parameters: [VirtualRouterParameters], delay: Duration, seed: UInt64) {
        random = SimulationNumbers(seed: seed)
        self.delay = delay
        for (index, parameters) in parameters.enumerated() {
            routers.append(VirtualRouter(parameters, primaryAddress: Self.address(index)))
            isAlive.append(true)
            part.append(0)
            frozenUntil.append(now)
        }
    }

    static func address(_ index: Int) -> IPAddress { .v4(0xc633_6401 + UInt32(index)) }

    var active: [Int] { routers.indices.filter { isAlive[$0] && routers[$0].state.name == .active } }

    mutating func give(_ event: VirtualRouter.Event, to index: Int) {
        for case .send(let advertisement) in routers[index].handle(event, now: now) {
            advertisements += 1
            for receiver in routers.indices where receiver != index && part[receiver] == part[index] {
                guard Int.random(in: 0..<100, using: &random) >= loss else { continue }
                let nanoseconds = Int64.random(in: 1...Int64(delay / .nanoseconds(1)), using: &random)
                packets.append(
                    Packet(
                        time: now + .nanoseconds(nanoseconds), receiver: receiver, sender: index,
                        advertisement: advertisement))
            }
        }
        observe()
    }

    mutating func crash(_ index: Int) {
        isAlive[index] = false
        routers[index] = VirtualRouter(routers[index].parameters, primaryAddress: Self.address(index))
        observe()
    }

    mutating func boot(_ index: Int) {
        isAlive[index] = true
        give(.startup, to: index)
    }

    private mutating func observe() {
        if active.count < 2 {
            if let since = doubleSince { longestDouble = max(longestDouble, now - since) }
            doubleSince = nil
        } else if doubleSince == nil {
            doubleSince = now
        }
    }

    /// The next thing before `end`: a packet arrives, or a timer fires. A frozen router finds both when it wakes, the
    /// packets first. Returns false when there is nothing.
    private mutating func step(before end: Instant) -> Bool {
        var next: (time: Instant, packet: Int?, router: Int)?
        for (index, packet) in packets.enumerated() {
            let time = max(packet.time, frozenUntil[packet.receiver])
            if time < next?.time ?? end { next = (time, index, packet.receiver) }
        }
        for (index, router) in routers.enumerated() where isAlive[index] {
            guard let deadline = router.deadline.map({ max($0, frozenUntil[index]) }) else { continue }
            if deadline < next?.time ?? end { next = (deadline, nil, index) }
        }
        guard let next else { return false }
        now = next.time
        if let packet = next.packet.map({ packets.remove(at: $0) }) {
            guard isAlive[next.router] else { return true }
            give(.received(packet.advertisement, from: Self.address(packet.sender)), to: next.router)
        } else {
            give(.deadlineReached, to: next.router)
        }
        return true
    }

    /// Lets time pass.
    mutating func run(until end: Instant) {
        while step(before: end) {}
        now = end
        observe()
    }

    mutating func run(for time: Duration) { run(until: now + time) }

    /// Runs until one router is Active, or the time is over. How long it took.
    mutating func runUntilOneIsActive(within limit: Duration) -> Duration? {
        let (begin, end) = (now, now + limit)
        while active.isEmpty, step(before: end) {}
        return active.isEmpty ? nil : now - begin
    }

    /// Forgets what was observed.
    mutating func forgetDoubles() {
        longestDouble = .zero
        doubleSince = active.count < 2 ? nil : now
    }
}

/// SplitMix64.
private struct SimulationNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// What the RFCs say of the times, in nanoseconds: the model that the routers are compared with.
private struct Times {
    var interval: Int64
    var skewBase: Int64

    init(_ parameters: VirtualRouterParameters) {
        interval = Int64(parameters.advertisementInterval / .nanoseconds(1))
        skewBase = parameters.version == .v2 ? 1_000_000_000 : interval
    }

    func skew(_ priority: Priority) -> Duration { .nanoseconds((256 - Int64(priority.rawValue)) * skewBase / 256 + 1) }
    func down(_ priority: Priority) -> Duration { .nanoseconds(3 * interval) + skew(priority) }
    /// Longer than the down interval of any router.
    var longestDown: Duration { .nanoseconds(3 * interval + skewBase) }
}

@Suite("Elections")
struct ElectionPropertyTests {
    private static let delay = Duration.microseconds(400)

    /// Two or three routers of random, different priorities.
    private func routers(
        _ random: inout SimulationNumbers, preempts: Bool, equalPriorities: Bool = false
    ) -> [VirtualRouterParameters] {
        let version = ProtocolVersion.allCases.randomElement(using: &random) ?? .v3
        let intervals: [Duration] =
            version == .v2 ? [.seconds(1), .seconds(3)] : [.milliseconds(10), .milliseconds(100)]
        let interval = intervals.randomElement(using: &random) ?? .seconds(1)
        var priorities: Set<UInt8> = []
        let count = Int.random(in: 2...3, using: &random)
        while priorities.count < count { priorities.insert(UInt8.random(in: 1...254, using: &random)) }
        return priorities.sorted().shuffled(using: &random).map {
            .test(version, priority: equalPriorities ? 100 : $0, interval: interval, preempts: preempts)
        }
    }

    private func best(_ segment: SimulatedSegment, among indices: [Int]) -> Int {
        indices.max { segment.routers[$0].parameters.priority < segment.routers[$1].parameters.priority } ?? 0
    }

    @Test("all start at once: the highest priority wins; two are Active only while packets fly", arguments: 0..<200)
    func coldStart(seed: UInt64) {
        var random = SimulationNumbers(seed: seed)
        let parameters = routers(&random, preempts: Bool.random(using: &random))
        var segment = SimulatedSegment(parameters, delay: Self.delay, seed: seed)
        let times = Times(parameters[0])
        for index in segment.routers.indices { segment.give(.startup, to: index) }
        let winner = best(segment, among: Array(segment.routers.indices))
        let expected = times.down(parameters[winner].priority)
        segment.run(until: at(expected - .microseconds(1)))
        #expect(segment.active == [], "seed \(seed)")
        segment.run(until: at(times.longestDown + Self.delay * 2))
        #expect(segment.active == [winner], "seed \(seed)")
        #expect(segment.longestDouble <= Self.delay * 2, "seed \(seed)")
        let before = segment.advertisements
        segment.run(for: .nanoseconds(times.interval) * 100)
        #expect(segment.active == [winner], "seed \(seed)")
        #expect((99...101).contains(segment.advertisements - before), "seed \(seed)")
    }

    @Test("equal priorities, all start at once: the highest address wins", arguments: 0..<50)
    func equalPriorities(seed: UInt64) {
        var random = SimulationNumbers(seed: seed)
        let parameters = routers(&random, preempts: true, equalPriorities: true)
        var segment = SimulatedSegment(parameters, delay: Self.delay, seed: seed)
        for index in segment.routers.indices { segment.give(.startup, to: index) }
        segment.run(for: Times(parameters[0]).longestDown + Self.delay * 2)
        #expect(segment.active == [parameters.count - 1], "seed \(seed)")
        #expect(segment.longestDouble <= Self.delay * 2, "seed \(seed)")
    }

    @Test("whatever happened before: on a whole and quiet segment there is soon one Active", arguments: 0..<300)
    func heals(seed: UInt64) {
        var random = SimulationNumbers(seed: seed)
        let preempts = seed % 3 != 0
        let parameters = routers(&random, preempts: preempts)
        var segment = SimulatedSegment(parameters, delay: Self.delay, seed: seed)
        let times = Times(parameters[0])
        let interval = Duration.nanoseconds(times.interval)
        for index in segment.routers.indices { segment.give(.startup, to: index) }
        for _ in 0..<30 {
            let time = interval * Int64.random(in: 1...80, using: &random) / 10
            disturb(&segment, &random, freeze: time)
            segment.run(for: time)
        }
        segment.loss = 0
        for index in segment.routers.indices {
            segment.frozenUntil[index] = segment.now
            segment.part[index] = 0
            if !segment.isAlive[index] { segment.boot(index) }
            segment.give(.startup, to: index)
        }
        segment.forgetDoubles()
        segment.run(for: times.longestDown + interval * 2)
        // A second Active router hears the first within an interval.
        #expect(segment.longestDouble <= interval + Self.delay * 2, "seed \(seed)")
        #expect(segment.active.count == 1, "seed \(seed)")
        if preempts { #expect(segment.active == [best(segment, among: Array(parameters.indices))], "seed \(seed)") }
        segment.forgetDoubles()
        let settled = segment.active
        segment.run(for: interval * 50)
        #expect(segment.active == settled && segment.longestDouble == .zero, "seed \(seed)")
    }

    /// Loses, separates, joins, stops, crashes, starts, freezes.
    private func disturb(
        _ segment: inout SimulatedSegment, _ random: inout SimulationNumbers, freeze: Duration
    ) {
        let index = Int.random(in: 0..<segment.routers.count, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: segment.loss = [0, 10, 50, 90].randomElement(using: &random) ?? 0
        case 1: segment.part[index] = Int.random(in: 0..<2, using: &random)
        case 2: segment.part = segment.part.map { _ in 0 }
        case 3: if segment.isAlive[index] { segment.give(.shutdown, to: index) }
        case 4: segment.crash(index)
        case 5: if segment.isAlive[index] { segment.give(.interfaceDown, to: index) }
        case 6: segment.frozenUntil[index] = segment.now + freeze
        default: segment.boot(index)
        }
    }

    @Test("the Active router stops: the best of the others follows after its Skew Time", arguments: 0..<200)
    func resignation(seed: UInt64) {
        var random = SimulationNumbers(seed: seed)
        let parameters = routers(&random, preempts: Bool.random(using: &random))
        var segment = SimulatedSegment(parameters, delay: Self.delay, seed: seed)
        let times = Times(parameters[0])
        for index in segment.routers.indices { segment.give(.startup, to: index) }
        segment.run(for: times.longestDown + .nanoseconds(times.interval * 5))
        let first = segment.active[0]
        segment.give(.shutdown, to: first)
        let next = best(segment, among: segment.routers.indices.filter { $0 != first })
        let skew = times.skew(parameters[next].priority)
        segment.forgetDoubles()
        let took = segment.runUntilOneIsActive(within: .seconds(10))
        #expect(took.map { $0 >= skew - .microseconds(1) && $0 <= skew + Self.delay } == true, "seed \(seed)")
        segment.run(for: .nanoseconds(times.interval * 5))
        #expect(segment.active == [next], "seed \(seed)")
        #expect(segment.longestDouble <= Self.delay * 2, "seed \(seed)")
    }

    @Test("the Active router dies: the best of the others follows after its Active Down Interval", arguments: 0..<200)
    func death(seed: UInt64) {
        var random = SimulationNumbers(seed: seed)
        let parameters = routers(&random, preempts: Bool.random(using: &random))
        var segment = SimulatedSegment(parameters, delay: Self.delay, seed: seed)
        let times = Times(parameters[0])
        let interval = Duration.nanoseconds(times.interval)
        for index in segment.routers.indices { segment.give(.startup, to: index) }
        segment.run(for: times.longestDown + interval * 5)
        let first = segment.active[0]
        segment.crash(first)
        let next = best(segment, among: segment.routers.indices.filter { $0 != first })
        let down = times.down(parameters[next].priority)
        segment.forgetDoubles()
        // The last advertisement was up to an interval ago.
        let earliest = down - interval - .microseconds(1)
        let took = segment.runUntilOneIsActive(within: .seconds(20))
        #expect(took.map { $0 >= earliest && $0 <= down + Self.delay } == true, "seed \(seed)")
        segment.run(for: interval * 5)
        #expect(segment.active == [next], "seed \(seed)")
        #expect(segment.longestDouble <= Self.delay * 2, "seed \(seed)")
    }

    @Test("without preemption a router that starts leaves a lower one that is Active alone", arguments: 0..<50)
    func latecomer(seed: UInt64) {
        var random = SimulationNumbers(seed: seed)
        let parameters = routers(&random, preempts: false)
        var segment = SimulatedSegment(parameters, delay: Self.delay, seed: seed)
        let times = Times(parameters[0])
        let late = best(segment, among: Array(parameters.indices))
        for index in segment.routers.indices where index != late { segment.give(.startup, to: index) }
        segment.run(for: times.longestDown * 2)
        let settled = segment.active
        segment.give(.startup, to: late)
        segment.run(for: times.longestDown * 10)
        #expect(settled.count == 1 && segment.active == settled, "seed \(seed)")
        segment.crash(settled[0])
        segment.run(for: times.longestDown + Self.delay)
        #expect(segment.active == [late], "seed \(seed)")
    }

    @Test("every tenth packet is lost: one router is Active almost always", arguments: 0..<20)
    func lossy(seed: UInt64) {
        var random = SimulationNumbers(seed: seed)
        let parameters = routers(&random, preempts: true)
        var segment = SimulatedSegment(parameters, delay: Self.delay, seed: seed)
        let times = Times(parameters[0])
        segment.loss = 10
        for index in segment.routers.indices { segment.give(.startup, to: index) }
        segment.run(for: times.longestDown * 2)
        var one = 0
        for _ in 0..<2000 {
            segment.run(for: .nanoseconds(times.interval / 4))
            one += segment.active.count == 1 ? 1 : 0
        }
        #expect(one > 1980, "seed \(seed)")
        // Only as long as every advertisement of the winner is lost.
        #expect(segment.longestDouble <= .nanoseconds(times.interval) * 6, "seed \(seed)")
    }
}
