import RedisClient
import RedisLab
import Testing

/// `syncgate demote`.
@Suite(.serialized)
struct DemotionTests {
    @Test("of a master with its replica: the roles are swapped, nothing is lost", arguments: RedisVersion.available)
    func swap(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            let load = WriteLoad([pair.master.url, pair.replica.url])
            await load.waitForWrites(300)
            let outcome = try await pair.demote(pair.master, peer: pair.replica)
            await load.waitForWrites(100)
            #expect(outcome.exitCode == 0, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.json("result") as? String == "demoted")
            #expect(try await load.stop(lookingAt: pair.replica.url).lost == [])
            try await pair.expectRolesSwapped()
            let again = try await pair.demote(pair.master, peer: pair.replica)
            #expect(again.exitCode == 0)
            #expect(again.json("result") as? String == "already_replica")
        }
    }

    @Test(
        "at the same time as promote on the other side, as keepalived does",
        arguments: RedisVersion.available, 1...3)
    func bothSides(version: RedisVersion, round: Int) async throws {
        try await withPair(version) { pair in
            let load = WriteLoad([pair.master.url, pair.replica.url])
            await load.waitForWrites(200)
            // Two machines have two folders for journals.
            let elsewhere = try TemporaryDirectory.make()
            defer { TemporaryDirectory.remove(elsewhere) }
            async let backup = pair.demote(pair.master, peer: pair.replica, ["--state-dir", elsewhere])
            async let master = pair.promote()
            let outcomes = try await (backup, master)
            await load.waitForWrites(100)
            // Before Redis 6.2 one run's fence may throw the other one out, which then says so; the pair is in order.
            let codes = [outcomes.0.exitCode, outcomes.1.exitCode]
            #expect(codes.contains(0), "\(outcomes.0.errors) \(outcomes.1.errors)")
            #expect(version < .v6_2 || codes == [0, 0], "\(outcomes.0.errors) \(outcomes.1.errors)")
            #expect(try await load.stop(lookingAt: pair.replica.url).lost == [])
            try await pair.expectRolesSwapped()
        }
    }

    @Test(
        "an old master that holds more is refused, with the bytes; --force discards them",
        arguments: [RedisVersion.v5_0, .v7_0])
    func diverged(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
            try await pair.fill(3)
            try await RedisPair.send(["SET", "elsewhere", "1"], to: pair.replica)
            let before = try await pair.fingerprint()
            let refused = try await pair.demote(pair.master, peer: pair.replica)
            #expect(refused.exitCode == 1, "\(refused.output)")
            // Three times `SET key:N value` of 38 bytes, and perhaps a PING of the master's own, of 14.
            let isCounted = [114, 128].contains { refused.errors.contains("would discard \($0) bytes") }
            #expect(isCounted, "\(refused.errors)")
            let resync = "it will do a full resync of about "
            #expect(refused.errors.contains("; then \(resync)"), "\(refused.errors)")
            let dry = try await pair.demote(pair.master, peer: pair.replica, ["--force", "--dry-run"])
            #expect(dry.output.contains("\"\(resync)"), "\(dry.output)")
            #expect(try await pair.fingerprint() == before)
            try await pair.expectWritable(pair.master)
            let forced = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(forced.exitCode == 4, "\(forced.errors)")
            try await pair.expectRolesSwapped(countingResyncs: false)
        }
    }

    @Test(
        "an old master that holds nothing more comes back by itself",
        arguments: [RedisVersion.v5_0, .v6_2, .v7_0, .v8_2])
    func behind(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
            try await RedisPair.send(["SET", "new", "1"], to: pair.replica)
            let outcome = try await pair.demote(pair.master, peer: pair.replica)
            #expect(outcome.exitCode == 0, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.json("loss.kind") as? String == "none")
            #expect(outcome.step("full_resync") == nil, "\(outcome.output)")
            try await pair.expectRolesSwapped()
        }
    }

    @Test("an empty peer is never followed by a server with data", arguments: RedisVersion.available)
    func emptyPeer(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.restartEmpty(pair.replica)
            let before = try await pair.fingerprint()
            let refused = try await pair.demote(pair.master, peer: pair.replica)
            #expect(refused.exitCode == 1)
            #expect(refused.errors.contains("100 keys"), "\(refused.errors)")
            #expect(try await pair.fingerprint() == before)
            // The other way round, nothing is discarded.
            let joined = try await pair.demote(pair.replica, peer: pair.master)
            #expect(joined.exitCode == 0, "\(joined.output) \(joined.errors)")
            #expect(try await RedisPair.info(pair.replica)["db0"]?.hasPrefix("keys=100,") == true)
        }
    }

    @Test("two unrelated data sets are refused", arguments: [RedisVersion.v2_8, .v7_0])
    func unrelated(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.restartEmpty(pair.replica)
            try await RedisPair.send(["SET", "own", "1"], to: pair.replica)
            let refused = try await pair.demote(pair.master, peer: pair.replica)
            #expect(refused.exitCode == 1)
            #expect(refused.errors.contains("100 keys"), "\(refused.errors)")
            try await pair.expectWritable(pair.master)
            #expect(pair.journals() == [])
        }
    }

    @Test("an unreachable peer changes nothing")
    func unreachable() async throws {
        try await withPair(.v7_0) { pair in
            await pair.replica.kill()
            let outcome = try await pair.demote(pair.master, peer: pair.replica)
            #expect(outcome.exitCode == 3)
            #expect(try await RedisPair.info(pair.master)["role"] == "master")
        }
    }

    @Test("--dry-run changes nothing", arguments: [RedisVersion.v2_8, .v7_0])
    func dryRun(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            let before = try await pair.fingerprint()
            #expect(try await pair.demote(pair.master, peer: pair.replica, ["--dry-run"]).exitCode == 0)
            #expect(try await pair.fingerprint() == before)
        }
    }
}
