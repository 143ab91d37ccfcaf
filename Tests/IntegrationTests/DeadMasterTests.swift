import Glibc
import RedisLab
import Testing

/// `syncgate promote` when the master cannot answer.
@Suite(.serialized)
struct DeadMasterTests {
    @Test("killed: promoted at once, and what may be lost is said", arguments: RedisVersion.available)
    func killed(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            await pair.master.kill()
            let outcome = try await pair.promote()
            #expect(outcome.exitCode == 4, "\(outcome.errors)")
            #expect(outcome.json("result") as? String == "promoted")
            #expect(outcome.json("loss.kind") as? String == "unknown")
            #expect(outcome.duration < .seconds(1))
            #expect(try await RedisPair.info(pair.replica)["role"] == "master")
            #expect(try await RedisPair.info(pair.replica)["db0"]?.hasPrefix("keys=100,") == true)
        }
    }

    @Test("gone with its machine: promoted, although nothing tells how it would reach the local server")
    func machineGone() async throws {
        try await withPair(.v7_0) { pair in
            await pair.master.kill()
            let outcome = try await SyncgateProcess.run([
                "promote", "--local", "redis://127.0.0.1:\(pair.replica.port)", "--master",
                "redis://gone.invalid:6379", "--format", "json", "--state-dir", pair.stateDirectory,
            ])
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.json("result") as? String == "promoted")
        }
    }

    @Test("hung: promoted after the connect deadline", arguments: RedisVersion.available)
    func hung(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            pair.master.signal(SIGSTOP)
            let outcome = try await pair.promote(["--connect-timeout", "300ms"])
            pair.master.signal(SIGCONT)
            #expect(outcome.exitCode == 4, "\(outcome.errors)")
            #expect(outcome.json("result") as? String == "promoted")
            #expect(outcome.duration < .seconds(2))
        }
    }

    @Test("a limit for the loss that cannot be shown to hold refuses")
    func lossLimit() async throws {
        try await withPair(.v7_0) { pair in
            await pair.master.kill()
            let outcome = try await pair.promote(["--max-loss-bytes", "1MiB"])
            #expect(outcome.exitCode == 1)
            #expect(outcome.errors.contains("--max-loss-bytes"))
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
            #expect(try await pair.promote(["--max-loss-bytes", "1MiB", "--force"]).exitCode == 4)
        }
    }

    @Test("a replica that never had its master's data is not promoted", arguments: RedisVersion.available)
    func neverSynchronised(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.restartEmpty(pair.replica)
            try await pair.follow(port: try FreePort.pick(), waiting: false)
            let outcome = try await SyncgateProcess.run([
                "promote", "--local", "redis://127.0.0.1:\(pair.replica.port)", "--format", "json", "--state-dir",
                pair.stateDirectory,
            ])
            #expect(outcome.exitCode == 1, "\(outcome.output)")
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
        }
    }

    @Test("killed behind the fence: promoted with the exact loss, or none", arguments: [RedisVersion.v5_0, .v7_0])
    func killedBehindFence(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            // A few bytes behind a frozen link: near enough to be fenced, and never there.
            try await pair.fallBehind(link, keys: 5)
            let run = try await SyncgateProcess.start(pair.promotion())
            try await RedisPair.wait("the fence") { pair.journals().count == 1 }
            try await RedisPair.wait("the password or pause") {
                (try? await RedisPair.send(["CONFIG", "GET", "requirepass"], to: pair.master)) == nil
                    || version >= .v6_2
            }
            await pair.master.kill()
            link.cut()
            let outcome = await run.wait()
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.json("result") as? String == "promoted")
            #expect(["exact", "at_most"].contains(outcome.json("loss.kind") as? String))
            #expect((outcome.json("loss.bytes") as? Int ?? 0) > 0)
        }
    }
}
