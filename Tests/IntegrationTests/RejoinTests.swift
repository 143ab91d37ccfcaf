import Foundation
import Glibc
import Operations
import RedisClient
import RedisLab
import Replication
import Salvage
import Testing

/// An old master that holds writes which the new one lacks: they are safe before it follows.
@Suite(.serialized)
struct RejoinTests {
    static let withHistory = RedisVersion.available.filter { $0 >= .v5_0 }
    static let withoutHistory = RedisVersion.available.filter { $0 < .v5_0 }

    @Test("its writes are read from its backlog, whole, with their databases", arguments: withHistory)
    func salvage(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.diverge()
            try await pair.writeMuch()
            let outcome = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.json("loss.kind") as? String == "exact")
            try await pair.expectRolesSwapped(countingResyncs: false)
            try pair.expectFile()
        }
    }

    @Test("also where it was parked since, and gives its backlog only as a master", arguments: withHistory)
    func parked(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.diverge()
            try await pair.writeMuch()
            try await RedisPair.send(["SLAVEOF", "127.0.0.1", "1"], to: pair.master)
            let outcome = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.step("detached") != nil)
            try await pair.expectRolesSwapped(countingResyncs: false)
            try pair.expectFile()
            // The new master does not know the history that its file is of, but the one that this continues.
            try await RedisPair.send(["SET", "lost:1", "since"], to: pair.replica)
            let replayed = try await pair.replay(["--only-missing"])
            #expect((replayed.json("rule") as? String)?.contains("backlog") == true, "\(replayed.output)")
            #expect(
                replayed.json("applied") as? Int == 6 && replayed.json("skipped") as? Int == 1, "\(replayed.output)")
            // What a replay has written is no change that anybody else has made.
            try await RedisPair.send(["DEL", try pair.marker()], to: pair.replica)
            let again = try await pair.replay(["--only-missing", "--dry-run"])
            #expect(again.json("applied") as? Int == 6, "\(again.output)")
        }
    }

    @Test(
        "keys that expire all the time behind a password fence do not hold it up",
        arguments: RedisVersion.available.filter { $0 == .v2_8 || $0 == .v5_0 }, [true, false])
    func expiry(version: RedisVersion, isRemembered: Bool) async throws {
        // 5.0 knows by itself what is missing.
        if version == .v5_0, !isRemembered { return }
        try await withPair(version, arguments: ["--repl-backlog-size", "16mb", "--hz", "500"]) { pair in
            let promotion = try await pair.diverge()
            let script = "for i = 1, 40000 do redis.call('PSETEX', 'brief:' .. i, 300 + math.floor(i / 10), 'x') end"
            try await RedisPair.send(["EVAL", script, "0"], to: pair.master)
            try await RedisPair.wait("expiry") { try await RedisPair.info(pair.master)["expired_keys"] != "0" }
            let report = try await pair.follow(isRemembered ? promotion : nil)
            #expect(report.result == .demoted, "\(report.reason)")
            #expect(try pair.kept().map(\.kind) == [isRemembered ? .writes : .snapshot])
            #expect(try pair.kept().map(\.problem) == [nil])
        }
    }

    @Test("before Redis 4, where the promotion is remembered", arguments: withoutHistory)
    func remembered(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            let promotion = try await pair.diverge()
            try await pair.writeMuch()
            let report = try await pair.follow(promotion)
            #expect(report.result == .demoted, "\(report.reason)")
            #expect(report.account?.missing?.commands == RedisPair.written)
            try pair.expectFile()
        }
    }

    @Test("a snapshot is kept before Redis 4, where no promotion is remembered", arguments: withoutHistory)
    func forgotten(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.diverge()
            try await pair.writeMuch()
            let outcome = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            try await pair.expectRolesSwapped(countingResyncs: false)
            try await pair.expectSnapshot(keys: 100 + RedisPair.newKeys)
        }
    }

    @Test("a snapshot is kept where the backlog does not reach back", arguments: withHistory)
    func backlogTooSmall(version: RedisVersion) async throws {
        try await withPair(version, arguments: ["--repl-backlog-size", "16384"]) { pair in
            try await pair.diverge()
            try await RedisPair.send(["SET", "big", String(repeating: "x", count: 40_000)], to: pair.master)
            let outcome = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            try await pair.expectRolesSwapped(countingResyncs: false)
            try await pair.expectSnapshot(keys: 101)
        }
    }

    @Test(
        "a snapshot is kept of one that was restarted, and does not know what it holds",
        arguments: RedisVersion.available)
    func restarted(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.divergeAndRestart()
            let outcome = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            try await pair.expectRolesSwapped(countingResyncs: false)
            try await pair.expectSnapshot(keys: 101)
        }
    }

    @Test("a snapshot that takes longer than a fence holds is made once: the fence is renewed meanwhile")
    func slowSnapshot() async throws {
        try await withPair(.v7_0) { pair in
            try await pair.divergeAndRestart()
            // 101 keys: seven seconds.
            try await RedisPair.send(["CONFIG", "SET", "rdb-key-save-delay", "70000"], to: pair.master)
            let outcome = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            try await pair.expectRolesSwapped(countingResyncs: false)
            try await pair.expectSnapshot(keys: 101)
        }
    }

    @Test(
        "frozen while a snapshot is made, until the fence is gone: what was written meanwhile is kept as well",
        arguments: [RedisVersion.v3_2, .v5_0, .v7_0])
    func frozen(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.diverge()
            let script = "for i = 1, 300000 do redis.call('SET', 'many:' .. i, i) end"
            try await RedisPair.send(["EVAL", script, "0"], to: pair.master)
            let options = ["--force", "--on-divergence", "snapshot", "--format", "pretty"]
            let run = try await SyncgateProcess.start(pair.demotion(pair.master, peer: pair.replica, options))
            try await run.waitForStep("saving")
            run.signal(SIGSTOP)
            try await RedisPair.wait("an unfenced master", limit: .seconds(9)) {
                _ = try await RedisPair.send(["SET", "written-meanwhile", "1"], to: pair.master)
                return true
            }
            run.signal(SIGCONT)
            let outcome = await run.wait()
            if outcome.exitCode == 1 {
                // A question of before was too late: all is as it was.
                #expect(try await RedisPair.info(pair.master)["role"] == "master")
                return try await pair.expectUnfenced()
            }
            #expect(outcome.exitCode == 4, "\(outcome.output) \(outcome.errors)")
            let folder = SalvageFolder.standard(stateDirectory: pair.stateDirectory)
            let kept = try pair.kept().map { try Files.read("\(folder)/\($0.name)", limit: 64 << 20) ?? [] }
            let holders = kept.filter { String(decoding: $0, as: UTF8.self).contains("written-meanwhile") }
            #expect(!holders.isEmpty, "\(outcome.output)")
        }
    }

    @Test(
        "a disk of Redis's own that has no room for the snapshot is a refusal, with the numbers",
        .enabled(if: geteuid() == 0, "mounting needs root"))
    func noRoomForRedis() async throws {
        try await withPair(.v7_0) { pair in
            try await pair.diverge()
            try await pair.writeMuch()
            let snapshot = ["--force", "--on-divergence", "snapshot"]
            let (place, folder) = (pair.master.directory, "\(pair.master.directory)/salvage")
            let memory = try #require(Int(try await RedisPair.info(pair.master)["used_memory"] ?? ""))
            let none = try await pair.onDisk(bytes: 65_536, at: place) {
                try await pair.demote(pair.master, peer: pair.replica, snapshot)
            }
            #expect(none.exitCode == 1, "\(none.output)")
            let words = try #require(
                none.errors.firstMatch(of: /BGSAVE needs up to (\d+) bytes in (\S+), and 65536 are/))
            #expect(words.2 == place)
            #expect((memory / 2...memory * 2).contains(Int(words.1) ?? 0), "\(none.errors)")
            // Room for one, where it would have to be copied: no link leads from one mount to another.
            let one = try await pair.onDisk(bytes: memory * 2 - 65_536, at: place) {
                try Data().write(to: URL(fileURLWithPath: "\(place)/dump.rdb"))
                mkdir(folder, 0o700)
                try await RedisPair.run("mount", ["--bind", folder, folder])
                return try await pair.demote(pair.master, peer: pair.replica, snapshot + ["--salvage-dir", folder])
            }
            #expect(one.exitCode == 1 && one.errors.contains("its copy as many in \(folder)"), "\(one.errors)")
            try await pair.expectWritable(pair.master)
            #expect(try pair.kept() == [])
            let made = try await pair.demote(pair.master, peer: pair.replica, snapshot)
            #expect(made.exitCode == 4, "\(made.errors)")
        }
    }

    @Test("its own PINGs are no writes: it follows without --force, and nothing is kept", arguments: withHistory)
    func pings(version: RedisVersion) async throws {
        try await withPair(version, arguments: ["--repl-ping-slave-period", "1"]) { pair in
            try await pair.diverge()
            let info = try await RedisPair.info(pair.master)
            let offset = try #require(Int64(info["master_repl_offset"] ?? ""))
            // Who reads its stream is a replica to it, and gets PINGs.
            _ = try await StreamConnection.read(
                from: pair.master.url, tls: TLSFiles(), id: info["master_replid"] ?? "", at: offset + 1, count: 28,
                timeout: .seconds(5))
            let outcome = try await pair.demote(pair.master, peer: pair.replica)
            #expect(outcome.exitCode == 0, "\(outcome.output) \(outcome.errors)")
            #expect(outcome.json("loss.kind") as? String == "none")
            #expect(try pair.kept() == [])
        }
    }

    @Test("on_divergence: refuse leaves it as it was, discard keeps nothing, snapshot keeps the data set")
    func policies() async throws {
        try await withPair(.v7_0) { pair in
            try await pair.diverge()
            try await pair.writeMuch()
            let before = try await pair.fingerprint()
            let refused = try await pair.demote(
                pair.master, peer: pair.replica, ["--force", "--on-divergence", "refuse"])
            #expect(refused.exitCode == 1, "\(refused.output)")
            #expect(try await pair.fingerprint() == before)
            try await pair.expectWritable(pair.master)
            let kept = try await pair.demote(
                pair.master, peer: pair.replica, ["--force", "--on-divergence", "snapshot"])
            #expect(kept.exitCode == 4, "\(kept.errors)")
            try await pair.expectSnapshot(keys: 101 + RedisPair.newKeys)
        }
        try await withPair(.v7_0) { pair in
            try await pair.diverge()
            try await pair.writeMuch()
            let outcome = try await pair.demote(
                pair.master, peer: pair.replica, ["--force", "--on-divergence", "discard"])
            #expect(outcome.exitCode == 4, "\(outcome.errors)")
            #expect(try pair.kept() == [])
        }
    }

    @Test("a folder that cannot be written is a refusal, and it is as it was", arguments: [RedisVersion.v5_0, .v7_0])
    func noFolder(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.diverge()
            try await pair.writeMuch()
            let before = try await pair.fingerprint()
            let outcome = try await pair.demote(
                pair.master, peer: pair.replica, ["--force", "--salvage-dir", "/dev/null/salvage"])
            #expect(outcome.exitCode == 1, "\(outcome.output)")
            #expect(outcome.errors.contains("/dev/null/salvage"), "\(outcome.errors)")
            #expect(try await pair.fingerprint() == before)
            try await pair.expectWritable(pair.master)
            try await pair.expectUnfenced()
        }
    }
}

