import Glibc
import RedisClient
import RedisLab
import Testing

/// A pair for the length of `body`; stopped and removed whatever happens in it.
func withPair(
    _ version: RedisVersion, arguments: [String] = [], keys: Int = 100,
    isolation: isolated (any Actor)? = #isolation, _ body: (RedisPair) async throws -> Void
) async throws {
    let pair = try await RedisPair.start(version, arguments: arguments, keys: keys)
    do { try await body(pair) } catch {
        await pair.stop()
        throw error
    }
    await pair.stop()
}

/// A pair whose replica follows through a link that the test can slow down, freeze or cut.
func withLinkedPair(
    _ version: RedisVersion, arguments: [String] = [], keys: Int = 100,
    isolation: isolated (any Actor)? = #isolation, _ body: (RedisPair, LinkProxy) async throws -> Void
) async throws {
    let port = try FreePort.pick()
    let link = try LinkProxy(to: port)
    let pair = try await RedisPair.start(version, arguments: arguments, keys: keys, through: link, port: port)
    do { try await body(pair, link) } catch {
        link.cut()
        await pair.stop()
        throw error
    }
    link.cut()
    await pair.stop()
}

extension RedisPair {
    /// Runs `syncgate promote` on the replica.
    func promote(_ more: [String] = []) async throws -> SyncgateProcess.Outcome {
        try await SyncgateProcess.run(promotion(more))
    }

    /// The arguments of `syncgate promote` on the replica, with the master named, since a link may stand between.
    func promotion(_ more: [String] = []) -> [String] {
        [
            "promote", "--local", "redis://127.0.0.1:\(replica.port)", "--master", "redis://127.0.0.1:\(master.port)",
            "--format", "json", "--state-dir", stateDirectory,
        ] + more
    }

    /// Runs `syncgate demote` on one server.
    func demote(_ local: RedisServer, peer: RedisServer, _ more: [String] = []) async throws -> SyncgateProcess.Outcome
    {
        try await SyncgateProcess.run(demotion(local, peer: peer, more))
    }

    /// The arguments of `syncgate demote` on one server.
    func demotion(_ local: RedisServer, peer: RedisServer, _ more: [String] = []) -> [String] {
        [
            "demote", "--local", "redis://127.0.0.1:\(local.port)", "--peer", "redis://127.0.0.1:\(peer.port)",
            "--format", "json", "--state-dir", stateDirectory,
        ] + more
    }

    /// The replica is master, the master follows it with its link up, is not fenced, and from Redis 5 on it did so
    /// without a full resync.
    func expectRolesSwapped(countingResyncs: Bool = true) async throws {
        try await RedisPair.wait("the old master's link") {
            let info = try await RedisPair.info(master)
            return info["role"] == "slave" && info["master_link_status"] == "up"
                && info["master_port"] == "\(replica.port)"
        }
        let info = try await RedisPair.info(replica)
        #expect(info["role"] == "master")
        #expect(
            !countingResyncs || master.version < .v5_0 || info["sync_full"] == "0",
            "the old master needed a full resync")
        try await expectUnfenced()
    }

    /// The master's password is gone, and nothing is left in the journal's folder.
    func expectUnfenced() async throws {
        let reply = try await RedisPair.send(["CONFIG", "GET", "requirepass"], to: master)
        guard case .array(let pair) = reply else {
            Issue.record("CONFIG GET requirepass: \(reply)")
            return
        }
        #expect(pair.last?.text == "")
        #expect(journals() == [])
    }

    /// Files in the journal's folder.
    func journals() -> [String] {
        guard let directory = opendir(stateDirectory) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".journal") { names.append(name) }
        }
        return names
    }

    /// What a refusal must not change: roles, whom they follow, passwords, keys.
    func fingerprint() async throws -> [String] {
        var facts: [String] = []
        for server in [master, replica] {
            let info = try await RedisPair.info(server)
            for field in ["role", "master_host", "master_port", "db0", "master_replid"] {
                facts.append(info[field] ?? "-")
            }
            facts.append("\(try await RedisPair.send(["CONFIG", "GET", "requirepass"], to: server))")
        }
        return facts
    }

    /// The master takes a write within a second: no fence is left.
    func expectWritable(_ server: RedisServer) async throws {
        let start = ContinuousClock.now
        try await RedisPair.send(["SET", "probe", "1"], to: server)
        #expect(start.duration(to: .now) < .seconds(1), "the write was fenced")
    }

    /// Kills a server and starts it without its data: a full resync leaves a snapshot on disk, even with `save ""`.
    func restartEmpty(_ server: RedisServer, arguments: [String]? = nil) async throws {
        await server.kill()
        unlink("\(server.directory)/dump.rdb")
        try await server.restart(arguments: arguments)
    }

    /// Makes the replica lag behind a frozen link, by some keys.
    func fallBehind(_ link: LinkProxy, keys: Int = 200) async throws {
        link.set(LinkProxy.Conditions(isFrozen: true))
        try await fill(keys)
    }
}

extension SyncgateProcess {
    /// Waits until a step of the pretty output appears.
    func waitForStep(_ step: String) async throws {
        try await RedisPair.wait("step \(step)", limit: .seconds(10)) { output.contains(" \(step) ") }
    }
}
