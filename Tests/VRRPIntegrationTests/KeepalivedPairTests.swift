import NetworkLab
import Testing

/// keepalived against keepalived: that the lab measures what is there, before SyncGate takes part.
@Suite(
    .serialized,
    .enabled(
        if: Keepalived.isAvailable, Comment(rawValue: NetworkLab.whyUnavailable ?? Keepalived.whyUnavailable ?? "")))
struct KeepalivedPairTests {
    private let address = "198.51.100.100"

    @Test func `the survivor takes over after the Active Down Interval`() async throws {
        try await withPair { lab, keepalived, capture in
            await keepalived[0].kill()
            try await waitUntil("the other is Active") { keepalived[1].states.last == "MASTER" }
            let packets = Heartbeats(try await capture.stop())
            #expect(packets.senders == ["198.51.100.1", "198.51.100.2"])
            #expect(packets.resignations(of: "198.51.100.1") == [])
            // 3 x 100 ms + (256 - 100) x 100 ms / 256
            let takeover = try #require(packets.takeover(from: "198.51.100.1", to: "198.51.100.2"))
            #expect(takeover >= .microseconds(360_900))
            #expect(takeover < .milliseconds(460))
            #expect(packets.packets.allSatisfy { $0.heartbeat.hopLimit == 255 && $0.heartbeat.version == 3 })
            #expect(Set(packets.packets.map(\.heartbeat.destination)) == ["224.0.0.18"])
            // A dead keepalived leaves its address.
            #expect(try await lab.holders(of: address) == [1, 2])
        }
    }

    @Test func `one that is stopped hands over at once`() async throws {
        try await withPair { lab, keepalived, capture in
            await keepalived[0].stop()
            try await lab.waitUntilHeld(address, by: lab[2])
            let packets = try await capture.stop()
            let heartbeats = Heartbeats(packets)
            #expect(heartbeats.resignations(of: "198.51.100.1").count == 1)
            // The skew: (256 - 100) x 100 ms / 256
            let takeover = try #require(heartbeats.takeover(from: "198.51.100.1", to: "198.51.100.2"))
            #expect(takeover >= .microseconds(60_900))
            #expect(takeover < .milliseconds(160))
            #expect(heartbeats.longestContest(interval: .milliseconds(100)) == .zero)
            #expect(packets.contains { $0.announced == address && $0.mac == lab[2].mac })
        }
    }

    @Test func `two that cannot hear each other are both Active, until they can`() async throws {
        try await withPair { lab, keepalived, capture in
            try await lab.cut(lab[1])
            try await waitUntil("both") { try await lab.holders(of: address) == [1, 2] }
            try await lab.mend(lab[1])
            try await lab.waitUntilHeld(address, by: lab[1])
            #expect(keepalived[1].states == ["BACKUP", "MASTER", "BACKUP"])
            #expect(keepalived.flatMap(\.complaints) == [])
        }
    }

    /// keepalived says so when it gets packets that it does not like: without this test, "no complaints" proves little.
    @Test(arguments: [
        (HostileFlood.Kind.wrongHopLimit, 3, "invalid TTL/HL"), (.badChecksum, 3, "checksum"),
        (.truncated, 3, "too short"),
        (.wrongPassword, 2, "invalid passwd"), (.badChecksum, 2, "checksum"),
    ])
    func `its complaints are heard`(_ kind: HostileFlood.Kind, _ version: UInt8, _ text: String) async throws {
        try await withNetworkLab(leaves: 2) { lab in
            var instance = Keepalived.Instance()
            instance.version = Int(version)
            instance.password = version == 2 ? "secret" : nil
            let keepalived = try await Keepalived(lab, on: lab[1], instance)
            #expect(keepalived.complaints == [])
            var target = HostileFlood.Target()
            target.version = version
            target.wireInterval = version == 2 ? 1 : 100
            target.password = version == 2 ? "secret" : nil
            let flood = try await HostileFlood(lab, from: lab[2], kinds: [kind], at: target, packetsPerSecond: 100)
            try await waitUntil("\(text): \(keepalived.log)") { keepalived.complaints.contains { $0.contains(text) } }
            _ = try await flood.stop()
        }
    }

    /// Two of version 3 at 100 ms; the first is Active and holds the address.
    private func withPair(
        _ body: (NetworkLab, [Keepalived], PacketCapture) async throws -> Void
    ) async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let capture = try await PacketCapture(lab)
            var instance = Keepalived.Instance()
            instance.interval = "0.1"
            instance.priority = 150
            let first = try await Keepalived(lab, on: lab[1], instance)
            instance.priority = 100
            let second = try await Keepalived(lab, on: lab[2], instance)
            try await lab.waitUntilHeld(address, by: lab[1])
            try await waitUntil("it is heard") { try Heartbeats(capture.packets()).times(of: "198.51.100.1").count > 3 }
            try await body(lab, [first, second], capture)
        }
    }
}
