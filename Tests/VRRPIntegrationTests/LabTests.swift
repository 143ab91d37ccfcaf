import Foundation
import NetworkLab
import RedisLab
import Testing

/// Skipped tests are easily overlooked: on CI there is a lab.
@Suite struct LabAvailabilityTests {
    @Test func `CI has a lab, and keepalived`() {
        guard ProcessInfo.processInfo.environment["CI"] == "true" else { return }
        #expect(NetworkLab.whyUnavailable == nil)
        #expect(Keepalived.whyUnavailable == nil)
    }
}

/// The lab itself, without SyncGate: what it builds, how its wires are cut, and keepalived against keepalived.
@Suite(.serialized, .enabled(if: NetworkLab.isAvailable, Comment(rawValue: NetworkLab.whyUnavailable ?? "")))
struct LabTests {
    @Test func `leaves have their addresses at once, and reach each other`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let addresses = try await lab.addresses(in: lab[2])
            #expect(
                addresses.map { "\($0.address)/\($0.prefixLength) \($0.interface)" } == [
                    "198.51.100.2/24 eth0", "2001:db8::2/64 eth0", "fe80::2/64 eth0",
                ])
            #expect(addresses.map(\.hasNoDetection) == [false, true, true])
            #expect(addresses.map(\.lifetime) == [nil, nil, nil])
            try await reach(lab)
        }
    }

    @Test func `everything is gone afterwards, also when the test fails`() async throws {
        struct Failure: Error {}
        var directory = ""
        await #expect(throws: Failure.self) {
            try await withNetworkLab(leaves: 1) { lab in
                directory = lab.directory
                _ = try await lab.start(["sleep", "1000"], in: lab[1], log: lab.file("log"))
                throw Failure()
            }
        }
        #expect(!FileManager.default.fileExists(atPath: directory))
        let names = try FileManager.default.contentsOfDirectory(atPath: "/run/netns")
        #expect(names.filter { $0.hasPrefix("sg\(getpid()).") } == [])
    }

    @Test func `what a dead process left is removed, and nothing else`() async throws {
        let folder = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(folder) }
        let child = try await ChildProcess.start(path: "/bin/true", arguments: [], log: "\(folder)/log")
        await child.waitForExit()
        let ip = "/usr/sbin/ip"
        let names = ["sg\(child.id).1-node1", "sgother\(child.id)", "sg\(getpid()).0-mine"]
        for name in names { try await ChildProcess.run(ip, ["netns", "add", name], log: "\(folder)/log") }
        try await withNetworkLab(leaves: 1) { _ in
            let found = try FileManager.default.contentsOfDirectory(atPath: "/run/netns")
            #expect(names.map(found.contains) == [false, true, true])
        }
        for name in names.dropFirst() { try await ChildProcess.run(ip, ["netns", "del", name], log: "\(folder)/log") }
    }

    @Test(arguments: NetworkLab.Cut.allCases)
    func `a cut leaf is cut off as it is said to be, and comes back`(_ how: NetworkLab.Cut) async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let capture = try await PacketCapture(lab, on: lab[1])
            try await announce(lab, from: 2)
            try await waitUntil("the first") { try heard(capture, "198.51.100.2") == 1 }
            try await lab.cut(lab[1], how)
            // The second is lost, and the third shows that it is lost for good.
            try await announce(lab, from: 2)
            try await announce(lab, from: 1)
            let isUp = try await lab.run(["ip", "link", "show", "eth0"], in: lab[1]).contains("LOWER_UP")
            #expect(isUp == (how == .silent || how == .deaf))
            try await lab.mend(lab[1], how)
            try await waitUntil("the way is free again") {
                try await announce(lab, from: 2)
                return try heard(capture, "198.51.100.2") >= 2
            }
            #expect(try heard(capture, "198.51.100.2") == 2)
            #expect(try await lab.addresses(in: lab[1]).count == 3)
        }
    }

    @Test func `what a deaf leaf says is heard`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let capture = try await PacketCapture(lab, on: lab[2])
            try await lab.cut(lab[1], .deaf)
            try await announce(lab, from: 1)
            try await waitUntil("heard") { try heard(capture, "198.51.100.1") == 1 }
        }
    }

    @Test func `an interface goes and comes back`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            try await lab.unplug(lab[1])
            #expect(try await lab.addresses(in: lab[1]) == [])
            try await lab.plug(lab[1])
            #expect(try await lab.addresses(in: lab[1]).count == 3)
            try await reach(lab)
        }
    }

    @Test func `addresses are noted as they come and go`() async throws {
        try await withNetworkLab(leaves: 1) { lab in
            let log = try await lab.watchAddresses(in: lab[1])
            let before = WallTime.now
            try await lab.run(["ip", "addr", "add", "198.51.100.100/32", "dev", "eth0"], in: lab[1])
            try await lab.run(["ip", "addr", "del", "198.51.100.100/32", "dev", "eth0"], in: lab[1])
            try await waitUntil("two changes") { log.changes.count { $0.address == "198.51.100.100" } == 2 }
            let spans = log.spans(of: "198.51.100.100")
            #expect(spans.count == 1)
            #expect(spans[0].from > before)
            #expect(try #require(spans[0].to) > spans[0].from)
            #expect(try #require(spans[0].to) < .now)
        }
    }

    @Test func `a program of nobody's has two capabilities, and dies with the lab`() async throws {
        try await withNetworkLab(leaves: 1) { lab in
            let log = lab.file("status")
            let child = try await lab.start(["cat", "/proc/self/status"], in: lab[1], as: .nobody, log: log)
            await child.waitForExit()
            let status = try String(contentsOfFile: log, encoding: .utf8)
            // CAP_NET_ADMIN is bit 12, CAP_NET_RAW 13.
            for field in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                #expect(status.contains("\(field):\t0000000000003000"))
            }
            #expect(status.contains("Uid:\t65534"))
        }
    }

    @Test func `a surrendered leaf belongs to nobody's user namespace`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            try await lab.surrender(lab[1])
            #expect(try await lab.addresses(in: lab[1]).map(\.address) == ["198.51.100.1", "2001:db8::1", "fe80::1"])
            let log = lab.file("status")
            let child = try await lab.start(
                ["sh", "-c", "cat /proc/self/uid_map; ip addr add 198.51.100.77/32 dev eth0"], in: lab[1], log: log)
            await child.waitForExit()
            #expect(child.exitCode == 0)
            let map = try String(contentsOfFile: log, encoding: .utf8).split(whereSeparator: \.isWhitespace)
            #expect(map == ["0", "65534", "1"])
            #expect(try await lab.holds(lab[1], "198.51.100.77"))
        }
    }

    // MARK: - What they share

    /// Each announces itself once to the other.
    private func reach(_ lab: NetworkLab) async throws {
        let captures = [try await PacketCapture(lab, on: lab[1]), try await PacketCapture(lab, on: lab[2])]
        for number in [1, 2] { try await announce(lab, from: number) }
        try await waitUntil("both were heard") {
            try heard(captures[0], "198.51.100.2") == 1 && heard(captures[1], "198.51.100.1") == 1
        }
    }

    private func heard(_ capture: PacketCapture, _ address: String) throws -> Int {
        try capture.packets().count { $0.announced == address }
    }

    /// Broadcasts one gratuitous ARP, if that is possible.
    private func announce(_ lab: NetworkLab, from number: Int) async throws {
        let leaf = lab[number]
        let code = """
            import socket
            mac, ip = bytes.fromhex("\(leaf.mac)".replace(":", "")), socket.inet_aton("\(leaf.ipv4)")
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            try:
                s.bind(("eth0", 0))
                s.send(b"\\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + ip + bytes(6) + ip)
            except OSError: pass
            """
        try await lab.run(["python3", "-c", code], in: leaf)
    }
}
