import Foundation
import NetworkLab
import RedisLab
import Testing

/// Who leads, whoever starts first.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct StartTests {
    @Test(.timeLimit(.minutes(1)))
    func `an empty server that starts first does not lead one with data`() async throws {
        try await withPairLab { pair in
            try await Self.fill(pair[2].redis, "old")
            // Node 1 has the higher priority as well.
            try await pair[1].daemon.start()
            try await Task.sleep(for: .seconds(2))
            try #require(try await pair[2].redis.size() == 100)
            try await pair[2].daemon.start()
            try await waitUntil("node 1 has the data too", within: .seconds(30), pause: .milliseconds(100)) {
                try await pair[1].redis.size() == 100
            }
            try #require(try await pair[2].redis.size() == 100)
            try await pair.waitUntilServing(pair[2])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `two unrelated data sets are left alone until the operator decides`() async throws {
        try await withPairLab { pair in
            try await Self.fill(pair[1].redis, "one")
            try await Self.fill(pair[2].redis, "two")
            for node in pair.nodes { try await node.daemon.start() }
            for node in pair.nodes { try await pair.waitForStatus(node, "unrelated_data_sets") }
            try await Task.sleep(for: .seconds(1))
            try #require(try await pair.lab.holders(of: pair.address) == [])
            for (node, word) in zip(pair.nodes, ["one", "two"]) {
                try #require(try await node.redis.ask(["EXISTS", "\(word):7"]) == .integer(1))
            }
            // On node 2, as its operator would.
            let promotion = try await pair.lab.start(
                [SyncgateProcess.executable, "promote", "--local", "redis://127.0.0.1:6379", "--force"],
                in: pair[2].leaf, log: pair.lab.file("promote"))
            await promotion.waitForExit()
            // 4: done, and what the other server holds is not in it.
            try #require([0, 4].contains(promotion.exitCode))
            // Which node serves is a matter of the election, with whose data is not.
            try await waitUntil("node 2's data leads", within: .seconds(20), pause: .milliseconds(100)) {
                // Who follows disconnects all clients, and so perhaps this one.
                (try? await pair[1].redis.ask(["EXISTS", "two:7"])) == .integer(1)
            }
            try await waitUntil("one serves", within: .seconds(20), pause: .milliseconds(100)) {
                try await pair.lab.holders(of: pair.address).count == 1
            }
            for node in pair.nodes {
                try #require(try await node.redis.ask(["EXISTS", "two:7"]) == .integer(1))
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `two unrelated masters: what status says next ends it, and the other data is kept`() async throws {
        try await withPairLab { pair in
            for (node, word) in zip(pair.nodes, ["one", "two"]) {
                try await Self.fill(node.redis, word)
                try await node.redis.ask(["SLAVEOF", "NO", "ONE"])
            }
            for node in pair.nodes { try await node.daemon.start() }
            for node in pair.nodes { try await pair.waitForStatus(node, "unrelated_data_sets") }
            // Promoting a master is nothing that anybody could see.
            let promotion = try await Self.run(["promote"], on: pair[2], pair)
            try #require(promotion == 0)
            let status = try await pair[1].daemon.command(["status"])
            try #require(
                status.output.contains("keep the other node's, run 'syncgate demote --config --force' here"),
                "\(status.output)")
            // 4: done, and what is not in the other data set is lost there.
            try #require(try await Self.run(["demote"], on: pair[1], pair) == 4)
            // Which node serves is a matter of the election, with whose data is not.
            _ = try await pair.waitUntilSettled()
            for node in pair.nodes {
                try #require(try await node.redis.ask(["EXISTS", "two:7"]) == .integer(1))
                try #require(try await node.redis.ask(["EXISTS", "one:7"]) == .integer(0))
            }
            let kept = try FileManager.default.contentsOfDirectory(atPath: pair[1].daemon.salvageDirectory)
            try #require(kept.count { $0.hasSuffix(".rdb") } == 1, "\(kept)")
        }
    }

    /// A command with `--config --force`, as the operator of a node gives it. Returns its exit code.
    private static func run(_ command: [String], on node: PairLab.Node, _ pair: PairLab) async throws -> Int32? {
        let child = try await pair.lab.start(
            [SyncgateProcess.executable] + command + ["--config", node.daemon.file, "--force"], in: node.leaf,
            log: pair.lab.file("command"))
        await child.waitForExit()
        return child.exitCode
    }

    /// A server that had data before there was a daemon, and was restarted with the boot fence.
    private static func fill(_ redis: LabRedis, _ word: String) async throws {
        try await redis.ask(["SLAVEOF", "NO", "ONE"])
        try await redis.fill(100, word: word)
        try await redis.ask(["SLAVEOF", "127.0.0.1", "1"])
    }
}
