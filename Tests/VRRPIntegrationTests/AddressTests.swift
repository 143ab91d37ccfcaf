import Glibc
import NetworkLab
import Testing

/// What `syncgate vrrp` does with its virtual addresses, whatever happens to it or to them.
@Suite(.serialized, .enabled(if: NetworkLab.isAvailable, Comment(rawValue: NetworkLab.whyUnavailable ?? "")))
struct AddressTests {
    private let address = "198.51.100.100"

    @Test func `all of them come with the role, as they were asked for, and go with it`() async throws {
        try await withNetworkLab(leaves: 1) { lab in
            try await lab.run(["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2"], in: lab[1])
            try await lab.run(["ip", "link", "set", "eth1", "up"], in: lab[1])
            var settings = SyncgateRouter.Settings()
            settings.interval = "100ms"
            settings.addresses = ["198.51.100.100/24", "198.51.100.101", "198.51.100.102/28@eth1"]
            let router = try await SyncgateRouter(lab, on: lab[1], settings)
            try await router.wait(for: "active")
            try await waitUntil("three addresses") { try await virtual(lab).count == 3 }
            let found = try await virtual(lab)
            #expect(
                found.map { "\($0.address)/\($0.prefixLength) \($0.interface)" }.sorted() == [
                    "198.51.100.100/24 eth0", "198.51.100.101/32 eth0", "198.51.100.102/28 eth1",
                ])
            // The kernel itself would drop them.
            #expect(found.allSatisfy { ($0.lifetime ?? .seconds(99)) <= .seconds(3) })
            let capture = try await PacketCapture(lab)
            #expect(await router.stop() == 0)
            #expect(try await virtual(lab) == [])
            let heartbeats = Heartbeats(try await capture.stop())
            #expect(heartbeats.resignations(of: "198.51.100.1").count == 1)
            #expect(heartbeats.packets.last?.heartbeat.priority == 0)
        }
    }

    @Test func `IPv6 addresses are usable at once, and announced`() async throws {
        try await withNetworkLab(leaves: 1) { lab in
            let capture = try await PacketCapture(lab)
            var settings = SyncgateRouter.Settings()
            settings.interval = "100ms"
            settings.addresses = ["fe80::5:51/64", "2001:db8::100/64"]
            let router = try await SyncgateRouter(lab, on: lab[1], settings)
            try await router.wait(for: "active")
            try await waitUntil("both announced") {
                Set(try capture.packets().compactMap(\.announced)).isSuperset(of: ["fe80::5:51", "2001:db8::100"])
            }
            let found = try await lab.addresses(in: lab[1]).filter {
                ["fe80::5:51", "2001:db8::100"].contains($0.address)
            }
            #expect(found.map(\.hasNoDetection) == [true, true])
        }
    }

    @Test func `one that somebody takes away comes back at once, and is announced`() async throws {
        try await withNetworkLab(leaves: 1) { lab in
            let router = try await active(lab)
            let log = try await lab.watchAddresses(in: lab[1])
            let capture = try await PacketCapture(lab)
            try await lab.run(["ip", "addr", "del", "\(address)/24", "dev", "eth0"], in: lab[1])
            let gone = try await waitFor("the kernel says it is gone") {
                log.changes.first { $0.address == address && !$0.isThere }
            }
            let back = try await waitFor("it is back") {
                log.changes.first { $0.address == address && $0.isThere && $0.time > gone.time }
            }
            // A notice and a request of the kernel: microseconds. The rest is for a busy machine.
            #expect(back.time - gone.time < .milliseconds(100))
            try await waitUntil("it is announced") { try capture.packets().contains { $0.announced == address } }
            #expect(router.states == ["backup", "active"])
            try await waitUntil("it is told") { router.events.contains { $0.name == "address_restored" } }
        }
    }

    @Test(arguments: [SIGKILL, SIGSTOP])
    func `the kernel drops it seconds after the process is killed or frozen`(_ signal: Int32) async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let router = try await active(lab)
            let other = try await LabRouter(.syncgate, lab, on: lab[2], SegmentPlan(), priority: 50)
            let log = try await lab.watchAddresses(in: lab[1])
            let hit = WallTime.now
            router.process.signal(signal)
            try await other.wait(for: "active")
            try await lab.waitUntilHeld(address, by: lab[2])
            let gone = try #require(log.changes.last { $0.address == address })
            #expect(!gone.isThere)
            // Three seconds, which the kernel counts from the last renewal and rounds up.
            #expect(gone.time - hit < .milliseconds(4500))
            guard signal == SIGSTOP else { return }
            // Awake again, it claims the role back, as it is to preempt.
            router.process.signal(SIGCONT)
            try await other.wait(for: "backup")
            try await lab.waitUntilHeld(address, by: lab[1])
        }
    }

    @Test func `one that slept and does not preempt wakes up as Backup`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let router = try await active(lab, preempts: false)
            let other = try await LabRouter(.syncgate, lab, on: lab[2], SegmentPlan(), priority: 50)
            router.process.signal(SIGSTOP)
            try await other.wait(for: "active")
            try await lab.waitUntilHeld(address, by: lab[2])
            router.process.signal(SIGCONT)
            try await router.wait(for: "backup")
            #expect(router.states == ["backup", "active", "backup"])
            #expect(other.states == ["backup", "active"])
            try await lab.waitUntilHeld(address, by: lab[2])
        }
    }

    @Test func `one left over is found and removed at the start`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let router = try await active(lab)
            for text in ["\(address)/24", "198.51.100.177/24"] {
                try await lab.run(["ip", "addr", "add", text, "dev", "eth0"], in: lab[2])
            }
            let other = try await LabRouter(.syncgate, lab, on: lab[2], SegmentPlan(), priority: 50)
            try await lab.waitUntilHeld(address, by: lab[1])
            // Other people's addresses stay.
            #expect(try await lab.holds(lab[2], "198.51.100.177"))
            #expect(other.states == ["backup"])
            #expect(router.states == ["backup", "active"])
        }
    }

    @Test func `the winner of a healed split brain announces again`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let router = try await active(lab)
            let other = try await LabRouter(.syncgate, lab, on: lab[2], SegmentPlan(), priority: 50)
            let capture = try await PacketCapture(lab)
            try await lab.cut(lab[2])
            try await other.wait(for: "active")
            #expect(try await lab.holders(of: address) == [1, 2])
            let healed = WallTime.now
            try await lab.mend(lab[2])
            try await other.wait(for: "backup")
            try await lab.waitUntilHeld(address, by: lab[1])
            // Long before the rounds that follow its own takeover.
            try await waitUntil("announced by the winner", within: .seconds(1)) {
                try capture.packets().contains { $0.time > healed && $0.announced == address && $0.mac == lab[1].mac }
            }
            let heartbeats = Heartbeats(try await capture.stop().filter { $0.time > healed })
            #expect(heartbeats.longestContest(interval: .milliseconds(100)) < .milliseconds(250))
            #expect(router.states == ["backup", "active"])
        }
    }

    // MARK: - What they share

    /// A router at leaf 1, version 3 at 100 ms, with the address.
    private func active(_ lab: NetworkLab, preempts: Bool = true) async throws -> SyncgateRouter {
        var settings = SyncgateRouter.Settings()
        (settings.interval, settings.preempts) = ("100ms", preempts)
        let router = try await SyncgateRouter(lab, on: lab[1], settings)
        try await router.wait(for: "active")
        try await waitUntil("it holds the address") { try await lab.holds(lab[1], address) }
        return router
    }

    private func virtual(_ lab: NetworkLab) async throws -> [InterfaceAddress] {
        try await lab.addresses(in: lab[1]).filter { $0.address.hasPrefix("198.51.100.10") }
    }
}
