import Glibc
import RedisClient
import RedisLab
import Testing

/// What `syncgate promote` refuses: exit code 1, one clear line, and nothing changed.
@Suite(.serialized)
struct RefusalTests {
    /// Runs a promotion that must be refused, and compares the pair before and after.
    private func expectRefusal(
        _ pair: RedisPair, _ arguments: [String] = [], saying words: String, code: Int32 = 1
    ) async throws {
        let before = try await pair.fingerprint()
        let outcome = try await pair.promote(arguments)
        #expect(outcome.exitCode == code, "\(outcome.output)")
        #expect(outcome.json("result") as? String == "refused")
        #expect(outcome.errors.contains(words), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
        #expect(try await pair.fingerprint() == before)
        try await pair.expectWritable(pair.master)
        #expect(pair.journals() == [])
    }

    @Test("lag left at the timeout", arguments: RedisVersion.available)
    func lag(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            try await pair.fallBehind(link)
            try await expectRefusal(pair, ["--timeout", "700ms"], saying: "lacks")
            let lossy = try await pair.promote(["--timeout", "300ms", "--on-timeout", "promote"])
            #expect(lossy.exitCode == 4, "\(lossy.errors)")
            #expect(lossy.json("loss.kind") as? String == "exact")
            #expect((lossy.json("loss.bytes") as? Int ?? 0) > 1000)
            // What the new master lacks is kept: the old one is read-only, follows nobody, and has its keys.
            let old = try await RedisPair.info(pair.master)
            #expect(old["role"] == "slave")
            #expect(old["db0"]?.hasPrefix("keys=20") == true)
            #expect(try await RedisPair.info(pair.replica)["role"] == "master")
        }
    }

    @Test("a full resync in progress", arguments: RedisVersion.available)
    func fullResync(version: RedisVersion) async throws {
        try await withPair(version, keys: 0) { pair in
            try await RedisPair.send(["SET", "big", String(repeating: "x", count: 8_000_000)], to: pair.master)
            let link = try LinkProxy(to: pair.master.port, conditions: LinkProxy.Conditions(bytesPerSecond: 200_000))
            defer { link.cut() }
            let incompressible = (0..<2000).map { _ in String(Int.random(in: .min ... .max), radix: 36) }
            for number in 0..<40 {
                try await RedisPair.send(["SET", "r\(number)", incompressible.joined()], to: pair.master)
            }
            try await pair.restartEmpty(pair.replica)
            try await RedisPair.send(["SET", "own", "1"], to: pair.replica)
            try await pair.follow(port: link.port, waiting: false)
            try await RedisPair.wait("the full resync") {
                try await RedisPair.info(pair.replica)["master_sync_in_progress"] == "1"
            }
            try await expectRefusal(pair, saying: "full resync")
        }
    }

    @Test("an empty replica of a master with keys, and a foreign data set", arguments: RedisVersion.available)
    func foreign(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.restartEmpty(pair.replica)
            try await pair.follow(port: try FreePort.pick(), waiting: false)
            try await expectRefusal(pair, saying: "empty while the master has 100 keys")
            try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
            try await RedisPair.send(["SET", "own", "1"], to: pair.replica)
            try await pair.follow(port: try FreePort.pick(), waiting: false)
            let words = version < .v5_0 ? "never finished a synchronisation" : "no common history"
            try await expectRefusal(pair, saying: words)
            // Force promotes it, and destroys neither data set: the old master keeps its own, read-only.
            let forced = try await pair.promote(["--force"])
            #expect(forced.exitCode == 4, "\(forced.errors)")
            #expect(try await RedisPair.info(pair.replica)["role"] == "master")
            let old = try await RedisPair.info(pair.master)
            #expect(old["role"] == "slave")
            #expect(old["db0"]?.hasPrefix("keys=101,") == true)
            #expect(try await RedisPair.info(pair.replica)["db0"]?.hasPrefix("keys=1,") == true)
        }
    }

    @Test("a loading replica", arguments: [RedisVersion.v2_8, .v7_0])
    func loading(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            await pair.replica.kill()
            // Ten seconds of nothing, between which it answers.
            let nap = "*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$6\r\n0.0001\r\n"
            try String(repeating: nap, count: 60_000).write(
                toFile: pair.replica.directory + "/appendonly.aof", atomically: true, encoding: .utf8)
            try await pair.replica.restart(
                arguments: ["--appendonly", "yes", "--slaveof", "127.0.0.1", "\(pair.master.port)"], untilLoaded: false)
            let outcome = try await pair.promote()
            #expect(outcome.exitCode == 1, "\(outcome.output)")
            #expect(outcome.errors.contains("loading"))
        }
    }

    @Test("a writable replica, a replica of a replica", arguments: [RedisVersion.v2_8, .v7_0])
    func oddReplicas(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await RedisPair.send(["CONFIG", "SET", "slave-read-only", "no"], to: pair.replica)
            try await expectRefusal(pair, saying: "accepts writes of its own")
            try await RedisPair.send(["CONFIG", "SET", "slave-read-only", "yes"], to: pair.replica)
            let top = try await RedisServer.start(version)
            try await RedisPair.send(["SLAVEOF", "127.0.0.1", "\(top.port)"], to: pair.master)
            let outcome = try await pair.promote()
            #expect(outcome.exitCode == 1, "\(outcome.output)")
            #expect(outcome.errors.contains("itself a replica"), "\(outcome.errors)")
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
            await top.stop()
        }
    }

    @Test("a master that lets us not in is no dead master")
    func unusableMaster() async throws {
        try await withPair(.v7_0) { pair in
            try await RedisPair.send(["CONFIG", "SET", "requirepass", "other"], to: pair.master)
            let outcome = try await pair.promote()
            #expect(outcome.exitCode == 2, "\(outcome.output)")
            #expect(outcome.errors.contains("NOAUTH"))
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
        }
    }
}
