import RedisClient
import RedisLab
import Testing

/// `syncgate promote` while both servers live, on every version, under writers at full speed.
@Suite(.serialized)
struct SwitchoverTests {
    @Test("no acknowledged write is lost", arguments: RedisVersion.available, WriteLoad.Kind.allCases)
    func losesNothing(version: RedisVersion, kind: WriteLoad.Kind) async throws {
        let pair = try await RedisPair.start(version)
        do {
            let load = WriteLoad([pair.master.url, pair.replica.url], kind: kind)
            await load.waitForWrites(500)
            let outcome = try await pair.promote()
            await load.waitForWrites(200)
            let account = try await load.stop(lookingAt: pair.replica.url)
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            #expect(outcome.json("result") as? String == "promoted")
            #expect(outcome.json("loss.kind") as? String == "none")
            #expect(account.lost == [])
            #expect(account.acknowledgements.count >= 700)
            #expect(account.acknowledgements.contains { $0.server == 1 }, "nobody wrote to the new master")
            try await pair.expectRolesSwapped()
        } catch {
            await pair.stop()
            throw error
        }
        await pair.stop()
    }
}

extension RedisPair {
    /// Runs `syncgate promote` on the replica.
    func promote(_ more: [String] = []) async throws -> SyncgateProcess.Outcome {
        try await SyncgateProcess.run(promotion(more))
    }

    /// The arguments of `syncgate promote` on the replica.
    func promotion(_ more: [String] = []) -> [String] {
        ["promote", "--local", "redis://127.0.0.1:\(replica.port)", "--format", "json", "--state-dir", stateDirectory]
            + more
    }

    /// The replica is master, the master follows it with its link up, is not fenced, and from Redis 5 on it did so
    /// without a full resync.
    func expectRolesSwapped() async throws {
        try await RedisPair.wait("the old master's link") {
            let info = try await RedisPair.info(master)
            return info["role"] == "slave" && info["master_link_status"] == "up"
                && info["master_port"] == "\(replica.port)"
        }
        let info = try await RedisPair.info(replica)
        #expect(info["role"] == "master")
        #expect(master.version < .v5_0 || info["sync_full"] == "0", "the old master needed a full resync")
        #expect(try await RedisPair.send(["CONFIG", "GET", "requirepass"], to: master).isEmptyPassword)
    }
}

extension RedisReply {
    /// `CONFIG GET requirepass` of a server without one.
    var isEmptyPassword: Bool {
        if case .array(let pair) = self { pair.count == 2 && pair[1].text == "" } else { false }
    }
}
