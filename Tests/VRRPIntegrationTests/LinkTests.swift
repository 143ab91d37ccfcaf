import NetworkLab
import Testing

/// What `syncgate vrrp` makes of trouble with its interface, and of people who mean harm.
@Suite(.serialized, .enabled(if: NetworkLab.isAvailable, Comment(rawValue: NetworkLab.whyUnavailable ?? "")))
struct LinkTests {
    private let address = "198.51.100.100"

    @Test(arguments: [NetworkLab.Cut.cable, .interface])
    func `an interface that goes down is a fault, and one that comes up is none`(_ how: NetworkLab.Cut) async throws {
        try await withPair { lab, first, second in
            try await lab.cut(lab[1], how)
            try await first.wait(for: "initialize", within: .seconds(2))
            try await second.wait(for: "active")
            try await lab.waitUntilHeld(address, by: lab[2])
            try await lab.mend(lab[1], how)
            try await lab.waitUntilHeld(address, by: lab[1])
            try await second.wait(for: "backup")
            #expect(first.states == ["backup", "active", "initialize", "backup", "active"])
            #expect(second.states == ["backup", "active", "backup"])
        }
    }

    @Test func `an interface may go away altogether, and come back as another one`() async throws {
        try await withPair { lab, first, second in
            try await lab.unplug(lab[1])
            try await first.wait(for: "initialize", within: .seconds(2))
            try await lab.waitUntilHeld(address, by: lab[2])
            try await lab.plug(lab[1])
            try await lab.waitUntilHeld(address, by: lab[1])
            try await second.wait(for: "backup")
            #expect(first.states == ["backup", "active", "initialize", "backup", "active"])
        }
    }

    @Test func `another primary address is advertised from`() async throws {
        try await withPair { lab, first, _ in
            let capture = try await PacketCapture(lab)
            try await lab.run(["ip", "addr", "add", "198.51.100.11/24", "dev", "eth0"], in: lab[1])
            try await lab.run(["ip", "addr", "del", "198.51.100.1/24", "dev", "eth0"], in: lab[1])
            try await waitUntil("it comes from the new one") {
                try Heartbeats(capture.packets()).times(of: "198.51.100.11").count >= 3
            }
            #expect(Heartbeats(try await capture.stop()).packets.last?.heartbeat.source == "198.51.100.11")
            try await lab.waitUntilHeld(address, by: lab[1])
            #expect(first.states.last == "active")
        }
    }

    /// It hears nobody, so it must take over; the others hear it, and the better one says so until it can listen again.
    @Test func `one that is deaf yields as soon as it hears`() async throws {
        try await withPair { lab, first, second in
            try await lab.cut(lab[2], .deaf)
            try await second.wait(for: "active")
            try await lab.mend(lab[2], .deaf)
            try await second.wait(for: "backup")
            try await lab.waitUntilHeld(address, by: lab[1])
            #expect(first.states == ["backup", "active"])
        }
    }

    @Test func `the owner of the addresses is Active from its first moment`() async throws {
        try await withNetworkLab(leaves: 1) { lab in
            let capture = try await PacketCapture(lab)
            let owner = try await LabRouter(.syncgate, lab, on: lab[1], SegmentPlan(), priority: 255)
            try await owner.wait(for: "active")
            #expect(owner.states == ["active"])
            try await waitUntil("it advertises") { try !Heartbeats(capture.packets()).packets.isEmpty }
            #expect(try Heartbeats(capture.packets()).packets[0].heartbeat.priority == 255)
        }
    }

