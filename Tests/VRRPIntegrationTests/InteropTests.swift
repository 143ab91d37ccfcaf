import NetworkLab
import Testing

/// SyncGate beside real keepalived, each as the Active router and as the Backup, in every dialect that both speak.
@Suite(
    .serialized,
    .enabled(
        if: Keepalived.isAvailable, Comment(rawValue: NetworkLab.whyUnavailable ?? Keepalived.whyUnavailable ?? "")))
struct InteropTests {
    /// A dialect, and what the formulas of the RFC make of it.
    struct Dialect: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var plan: SegmentPlan
        /// Of a Backup with priority 100: (256 - 100) / 256 of the interval.
        var skew: Duration
        /// Of a Backup with priority 100: three intervals and the skew.
        var activeDown: Duration

        init(_ name: String, skew: Duration, activeDown: Duration, _ change: (inout SegmentPlan) -> Void) {
            testDescription = name
            plan = SegmentPlan()
            (self.skew, self.activeDown) = (skew, activeDown)
            change(&plan)
        }

        static func v2(_ name: String, _ change: (inout SegmentPlan) -> Void = { _ in }) -> Dialect {
            Dialect("version 2\(name)", skew: .microseconds(609_375), activeDown: .microseconds(3_609_375)) { plan in
                plan.version = 2
                plan.interval = .seconds(1)
                change(&plan)
            }
        }

