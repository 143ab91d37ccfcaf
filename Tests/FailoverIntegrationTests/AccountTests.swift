import Foundation
import NetworkLab
import RedisLab
import Testing

/// What a failover has lost: a bound at once, and exactly as soon as the old master is back, on both nodes.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct AccountTests {
    /// Before Redis 4 nothing but the remembered promotion tells what the new master lacks.
    static let versions = [RedisVersion.v7_0, .v2_8].filter { $0.serverPath != nil }

    /// An object of the last entries of a node's history, where there is just one.
    private func only(_ key: String, _ node: PairLab.Node) async throws -> [String: Any]? {
        let outcome = try await node.daemon.command(["history", "--format", "json"])
        let entries = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]] ?? []
        let found = entries.compactMap { $0[key] as? [String: Any] }
        #expect(found.count <= 1, "\(outcome.output)")
        return found.first
    }

    /// The numbers of a node's promotions.
    private func promotions(_ node: PairLab.Node) async throws -> [Int] {
        let outcome = try await node.daemon.command(["history", "--format", "json"])
        let entries = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]] ?? []
        return entries.compactMap { $0["epoch"] as? Int }
    }

    /// What `syncgate salvage list` says of a node's folder.
    private func listed(_ node: PairLab.Node) async throws -> [[String: Any]] {
        let outcome = try await SyncgateProcess.run([
            "salvage", "list", "--salvage-dir", node.daemon.salvageDirectory, "--format", "json",
        ])
        return try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]] ?? []
    }

    @Test(.timeLimit(.minutes(1)), arguments: [RedisVersion.v7_0])
    func `the snapshot of a Redis that was restarted names the promotion too`(_ version: RedisVersion) async throws {
        var settings = PairLab.Settings(version)
        settings.redis.keepsData = true
        settings.redis.more = ["appendfsync always"]
        try await withPairLab(settings) { pair in
            let (one, two) = (pair[1], pair[2])
            try await pair.start()
            // The standby has asked its master meanwhile.
            try await Task.sleep(for: .seconds(2))
            try await pair.lab.cut(one.leaf, .cable)
            try await pair.waitUntilServing(two, isFollowed: false)
            _ = try await one.redis.ask(["SET", "lost", "x"])
            await one.redis.kill()
            try await one.redis.start()
            try await pair.lab.mend(one.leaf, .cable)
            try await waitUntil("a snapshot is kept: \(one.daemon.text)") {
                try await listed(one).contains { $0["kind"] as? String == "snapshot" && $0["problem"] is NSNull }
            }
            let epoch = try #require(try await promotions(two).last)
            let files = try await listed(one)
            #expect(files.map { $0["epoch"] as? Int } == [epoch], "\(files)")
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: versions)
    func `what an old master alone holds is saved and counted, and amends the account of the promotion`(
        _ version: RedisVersion
    ) async throws {
        try await withPairLab(PairLab.Settings(version)) { pair in
            let (one, two) = (pair[1], pair[2])
            try await pair.start()
            let startedAt = WallTime.now
            // The standby has asked its master meanwhile.
            try await Task.sleep(for: .seconds(2))
            try await pair.lab.cut(one.leaf, .cable)
            try await pair.waitUntilServing(two, isFollowed: false)
            let writtenAt = WallTime.now
            for number in 0..<10 { _ = try await one.redis.ask(["SET", "lost\(number)", "x"]) }
            try await pair.lab.mend(one.leaf, .cable)
            try await pair.waitForStatus(one, "standby")
            try await waitUntil("the account is amended: \(one.daemon.text)\n\(two.daemon.text)") {
                try await only("amendment", two) != nil
            }
            let account = try #require(try await only("account", one))
            let amendment = try #require(try await only("amendment", two))
            #expect(account["commands"] as? Int == 10)
            #expect(amendment["commands"] as? Int == 10)
            #expect(amendment["bytes"] as? Int == account["bytes"] as? Int)
            let kept = try #require(account["kept"] as? [String])
            #expect(kept.count == 1 && kept.allSatisfy { $0.hasSuffix(".resp") })
            #expect(one.daemon.text.contains("it will do a full resync of about "), "\(one.daemon.text)")
            let file = try #require(try await listed(one).first)
            let epoch = try #require(try await promotions(two).last)
            #expect(file["epoch"] as? Int == epoch, "\(file)")
            let after = try #require(WallTime(file["written_after"] as? String ?? ""), "\(file)")
            #expect(after > startedAt && after < writtenAt, "\(startedAt) \(file) \(writtenAt)")
            #expect(try #require(WallTime(file["time"] as? String ?? "")) > writtenAt, "\(file)")
            // It is said once, also when a daemon comes back.
            await two.daemon.kill()
            try await two.daemon.start()
            try await pair.waitForStatus(two, "standby")
            try await Task.sleep(for: .seconds(2))
            #expect(two.daemon.text.components(separatedBy: "is known now").count == 2, "\(two.daemon.text)")
        }
    }
}