    /// Nobody with two capabilities, and the root of a user namespace that has no rights outside of it.
    @Test(arguments: [false, true])
    func `it needs no root`(isUserNamespace: Bool) async throws {
        try await withNetworkLab(leaves: 2) { lab in
            if isUserNamespace { try await lab.surrender(lab[1]) }
            var settings = SyncgateRouter.Settings()
            (settings.interval, settings.priority, settings.isRealTime) = ("100ms", 150, true)
            let first = try await SyncgateRouter(lab, on: lab[1], settings, as: isUserNamespace ? .root : .nobody)
            let second = try await LabRouter(.syncgate, lab, on: lab[2], SegmentPlan(), priority: 50)
            try await lab.waitUntilHeld(address, by: lab[1])
            try await second.wait(for: "backup")
            // What it may not have it does without, and says so.
            #expect(first.events.contains { $0.name == "not_real_time" })
            try await lab.cut(lab[1], .cable)
            try await lab.waitUntilHeld(address, by: lab[2])
            try await lab.mend(lab[1], .cable)
            try await lab.waitUntilHeld(address, by: lab[1])
            #expect(await first.stop() == 0)
            try await lab.waitUntilHeld(address, by: lab[2])
        }
    }

    struct Attack: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var kinds: [HostileFlood.Kind]
        var version: UInt8 = 3
        var isUnicast = false
        /// What the output calls it.
        var reasons: Set<String>
    }

    /// A short one; `scripts/bench vrrp --only flood` does it for longer.
    @Test(arguments: [
        Attack(
            testDescription: "version 3, the group",
            kinds: [.wrongVirtualRouterID, .wrongHopLimit, .badChecksum, .truncated],
            reasons: ["hop_limit", "checksum", "truncated"]),
        Attack(
            testDescription: "version 2, PASS",
            kinds: [.wrongVirtualRouterID, .wrongHopLimit, .wrongPassword, .badChecksum],
            version: 2, reasons: ["hop_limit", "checksum", "password"]),
        Attack(
            testDescription: "unicast, a stranger", kinds: [.lowerPriority, .higherPriority], isUnicast: true,
            reasons: ["unknown_sender"]),
    ])
    func `a flood of hostile packets changes nothing`(_ attack: Attack) async throws {
        var plan = SegmentPlan()
        plan.version = Int(attack.version)
        plan.interval = attack.version == 2 ? .seconds(1) : .milliseconds(100)
        plan.password = attack.version == 2 ? "secret" : nil
        // The flood itself takes the processors.
        plan.isRealTime = true
        try await withNetworkLab(leaves: 3) { lab in
            (plan.isUnicast, plan.routers) = (attack.isUnicast, [1, 2])
            let first = try await LabRouter(.syncgate, lab, on: lab[1], plan, priority: 150)
            let second = try await LabRouter(.syncgate, lab, on: lab[2], plan, priority: 100)
            try await first.wait(for: "active")
            let capture = try await PacketCapture(lab, filter: "ip proto 112 and not src host \(lab[3].ipv4)")
            let floods = try await HostileFlood.onPair(
                attack.kinds, version: attack.version, isUnicast: attack.isUnicast, in: lab, plan)
            try await waitUntil("advertisements: \(first.log) \(second.log)", within: .seconds(15)) {
                try Heartbeats(capture.packets()).packets.count >= (attack.version == 2 ? 4 : 25)
            }
            for flood in floods { _ = try await flood.stop() }
            let heartbeats = Heartbeats(try await capture.stop())
            #expect(heartbeats.senders == [lab[1].ipv4])
            let gaps = zip(heartbeats.packets, heartbeats.packets.dropFirst()).map { $1.time - $0.time }
            #expect(try #require(gaps.max()) < plan.interval * 2)
            #expect([first.states, second.states] == [["backup", "active"], ["backup"]])
            #expect(attack.reasons.allSatisfy { reason in second.complaints.contains { $0.contains(reason) } })
        }
    }

    /// Two of ours, version 3 at 100 ms; the first is Active and holds the address.
    private func withPair(_ body: (NetworkLab, LabRouter, LabRouter) async throws -> Void) async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let first = try await LabRouter(.syncgate, lab, on: lab[1], SegmentPlan(), priority: 150)
            let second = try await LabRouter(.syncgate, lab, on: lab[2], SegmentPlan(), priority: 100)
            try await lab.waitUntilHeld(address, by: lab[1])
            try await second.wait(for: "backup")
            try await body(lab, first, second)
        }
    }
}