        static func v3(_ name: String, _ change: (inout SegmentPlan) -> Void = { _ in }) -> Dialect {
            Dialect(
                "version 3\(name)", skew: .nanoseconds(60_937_500), activeDown: .nanoseconds(360_937_500), change)
        }
    }

    private static let ipv6 = ["fe80::5:51/64", "2001:db8::100/64"]
    private static let slow: [Dialect] = [
        .v2(""), .v2(", PASS") { $0.password = "secret" }, .v2(", unicast") { $0.isUnicast = true },
    ]
    private static let quick: [Dialect] = [
        .v3(" over IPv4"),
        .v3(" over IPv4, two addresses") { $0.addresses = ["198.51.100.100/24", "198.51.100.101/32"] },
        .v3(" over IPv6") { $0.addresses = ipv6 }, .v3(" over IPv4, unicast") { $0.isUnicast = true },
        .v3(" over IPv6, unicast") { ($0.addresses, $0.isUnicast) = (ipv6, true) },
        .v3(" over IPv6, unicast, hop limit 64") {
            ($0.addresses, $0.isUnicast, $0.toleratesHopLimit64) = (ipv6, true, true)
        },
        Dialect("version 3 at 10 ms", skew: .nanoseconds(6_093_750), activeDown: .nanoseconds(36_093_750)) {
            $0.interval = .milliseconds(10)
            $0.isRealTime = true
        },
    ]

    @Test(arguments: quick, [RouterMake.syncgate, .keepalived])
    func `hand-over, preemption and death`(_ dialect: Dialect, _ active: RouterMake) async throws {
        try await Duel(dialect, active: active).run()
    }

    /// Most of it is waiting: all at once.
    @Test func `hand-over, preemption and death in version 2`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for dialect in Self.slow {
                for active in RouterMake.allCases {
                    group.addTask { try await Duel(dialect, active: active).run() }
                }
            }
            try await group.waitForAll()
        }
    }

    /// The higher address wins when two of the same priority hear each other again.
    @Test(arguments: [RouterMake.syncgate, .keepalived])
    func `equal priorities`(_ higher: RouterMake) async throws {
        let plan = SegmentPlan()
        try await withNetworkLab(leaves: 2) { lab in
            let lower = try await LabRouter(higher.other, lab, on: lab[1], plan, priority: 100)
            try await lower.wait(for: "active")
            // Who comes second stays Backup, though its address is higher.
            let upper = try await LabRouter(higher, lab, on: lab[2], plan, priority: 100)
            let capture = try await PacketCapture(lab)
            try await waitUntil("ten advertisements") { try Heartbeats(capture.packets()).packets.count >= 10 }
            #expect(upper.states == ["backup"])
            #expect(try await lab.holders(of: plan.address) == [1])
            try await lab.cut(lab[1])
            try await upper.wait(for: "active")
            let healed = WallTime.now
            try await lab.mend(lab[1])
            try await lab.waitUntilHeld(plan.address, by: lab[2])
            try await lower.wait(for: "backup")
            #expect(upper.states == ["backup", "active"])
            // Whoever wins says so to those who learnt the other's MAC address.
            try await waitUntil("\(higher) announces again", within: .seconds(3)) {
                try capture.packets().contains {
                    $0.time > healed && $0.announced == plan.address && $0.mac == lab[2].mac
                }
            }
            #expect(lower.complaints + upper.complaints == [])
        }
    }

    @Test(arguments: [RouterMake.syncgate, .keepalived])
    func `who does not preempt waits for the other's end`(_ patient: RouterMake) async throws {
        let plan = SegmentPlan()
        try await withNetworkLab(leaves: 2) { lab in
            let first = try await LabRouter(patient.other, lab, on: lab[1], plan, priority: 100)
            try await first.wait(for: "active")
            let second = try await LabRouter(patient, lab, on: lab[2], plan, priority: 150, preempts: false)
            let capture = try await PacketCapture(lab)
            try await waitUntil("ten advertisements") { try Heartbeats(capture.packets()).packets.count >= 10 }
            #expect(second.states == ["backup"])
            #expect(try await lab.holders(of: plan.address) == [1])
            await first.stop()
            try await lab.waitUntilHeld(plan.address, by: lab[2])
            #expect(Heartbeats(try await capture.stop()).senders == ["198.51.100.1", "198.51.100.2"])
            #expect(first.complaints + second.complaints == [])
        }
    }

    @Test(arguments: [
        [RouterMake.keepalived, .syncgate, .keepalived], [.syncgate, .keepalived, .keepalived],
        [.keepalived, .keepalived, .syncgate], [.syncgate, .keepalived, .syncgate],
        [.keepalived, .syncgate, .syncgate],
        [.syncgate, .syncgate, .keepalived],
    ])
    func `three take over from each other in the order of their priorities`(_ makes: [RouterMake]) async throws {
        let plan = SegmentPlan()
        try await withNetworkLab(leaves: 3) { lab in
            let capture = try await PacketCapture(lab)
            var routers: [LabRouter] = []
            for (leaf, make) in zip(lab.leaves, makes) {
                routers.append(try await LabRouter(make, lab, on: leaf, plan, priority: 250 - 50 * leaf.number))
            }
            try await lab.waitUntilHeld(plan.address, by: lab[1])
            try await routers[1].wait(for: "backup")
            try await routers[2].wait(for: "backup")
            let settled = WallTime.now
            await routers[0].stop()
            try await lab.waitUntilHeld(plan.address, by: lab[2])
            await routers[1].kill()
            try await routers[2].wait(for: "active")
            let heartbeats = Heartbeats(try await capture.stop().filter { $0.time > settled })
            // The third never believes that it is its turn while the second lives.
            #expect(heartbeats.senders == lab.leaves.map(\.ipv4))
            #expect(heartbeats.longestContest(interval: plan.interval) <= .milliseconds(100))
            #expect(routers.flatMap(\.complaints) == [])
        }
    }
}

extension RouterMake {
    /// The one that this one is tried against.
    var other: RouterMake { self == .syncgate ? .keepalived : .syncgate }
}

/// One of priority 150 at leaf 1 and one of priority 100 at leaf 2 go through everything that two routers can do to
/// each other.
private struct Duel {
    let dialect: InteropTests.Dialect
    let makes: (active: RouterMake, backup: RouterMake)
    private var plan: SegmentPlan { dialect.plan }
    /// What a busy machine may add to a time.
    private let patience = Duration.milliseconds(250)

    init(_ dialect: InteropTests.Dialect, active: RouterMake) {
        self.dialect = dialect
        makes = (active, active.other)
    }

    func run() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let capture = try await PacketCapture(lab)
            let logs = [try await lab.watchAddresses(in: lab[1]), try await lab.watchAddresses(in: lab[2])]
            let backup = try await LabRouter(makes.backup, lab, on: lab[2], plan, priority: 100)
            let first = try await start(lab)
            try await settle(lab, capture, backup)

