import RedisLab
import Testing

/// `syncgate promote` while both servers live, on every version, under writers at full speed.
@Suite(.serialized)
struct SwitchoverTests {
    @Test("no acknowledged write is lost", arguments: RedisVersion.available, WriteLoad.Kind.allCases)
    func losesNothing(version: RedisVersion, kind: WriteLoad.Kind) async throws {
        try await withPair(version) { pair in
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
        }
    }

    @Test("a password that was there before is there after", arguments: RedisVersion.available)
    func keepsPassword(version: RedisVersion) async throws {
        let arguments = ["--requirepass", "s3cret", "--masterauth", "s3cret"]
        try await withPair(version, arguments: arguments) { pair in
            let environment = ["SYNCGATE_PASSWORD": "s3cret"]
            let outcome = try await SyncgateProcess.run(pair.promotion(), environment: environment)
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            #expect(!(outcome.output + outcome.errors).contains("s3cret"))
            let reply = try await RedisPair.send(["CONFIG", "GET", "requirepass"], to: pair.master)
            #expect("\(reply)".contains("bulk"))
            try await RedisPair.wait("the link") { try await RedisPair.info(pair.master)["master_link_status"] == "up" }
        }
    }

    @Test("a replica far behind is waited for, without fencing meanwhile", arguments: [RedisVersion.v2_8, .v7_0])
    func waitsForLag(version: RedisVersion) async throws {
        try await withLinkedPair(version, arguments: ["--repl-backlog-size", "64mb"]) { pair, link in
            try await RedisPair.send(["CONFIG", "SET", "client-output-buffer-limit", "slave 0 0 0"], to: pair.master)
            try await pair.fallBehind(link)
            let value = String(repeating: "x", count: 100_000)
            for number in 0..<160 { try await RedisPair.send(["SET", "big:\(number)", value], to: pair.master) }
            link.set(LinkProxy.Conditions(bytesPerSecond: 8_000_000))
            let load = WriteLoad([pair.master.url, pair.replica.url])
            let outcome = try await pair.promote(["--timeout", "30s"])
            await load.waitForWrites(50)
            let account = try await load.stop(lookingAt: pair.replica.url)
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            #expect(account.lost == [])
            // 16 MB at 8 MB/s, more than the writers write: no promotion before that, and clients were stopped for a small
            // part of it only.
            #expect(outcome.duration > .milliseconds(1500))
            #expect((outcome.json("write_gap_ms") as? Double ?? .infinity) < 1000)
        }
    }

    @Test("--keep-master leaves two masters, as asked", arguments: [RedisVersion.v2_8, .v7_0])
    func keepsMaster(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            let outcome = try await pair.promote(["--keep-master"])
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            #expect(try await RedisPair.info(pair.replica)["role"] == "master")
            #expect(try await RedisPair.info(pair.master)["role"] == "master")
            try await pair.expectUnfenced()
            try await pair.expectWritable(pair.master)
        }
    }

    @Test("--dry-run changes nothing, and says what would happen", arguments: [RedisVersion.v2_8, .v7_0])
    func dryRun(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            let before = try await pair.fingerprint()
            let outcome = try await pair.promote(["--dry-run"])
            #expect(outcome.exitCode == 0)
            #expect(outcome.json("dry_run") as? Bool == true)
            #expect(outcome.step("would_promote") != nil)
            #expect(try await pair.fingerprint() == before)
        }
    }

    @Test("clients of the old master are disconnected, subscribers too")
    func disconnects() async throws {
        try await withPair(.v7_0) { pair in
            let idle = try await pair.master.connection()
            let subscriber = try await pair.master.connection()
            _ = try await subscriber.send(["SUBSCRIBE", "news"], timeout: .seconds(1))
            let outcome = try await pair.promote()
            #expect(outcome.exitCode == 0)
            #expect(await idle.closed() == .closed)
            #expect(await subscriber.closed() == .closed)
        }
    }

    @Test("a second run says that it is master already")
    func alreadyMaster() async throws {
        try await withPair(.v7_0) { pair in
            _ = try await pair.promote()
            let before = try await pair.fingerprint()
            let again = try await pair.promote()
            #expect(again.exitCode == 0)
            #expect(again.json("result") as? String == "already_master")
            #expect(try await pair.fingerprint() == before)
        }
    }
}
