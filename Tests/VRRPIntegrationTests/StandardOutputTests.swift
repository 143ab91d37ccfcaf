import Foundation
import NetworkLab
import RedisLab
import Testing

/// Who reads what `syncgate vrrp` prints has no say in who is Active. And interfaces that are changed in rarer ways.
@Suite(.serialized, .enabled(if: NetworkLab.isAvailable, Comment(rawValue: NetworkLab.whyUnavailable ?? "")))
struct StandardOutputTests {
    private let address = "198.51.100.100"
    private let command =
        "\(SyncgateProcess.executable) vrrp --interface eth0 --vrid 51 --address 198.51.100.100/24 --interval 100ms"

    @Test(arguments: [" | head -n 1", " | true", " >&- 2>&- <&-"])
    func `the router goes on when its output is not wanted`(_ output: String) async throws {
        try await withNetworkLab(leaves: 1) { lab in
            _ = try await lab.start(["sh", "-c", command + output], in: lab[1], log: lab.file("log"))
            try await lab.waitUntilHeld(address, by: lab[1])
            try await Task.sleep(for: .seconds(5))
            // Its lifetime is 3 s.
            try await lab.waitUntilHeld(address, by: lab[1])
        }
    }

    @Test(arguments: [false, true])
    func `a reader that reads nothing does not hold up the end`(_ isWatching: Bool) async throws {
        try await withNetworkLab(leaves: 1) { lab in
            let pid = lab.file("pid")
            let program = isWatching ? "\(SyncgateProcess.executable) vrrp watch --interface eth0" : command
            // A pipe takes 64 KiB.
            let shell = "sh -c 'echo $$ >\(pid); head -c 65536 /dev/zero; exec \(program)' | sleep 1000"
            _ = try await lab.start(["sh", "-c", shell], in: lab[1], log: lab.file("log"))
            if !isWatching { try await lab.waitUntilHeld(address, by: lab[1]) }
            try await Task.sleep(for: .seconds(2))
            let id = try #require(Int32(String(contentsOfFile: pid, encoding: .utf8).dropLast()))
            kill(id, SIGTERM)
            try await waitUntil("it has ended") { kill(id, 0) != 0 }
        }
    }

    /// Its numbers are what is taken as a time: `advert_int 20.01` of keepalived.
    @Test(arguments: ["40.95s", "20.01s", "0.07s"])
    func `an interval may be a decimal fraction`(_ interval: String) async throws {
        try await withNetworkLab(leaves: 1) { lab in
            var settings = SyncgateRouter.Settings()
            settings.interval = interval
            let router = try await SyncgateRouter(lab, on: lab[1], settings)
            #expect(await router.stop() == 0)
        }
    }

    /// Below 1280 bytes the kernel ends IPv6 on the interface, and all membership in groups with it, for good.
    @Test func `one whose MTU was too small for IPv6 hears again`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            var settings = SyncgateRouter.Settings()
            (settings.addresses, settings.interval, settings.priority) = (["2001:db8::100/64"], "100ms", 150)
            let first = try await SyncgateRouter(lab, on: lab[1], settings)
            try await first.wait(for: "active")
            settings.priority = 100
            let second = try await SyncgateRouter(lab, on: lab[2], settings)
            try await second.wait(for: "backup")
            try await lab.run(["ip", "link", "set", "eth0", "mtu", "1200"], in: lab[2])
            try await second.wait(for: "initialize")
            try await lab.run(["ip", "link", "set", "eth0", "mtu", "1500"], in: lab[2])
            try await second.wait(for: "backup")
            // More than it waits for an advertisement.
            try await Task.sleep(for: .seconds(1))
            #expect(second.states == ["backup", "initialize", "backup"])
            try await lab.waitUntilHeld("2001:db8::100", by: lab[1])
        }
    }
}