            let stopped = WallTime.now
            await first.stop()
            try await takenOver(lab, capture, since: stopped, after: dialect.skew, resigned: true)
            #expect(try await lab.holders(of: plan.address) == [2])

            let second = try await start(lab)
            try await settle(lab, capture, backup)
            // So far there was always one who could remove its address.
            for address in plan.addresses.map({ String($0.prefix { $0 != "/" }) }) {
                #expect(AddressLog.overlap(logs[0], logs[1], of: address) < patience)
            }
            let killed = await second.kill()
            try await takenOver(lab, capture, since: killed, after: dialect.activeDown, resigned: false)
            // What a dead keepalived leaves stays; ours goes by itself.
            if makes.active == .syncgate { try await lab.waitUntilHeld(plan.address, by: lab[2], within: .seconds(6)) }

            let third = try await start(lab)
            try await settle(lab, capture, backup)
            check(Heartbeats(try await capture.stop()), lab)
            #expect([first, second, third].flatMap(\.complaints) == [])
            #expect(backup.complaints == [])
        }
    }

    private func start(_ lab: NetworkLab) async throws -> LabRouter {
        try await LabRouter(makes.active, lab, on: lab[1], plan, priority: 150)
    }

    /// Leaf 1 has the addresses, and nobody else advertises any more.
    private func settle(_ lab: NetworkLab, _ capture: PacketCapture, _ backup: LabRouter) async throws {
        try await lab.waitUntilHeld(plan.address, by: lab[1])
        try await backup.wait(for: "backup")
        let now = WallTime.now
        try await waitUntil("three advertisements") { try heard(capture, 1, since: now).count >= 3 }
        #expect(try heard(capture, 2, since: now) == [])
    }

    private func heard(_ capture: PacketCapture, _ number: Int, since start: WallTime) throws -> [WallTime] {
        let leaf = NetworkLab.Leaf(number: number)
        return try Heartbeats(capture.packets()).times(of: plan.source(leaf)).filter { $0 > start }
    }

    /// Leaf 2 takes over when it should, counted from the last packet of leaf 1.
    private func takenOver(
        _ lab: NetworkLab, _ capture: PacketCapture, since: WallTime, after: Duration, resigned: Bool
    ) async throws {
        try await waitUntil("leaf 2 advertises") { try !heard(capture, 2, since: since).isEmpty }
        try await waitUntil("leaf 2 has the address") { try await lab.holds(lab[2], plan.address) }
        let heartbeats = Heartbeats(try capture.packets())
        #expect(
            heartbeats.packets.last { $0.heartbeat.source == plan.source(lab[1]) }?.heartbeat.priority
                == (resigned ? 0 : 150))
        let takeover = try #require(heartbeats.takeover(from: plan.source(lab[1]), to: plan.source(lab[2])))
        #expect(takeover > after - .milliseconds(1), "\(dialect.testDescription), \(makes.active) is gone")
        #expect(takeover < after + patience, "\(dialect.testDescription), \(makes.active) is gone")
        try await waitUntil("leaf 2 announces") {
            try capture.packets().contains {
                $0.time > since && $0.announced == plan.address && $0.mac == lab[2].mac
            }
        }
    }

    private func check(_ heartbeats: Heartbeats, _ lab: NetworkLab) {
        #expect(heartbeats.longestContest(interval: plan.interval) < patience)
        let packets = heartbeats.packets.map(\.heartbeat)
        #expect(packets.allSatisfy { Int($0.version) == plan.version })
        let leaf = makes.active == .syncgate ? lab[1] : lab[2]
        let checked = plan.toleratesHopLimit64 ? packets.filter { $0.source == plan.source(leaf) } : packets
        #expect(checked.allSatisfy { $0.hopLimit == 255 })
        let group = plan.isIPv6 ? "ff02::12" : "224.0.0.18"
        let expected: Set = plan.isUnicast ? Set(lab.leaves.map(plan.source)) : [group]
        #expect(Set(packets.map(\.destination)) == expected)
    }
}
