import Foundation
import RedisClient
import RedisLab
import Salvage
import Testing

/// `syncgate salvage replay --only-missing`, and whom a file is not replayed to.
@Suite(.serialized)
struct SalvageMissingTests {
    typealias Files = SalvageFiles

    /// Makes the replica a master, lets the old one write the given commands, and saves them as a file.
    private func lost(_ pair: RedisPair, _ files: Files, _ commands: [[String]]) async throws -> String {
        try await RedisPair.wait("the replica has all") {
            let (old, new) = (try await RedisPair.info(pair.master), try await RedisPair.info(pair.replica))
            return old["master_repl_offset"] == new["slave_repl_offset"]
        }
        try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
        let old = try await RedisPair.info(pair.master)
        let new = try await RedisPair.info(pair.replica)
        let from = try #require(Int64(new["second_repl_offset"] ?? ""))
        #expect(new["master_replid2"] == old["master_replid"])
        // The bytes as the old master has them, but for its PINGs.
        var bytes = Files.resp("SELECT", "0")
        for command in commands {
            try await RedisPair.send(command, to: pair.master)
            bytes += Files.resp(command.map { Array($0.utf8) })
        }
        return try files.write(
            bytes, commands: Int64(commands.count), from: from, history: old["master_replid"] ?? "")
    }

    /// Removes the markers of finished replays.
    private func forget(_ server: RedisServer) async throws {
        guard case .array(let names) = try await server.replies(["KEYS", "syncgate:*"])[0] else { return }
        for name in names { try await RedisPair.send(["DEL", name.text ?? ""], to: server) }
    }

