import Glibc
import RedisClient
import RedisLab
import Testing

/// What is left when `syncgate promote` is stopped, killed or frozen behind the fence, and what a second run makes of it.
@Suite(.serialized)
struct InterruptionTests {
    /// Starts a promotion that waits behind the fence: a few bytes are missing, and the link is frozen.
    private func promoteBehindFence(_ pair: RedisPair, _ link: LinkProxy) async throws -> SyncgateProcess {
        try await pair.fallBehind(link, keys: 5)
        let run = try await SyncgateProcess.start(pair.promotion(["--format", "pretty"]))
        try await run.waitForStep("fenced")
        return run
    }

    /// The fence is gone: a client without a password may write.
    private func waitUntilWritable(_ pair: RedisPair, limit: Duration) async throws -> Duration {
        let start = ContinuousClock.now
        try await RedisPair.wait("an unfenced master", limit: limit) {
            _ = try await RedisPair.send(["SET", "probe", "1"], to: pair.master)
            return true
        }
        return start.duration(to: .now)
    }

    @Test("SIGTERM and SIGINT release the fence", arguments: [RedisVersion.v2_8, .v5_0, .v7_0], [SIGTERM, SIGINT])
    func stopped(version: RedisVersion, signal: Int32) async throws {
        try await withLinkedPair(version) { pair, link in
            let run = try await promoteBehindFence(pair, link)
            run.signal(signal)
            let outcome = await run.wait()
            #expect(outcome.exitCode == 1, "\(outcome.output)")
            #expect(outcome.errors.contains("stopped by a signal"))
            try await pair.expectUnfenced()
            try await pair.expectWritable(pair.master)
            #expect(try await RedisPair.info(pair.master)["role"] == "master")
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
        }
    }

    @Test("kill -9: the fence goes within its time, and a second run finishes", arguments: RedisVersion.available)
    func killed(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            let run = try await promoteBehindFence(pair, link)
            run.signal(SIGKILL)
            _ = await run.wait()
            let gone = try await waitUntilWritable(pair, limit: .seconds(8))
            // A pause expires by itself; a password is undone by the guard, as soon as its parent is dead.
            #expect(gone < (version < .v6_2 ? .seconds(3) : .milliseconds(6500)))
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
            link.set(LinkProxy.Conditions())
            let load = WriteLoad([pair.master.url, pair.replica.url])
            await load.waitForWrites(100)
            let second = try await pair.promote()
            await load.waitForWrites(100)
            #expect(second.exitCode == 0, "\(second.errors)")
            #expect(try await load.stop(lookingAt: pair.replica.url).lost == [])
            try await pair.expectRolesSwapped()
        }
    }

    @Test("kill -9 of the guard as well: the journal tells the second run", arguments: [RedisVersion.v2_8, .v5_0])
    func killedWithGuard(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            let run = try await promoteBehindFence(pair, link)
            let guardian = try #require(Self.children(of: run.id).first)
            kill(guardian, SIGKILL)
            run.signal(SIGKILL)
            _ = await run.wait()
            link.set(LinkProxy.Conditions())
            #expect(pair.journals().count == 1)
            let second = try await pair.promote()
            #expect(second.exitCode == 0, "\(second.errors)")
            try await pair.expectRolesSwapped()
        }
    }

    @Test("frozen behind the fence for longer than it lasts: nothing is lost", arguments: [RedisVersion.v2_8, .v7_0])
    func frozen(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            let run = try await promoteBehindFence(pair, link)
            run.signal(SIGSTOP)
            _ = try await waitUntilWritable(pair, limit: .seconds(9))
            let load = WriteLoad([pair.master.url, pair.replica.url])
            await load.waitForWrites(100)
            link.set(LinkProxy.Conditions())
            await load.waitForWrites(100)
            run.signal(SIGCONT)
            let outcome = await run.wait()
            await load.waitForWrites(20)
            let isPromoted = try await RedisPair.info(pair.replica)["role"] == "master"
            #expect(isPromoted == (outcome.exitCode == 0), "\(outcome.output) \(outcome.errors)")
            let account = try await load.stop(lookingAt: isPromoted ? pair.replica.url : pair.master.url)
            #expect(account.lost == [])
        }
    }

    @Test(
        "killed anywhere: never two writable masters, and a second run finishes", arguments: [RedisVersion.v5_0, .v7_0])
    func killedAnywhere(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            for delay in stride(from: 6, through: 90, by: 6) {
                let run = try await SyncgateProcess.start(pair.promotion())
                try await Task.sleep(for: .milliseconds(delay))
                run.signal(SIGKILL)
                _ = await run.wait()
                let roles = [
                    try await role(of: pair.master), try await role(of: pair.replica),
                ]
                #expect(roles != ["master", "master"])
                let second = try await pair.promote()
                #expect(second.exitCode == 0, "\(delay) ms: \(second.output) \(second.errors)")
                try await pair.expectRolesSwapped(countingResyncs: false)
                // And back, for the next round.
                let back = try await pair.demote(pair.replica, peer: pair.master)
                #expect(back.exitCode == 0, "\(back.output) \(back.errors)")
            }
        }
    }

    /// A fenced server lets nobody in for a moment.
    private func role(of server: RedisServer) async throws -> String? {
        var role: String?
        try await RedisPair.wait("the role", limit: .seconds(8)) {
            role = try await RedisPair.info(server)["role"]
            return true
        }
        return role
    }

    @Test(
        "cut off from the master behind the fence: not promoted, and unfenced in time",
        arguments: [RedisVersion.v2_8, .v7_0])
    func cutOff(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            let control = try LinkProxy(to: pair.master.port)
            defer { control.cut() }
            try await pair.fallBehind(link, keys: 5)
            let run = try await SyncgateProcess.start([
                "promote", "--local", "redis://127.0.0.1:\(pair.replica.port)", "--master",
                "redis://127.0.0.1:\(control.port)", "--state-dir", pair.stateDirectory,
            ])
            try await run.waitForStep("fenced")
            control.set(LinkProxy.Conditions(isFrozen: true))
            let outcome = await run.wait()
            #expect(outcome.exitCode == 1, "\(outcome.output) \(outcome.errors)")
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
            // The pause ends by itself; the guard gets through when the network is back.
            control.set(LinkProxy.Conditions())
            _ = try await waitUntilWritable(pair, limit: .seconds(8))
        }
    }

    @Test("the local server killed behind the fence: the master goes on", arguments: [RedisVersion.v2_8, .v7_0])
    func localKilled(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            let run = try await promoteBehindFence(pair, link)
            await pair.replica.kill()
            let outcome = await run.wait()
            #expect(outcome.exitCode == 3, "\(outcome.output)")
            try await pair.expectUnfenced()
            try await pair.expectWritable(pair.master)
        }
    }

    /// The ids of a process's children: the fourth field of /proc/PID/stat is the parent.
    private static func children(of parent: Int32) -> [Int32] {
        guard let proc = opendir("/proc") else { return [] }
        defer { closedir(proc) }
        var children: [Int32] = []
        while let entry = readdir(proc) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let id = Int32(name), let file = fopen("/proc/\(name)/stat", "r") else { continue }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 512)
            let count = fread(&bytes, 1, bytes.count, file)
            let fields = String(decoding: bytes[..<count], as: UTF8.self).split(separator: ")").last?.split(
                separator: " ")
            if let fields, fields.count > 1, Int32(fields[1]) == parent { children.append(id) }
        }
        return children
    }
}
