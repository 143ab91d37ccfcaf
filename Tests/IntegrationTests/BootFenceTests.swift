import RedisLab
import Testing

/// A master that its supervisor restarts behind the boot fence of config/redis-syncgate.conf.
@Suite(.serialized)
struct BootFenceTests {
    @Test(
        "its replica is promoted, and the restarted server keeps what it has or follows",
        arguments: RedisVersion.available)
    func promotes(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            await pair.master.kill()
            try await pair.master.restart(arguments: ["--slaveof", "127.0.0.1", "1"])
            let outcome = try await pair.promote()
            #expect([0, 4].contains(outcome.exitCode), "\(outcome.output) \(outcome.errors)")
            #expect(outcome.json("result") as? String == "promoted")
            let promoted = try await RedisPair.info(pair.replica)
            #expect(promoted["role"] == "master")
            #expect(promoted["db0"]?.hasPrefix("keys=100,") == true)
            #expect(try await RedisPair.info(pair.master)["role"] == "slave")
        }
    }
}