    @Test(
        "by the new master's backlog: what it has written since is left out", arguments: SalvageReplayTests.withHistory)
    func backlog(version: RedisVersion) async throws {
        try await withPair(version, keys: 4) { pair in
            try await Files.with { files in
                let name = try await lost(
                    pair, files,
                    [
                        ["SET", "key:0", "old"], ["SET", "key:1", "old"], ["INCR", "n"],
                        ["MSET", "key:2", "old", "m", "old"],
                        ["PUBLISH", "c", "x"], ["INCR", "n"], ["DEL", "key:3"],
                    ])
                for command in [
                    ["SET", "key:0", "new"], ["SET", "m", "new"], ["DEL", "key:3"], ["SET", "key:3", "new"],
                ] {
                    try await RedisPair.send(command, to: pair.replica)
                }
                let outcome = try await files.replay(name, to: pair.replica, ["--only-missing"])
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                #expect((outcome.json("rule") as? String)?.contains("backlog") == true)
                #expect(
                    outcome.json("skipped") as? Int == 4 && outcome.json("applied") as? Int == 3, "\(outcome.output)")
                for (key, value) in [
                    ("key:0", "new"), ("key:1", "old"), ("key:2", "value"), ("m", "new"), ("key:3", "new"), ("n", "2"),
                ] {
                    #expect(try await pair.replica.text(["GET", key]) == value, "\(key)")
                }
                #expect(try await pair.replica.markers() == 1)
                // What a replay has written is no change that anybody else has made.
                try await forget(pair.replica)
                let again = try await files.replay(name, to: pair.replica, ["--only-missing", "--dry-run"])
                #expect(again.json("skipped") as? Int == 4, "\(again.output)")
                // A FLUSHALL changes everything.
                try await RedisPair.send(["FLUSHALL"], to: pair.replica)
                let flushed = try await files.replay(name, to: pair.replica, ["--only-missing"])
                #expect(flushed.exitCode == 0 && flushed.json("skipped") as? Int == 7, "\(flushed.output)")
                #expect((flushed.json("rule") as? String)?.contains("FLUSHALL") == true)
            }
        }
    }

    @Test("what was left out takes what builds on it along")
    func base() async throws {
        try await withPair(.v7_0, keys: 2) { pair in
            try await Files.with { files in
                let name = try await lost(
                    pair, files,
                    [
                        ["RENAME", "key:0", "moved"], ["APPEND", "moved", "+"], ["APPEND", "key:1", "+"],
                        ["EVAL", "redis.call('INCR', KEYS[1])", "1", "counted"], ["INCR", "counted"],
                        ["INCR", "other"],
                    ])
                try await RedisPair.send(["SET", "key:0", "new"], to: pair.replica)
                let outcome = try await files.replay(name, to: pair.replica, ["--only-missing"])
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                #expect(
                    outcome.json("skipped") as? Int == 4 && outcome.json("applied") as? Int == 2, "\(outcome.output)")
                for (key, value) in [
                    ("key:0", "new"), ("moved", nil), ("key:1", "value+"), ("counted", nil), ("other", "1"),
                ] as [(String, String?)] {
                    #expect(try await pair.replica.text(["GET", key]) == value, "\(key)")
                }
            }
        }
    }

    @Test(
        "interrupted, it leaves out the same ones, and only with the same option",
        arguments: [RedisVersion.v6_2, .v8_2])
    func resumed(version: RedisVersion) async throws {
        try await withPair(version, keys: 1) { pair in
            try await Files.with { files in
                var writes: [[String]] = []
                for _ in 0..<2000 { writes += [["INCR", "n"], ["INCR", "changed"]] }
                let name = try await lost(pair, files, writes)
                try await RedisPair.send(["SET", "changed", "0"], to: pair.replica)
                let slowly = ["--only-missing", "--batch", "1"]
                let run = try await SyncgateProcess.start(files.replaying(name, to: pair.replica, slowly))
                try await RedisPair.wait("some writes") { try await pair.replica.text(["GET", "n"]) ?? "" > "1" }
                run.signal(SIGKILL)
                _ = await run.wait()
                let half = Int(try await pair.replica.text(["GET", "n"]) ?? "") ?? 0
                #expect(half > 0 && half < 2000)
                let plain = try await files.replay(name, to: pair.replica)
                #expect(plain.exitCode == 1 && plain.errors.contains("go on with it"), "\(plain.errors)")
                // Clients go on meanwhile: this was decided before.
                try await RedisPair.send(["INCR", "n"], to: pair.replica)
                let outcome = try await files.replay(name, to: pair.replica, ["--only-missing"])
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                #expect(try await pair.replica.text(["GET", "n"]) == "2001")
                #expect(try await pair.replica.text(["GET", "changed"]) == "0")
                #expect(try await pair.replica.markers() == 1)
            }
        }
    }

    @Test("by what is there, and by idle times", arguments: [RedisVersion.v2_8, .v7_0, .v8_2])
    func idle(version: RedisVersion) async throws {
        let bytes =
            Files.resp("SET", "old", "lost") + Files.resp("SET", "used", "lost") + Files.resp("SET", "gone", "lost")
            + Files.resp("SET", "gone", "lost2") + Files.resp("PUBLISH", "c", "m")
            + Files.resp("SET", "shared", "lost")
        try await withRedisServer(version) { server in
            try await Files.with { files in
                let name = try files.write(bytes, commands: 6)
                _ = try await server.replies(["SET", "old", "one"], ["SET", "used", "two"], ["SET", "shared", "7"])
                let dry = ["--only-missing", "--dry-run"]
                let there = try await files.replay(name, to: server, dry)
                #expect(there.exitCode == 0 && there.json("applied") as? Int == 2, "\(there.output) \(there.errors)")
                #expect((there.json("rule") as? String)?.contains("--since") == true)
                try await Task.sleep(for: .seconds(14))
                _ = try await server.replies(["GET", "used"])
                let since = Date.now.formatted(.iso8601)
                let outcome = try await files.replay(name, to: server, ["--only-missing", "--since", since])
                #expect(
                    outcome.exitCode == 0 && outcome.json("applied") as? Int ?? 0 >= 3,
                    "\(outcome.output) \(outcome.errors)")
                #expect(try await server.text(["GET", "old"]) == "lost")
                #expect(try await server.text(["GET", "used"]) == "two")
                // Redis 8 does not share small numbers between keys, and knows the idle time.
                let shared = try await server.text(["GET", "shared"])
                #expect(shared == "7" || version >= .v8_2)
                #expect(try await server.text(["GET", "gone"]) == "lost2")
                guard version >= .v7_0 else { return }
                try await forget(server)
                try await RedisPair.send(["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"], to: server)
                let blind = try await files.replay(name, to: server, ["--only-missing", "--since", since])
                #expect(blind.exitCode == 1 && blind.errors.contains("LFU"), "\(blind.errors)")
            }
        }
    }

    @Test(
        "not to a replica, to a cluster's node, to one that holds the writes, or to nobody",
        arguments: SalvageReplayTests.versions)
    func refused(version: RedisVersion) async throws {
        try await withPair(version, keys: 5) { pair in
            try await Files.with { files in
                let name = try files.write(Files.resp("INCR", "n"), commands: 1)
                let replica = try await files.replay(name, to: pair.replica)
                #expect(replica.exitCode == 1 && replica.errors.contains("it is a replica of"), "\(replica.errors)")
                for number in 0..<9 { try await RedisPair.send(["SET", "more", "\(number)"], to: pair.master) }
                let info = try await RedisPair.info(pair.master)
                let id = info["master_replid"] ?? info["run_id"] ?? ""
                let own = try files.write(Files.resp("INCR", "n"), commands: 1, from: 20, history: id)
                let held = try await files.replay(own, to: pair.master)
                // Before Redis 4 a server says nothing of what it holds.
                let reason =
                    version < .v5_0 ? "nobody can tell whether it still has them" : "holds these writes already"
                #expect(held.exitCode == 1 && held.errors.contains(reason), "\(held.errors)")
                #expect(try await pair.master.text(["GET", "n"]) == nil)
                await pair.master.kill()
                #expect(try await files.replay(name, to: pair.master).exitCode == 3)
            }
        }
        guard version >= .v7_0 else { return }
        try await withRedisServer(version, arguments: ["--cluster-enabled", "yes"]) { server in
            try await Files.with { files in
                let outcome = try await files.replay(try files.write(Files.resp("INCR", "n"), commands: 1), to: server)
                #expect(outcome.exitCode == 1 && outcome.errors.contains("Cluster"), "\(outcome.errors)")
            }
        }
    }

    @Test("what the server has from its replication is not sent again", arguments: [RedisVersion.v7_0])
    func partlyHeld(version: RedisVersion) async throws {
        try await withPair(version, keys: 1) { pair in
            try await Files.with { files in
                for number in 0..<9 { try await RedisPair.send(["SET", "more", "\(number)"], to: pair.master) }
                _ = try await lost(pair, files, [["INCR", "x"]])
                let info = try await RedisPair.info(pair.replica)
                let end = try #require(Int64(info["second_repl_offset"] ?? ""))
                let command = Files.resp("INCR", "n")
                // Two commands before the fork, two behind it.
                let name = try files.write(
                    command + command + command + command, commands: 4, from: end - 2 * Int64(command.count),
                    history: info["master_replid2"] ?? "")
                let outcome = try await files.replay(name, to: pair.replica)
                #expect(outcome.json("held") as? Int == 2 && outcome.json("applied") as? Int == 2, "\(outcome.output)")
                #expect(try await pair.replica.text(["GET", "n"]) == "2")
            }
        }
    }

    @Test("files that cannot be replayed, and databases that are not known")
    func badFiles() async throws {
        try await withRedisServer(.v7_0) { server in
            try await Files.with { files in
                let unknown = try files.write(
                    Files.resp("INCR", "a") + Files.resp("SELECT", "2") + Files.resp("INCR", "b"), commands: 2,
                    database: nil)
                let asked = try await files.replay(unknown, to: server)
                #expect(asked.exitCode == 2 && asked.errors.contains("--database N"), "\(asked.errors)")
                #expect(try await files.replay(unknown, to: server, ["--database", "4"]).exitCode == 0)
                #expect(try await server.replies(["SELECT", "4"], ["GET", "a"])[1].text == "1")
                #expect(try await server.replies(["SELECT", "2"], ["GET", "b"])[1].text == "1")
                let many = try await files.replay(unknown, to: server, ["--database", "16"])
                #expect(many.exitCode == 1 && many.errors.contains("database 16"), "\(many.errors)")
                let edited = try files.write(Files.resp("INCR", "a"), commands: 2, from: 500)
                #expect(try await files.replay(edited, to: server).exitCode == 1)
                #expect(try await files.replay(edited, to: server, ["--database", "1"]).exitCode == 1)
                let cut = try files.write(Files.resp("MULTI") + Files.resp("INCR", "cut"), commands: 1, from: 600)
                let damaged = try await files.replay(cut, to: server)
                #expect(damaged.exitCode == 1 && damaged.errors.contains("no EXEC"), "\(damaged.errors)")
                try Data("REDIS0009".utf8).write(to: URL(fileURLWithPath: "\(files.folder)/a.rdb"))
                let snapshot = try await files.replay("a.rdb", to: server)
                #expect(snapshot.exitCode == 2 && snapshot.errors.contains("--dbfilename a.rdb"), "\(snapshot.errors)")
                #expect(try await files.replay("missing.resp", to: server).exitCode == 2)
                #expect(
                    try await server.replies(["DBSIZE"])[0] == .integer(1), "the marker of the one that was replayed")
            }
        }
    }
}
