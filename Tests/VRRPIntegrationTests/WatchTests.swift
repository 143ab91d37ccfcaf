import Foundation
import NetworkLab
import RedisLab
import Testing

/// `syncgate vrrp watch` on a segment with real routers.
@Suite(
    .serialized,
    .enabled(
        if: Keepalived.isAvailable, Comment(rawValue: NetworkLab.whyUnavailable ?? Keepalived.whyUnavailable ?? "")))
struct WatchTests {
    @Test func `both makes are heard, with what they say`() async throws {
        try await withNetworkLab(leaves: 3) { lab in
            var plan = SegmentPlan()
            plan.interval = .milliseconds(200)
            _ = try await LabRouter(.keepalived, lab, on: lab[1], plan, priority: 120)
            var other = SegmentPlan()
            other.addresses = ["fe80::5:51/64", "2001:db8::100/64"]
            let second = try await LabRouter(.syncgate, lab, on: lab[2], other, priority: 90)
            try await second.wait(for: "active")
            try await lab.waitUntilHeld(plan.address, by: lab[1])
            let routers = try await watch(lab)
            #expect(routers.map { $0["family"] as? String } == ["ipv4", "ipv6"])
            #expect(routers.map { $0["sender"] as? String } == ["198.51.100.1", "fe80::2"])
            #expect(routers.map { $0["vrid"] as? Int } == [51, 51])
            #expect(routers.map { $0["version"] as? Int } == [3, 3])
            #expect(routers.map { $0["priority"] as? Int } == [120, 90])
            #expect(routers.map { $0["interval_ms"] as? Double } == [200, 100])
            #expect(
                routers.map { $0["addresses"] as? [String] } == [
                    ["198.51.100.100"], ["fe80::5:51", "2001:db8::100"],
                ])
            #expect(routers.map { $0["problems"] as? [String] } == [[], []])
        }
    }

    @Test func `two that are Active at the same time are a problem`() async throws {
        try await withNetworkLab(leaves: 3) { lab in
            var plan = SegmentPlan()
            _ = try await LabRouter(.keepalived, lab, on: lab[1], plan, priority: 120)
            // It does not hear of the other: it has a peer that is not there.
            (plan.isUnicast, plan.routers) = (true, [3])
            let second = try await LabRouter(.syncgate, lab, on: lab[2], plan, priority: 90)
            try await second.wait(for: "active")
            let routers = try await watch(lab)
            #expect(routers.count == 2)
            #expect(routers.contains { !($0["problems"] as? [String] ?? []).isEmpty })
        }
    }

    /// The routers of the last report.
    private func watch(_ lab: NetworkLab) async throws -> [[String: Any]] {
        let output = lab.file("watch.jsonl")
        let command = [SyncgateProcess.executable, "vrrp", "watch", "--interface", "eth0", "--format", "json"]
        let child = try await lab.start(command + ["--for", "1s", "--every", "500ms"], in: lab[3], log: output)
        try await waitUntil("watch ends", within: .seconds(10)) { !child.isRunning }
        #expect(child.exitCode == 0)
        let text = try String(contentsOfFile: output, encoding: .utf8)
        let line = try #require(text.split(separator: "\n").last, "\(text)")
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return try #require(object?["routers"] as? [[String: Any]], "\(text)")
    }
}