extension RedisPair {
    /// Writes that `writeMuch` makes, and new keys among them.
    fileprivate static let written: Int64 = 7
    fileprivate static let newKeys = 4

    /// Both are masters; returns how far the replica had come.
    @discardableResult
    fileprivate func diverge() async throws -> RememberedPromotion {
        try await RedisPair.wait("the replica's offset") {
            try await RedisPair.info(master)["master_repl_offset"] == RedisPair.info(replica)["slave_repl_offset"]
        }
        let (old, new) = try await (RedisPair.info(master), RedisPair.info(replica))
        try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: replica)
        try await RedisPair.send(["SET", "elsewhere", "1"], to: replica)
        let runID = old["run_id"] ?? ""
        return RememberedPromotion(
            masterRunID: runID, replicationID: old["master_replid"] ?? runID,
            offset: Int64(new["slave_repl_offset"] ?? "") ?? -1)
    }

    /// As `diverge`, and one write later the old master's process is another one, with all its keys.
    fileprivate func divergeAndRestart() async throws {
        try await diverge()
        try await RedisPair.send(["SET", "late", "1"], to: master)
        // The replica's full copy may still be written.
        try await RedisPair.wait("the master's child") {
            try await RedisPair.info(master)["rdb_bgsave_in_progress"] == "0"
        }
        try await RedisPair.send(["SAVE"], to: master)
        await master.kill()
        try await master.restart()
    }

    /// Writes to the old master: plain, binary, in a transaction, to another database.
    fileprivate func writeMuch() async throws {
        let connection = try await master.connection()
        let commands = [
            ["SET", "lost:1", "one"], ["SET", "lost:2", "a\r\nb\u{0}c"], ["INCR", "lost:count"],
            ["MULTI"], ["INCR", "lost:count"], ["RPUSH", "lost:list", "x"], ["EXEC"],
            ["SELECT", "3"], ["SET", "lost:3", "three"], ["DEL", "lost:3"],
        ]
        for command in commands { _ = try await connection.send(command, timeout: .seconds(2)) }
        await connection.close()
    }

    /// Makes the old master follow, as the daemon does it.
    fileprivate func follow(_ promotion: RememberedPromotion?) async throws -> OperationReport {
        var options = DemotionRun.Options(local: Endpoint(url: master.url), peer: Endpoint(url: replica.url))
        options.stateDirectory = stateDirectory
        options.force = true
        options.salvage.promotion = promotion
        options.guardProgram = SyncgateProcess.sibling("syncgate")
        return await DemotionRun(options, report: { _ in }).run()
    }

    /// Replays the one file to the new master.
    fileprivate func replay(_ more: [String]) async throws -> SyncgateProcess.Outcome {
        let name = try kept().first?.name ?? ""
        return try await SyncgateProcess.run(
            [
                "salvage", "replay", name, "--to", "redis://127.0.0.1:\(replica.port)", "--state-dir", stateDirectory,
                "--format", "json",
            ] + more)
    }

    /// The key of its marker.
    fileprivate func marker() throws -> String {
        guard let header = try kept().first?.file?.header else { return "" }
        return ReplayMarker.key(replicationID: header.replicationID, from: header.from)
    }

    /// What lies in the salvage folder.
    fileprivate func kept() throws -> [SalvageFolder.Entry] {
        try SalvageFolder(path: SalvageFolder.standard(stateDirectory: stateDirectory)).entries()
    }

    /// One whole file, with exactly what was written.
    fileprivate func expectFile() throws {
        let entries = try kept()
        #expect(entries.map(\.problem) == [nil])
        let entry = try #require(entries.first)
        let header = try #require(entry.file).header
        #expect(header.commands == RedisPair.written)
        #expect(header.database == 0)
        let bytes = try RedisPair.bytes("\(SalvageFolder.standard(stateDirectory: stateDirectory))/\(entry.name)")
        var stream = ReplicationStream(at: 0)
        stream.append(bytes)
        var writes: [String] = []
        while let command = try stream.next() {
            guard command.isWrite, command.name != "ECHO" else { continue }
            writes.append(
                "\(command.database ?? -1) "
                    + command.arguments.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " "))
        }
        #expect(
            writes == [
                "0 SET lost:1 one", "0 SET lost:2 a\r\nb\u{0}c", "0 INCR lost:count", "0 INCR lost:count",
                "0 RPUSH lost:list x", "3 SET lost:3 three", "3 DEL lost:3",
            ])
        var status = stat()
        stat("\(SalvageFolder.standard(stateDirectory: stateDirectory))/\(entry.name)", &status)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    /// One snapshot, which a server can load, with so many keys in database 0.
    fileprivate func expectSnapshot(keys: Int) async throws {
        let entries = try kept()
        #expect(entries.map(\.kind) == [.snapshot])
        let entry = try #require(entries.first)
        let folder = SalvageFolder.standard(stateDirectory: stateDirectory)
        try await withRedisServer(master.version, arguments: ["--dir", folder, "--dbfilename", entry.name]) { server in
            let info = try await RedisPair.info(server)
            #expect(info["db0"]?.hasPrefix("keys=\(keys),") == true, "\(info["db0"] ?? "no keys")")
        }
    }

    /// With a small disk over a folder; what has it open already does not notice.
    fileprivate func onDisk(
        bytes: Int, at folder: String, _ body: () async throws -> SyncgateProcess.Outcome
    ) async throws -> SyncgateProcess.Outcome {
        try await Self.run("mount", ["-t", "tmpfs", "-o", "size=\(bytes)", "tmpfs", folder])
        do {
            let outcome = try await body()
            try await Self.run("umount", ["-l", folder])
            return outcome
        } catch {
            try await Self.run("umount", ["-l", folder])
            throw error
        }
    }

    fileprivate static func run(_ name: String, _ arguments: [String]) async throws {
        let places = ["/usr/bin/\(name)", "/bin/\(name)"]
        let path = try #require(places.first { FileManager.default.isExecutableFile(atPath: $0) })
        try await ChildProcess.run(path, arguments, log: "/dev/null")
    }

    private static func bytes(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw ServerTrouble.unusable(path) }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(file, &buffer, buffer.count)
        return Array(buffer[..<max(count, 0)])
    }
}
