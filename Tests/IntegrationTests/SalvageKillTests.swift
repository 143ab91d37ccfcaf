import Glibc
import Operations
import RedisClient
import RedisLab
import Replication
import Salvage
import Testing

/// SyncGate is killed right behind each step of a rejoin, one run after another: nothing that is not whole passes for whole, the
/// old master follows only when its writes are safe, and each run goes on from what the last one left.
@Suite(.serialized)
struct SalvageKillTests {
    @Test("while the backlog is saved", arguments: [RedisVersion.v5_0, .v7_0])
    func backlog(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.loseWrites()
            for step in ["fenced", "reading_backlog", "salvaged"] {
                try await pair.killedRejoin(at: step)
                try await pair.expectNotFollowing()
                try pair.expectWhole(step == "salvaged" ? 1 : 0)
            }
            try await pair.killedRejoin(at: "following")
            try await pair.expectSafe()
            // What is whole in a file is not written again.
            try pair.expectWhole(1)
        }
    }

    @Test("while it is a master again for its backlog, having been parked", arguments: [RedisVersion.v5_0, .v7_0])
    func detached(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.loseWrites()
            try await RedisPair.send(["SLAVEOF", "127.0.0.1", "1"], to: pair.master)
            for step in ["detached", "reading_backlog"] {
                try await pair.killedRejoin(at: step)
                try await pair.expectNotFollowing()
                try pair.expectWhole(0)
            }
            try await pair.killedRejoin(at: "following")
            try await pair.expectSafe()
            try pair.expectWhole(1)
        }
    }

    @Test("while a snapshot is kept", arguments: [RedisVersion.v2_8, .v7_0])
    func snapshot(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            try await pair.loseWrites()
            for step in ["fenced", "saving", "salvaged"] {
                try await pair.killedRejoin(at: step, .snapshot)
                try await pair.expectNotFollowing()
                try pair.expectWhole(step == "salvaged" ? 1 : 0)
            }
            try await pair.killedRejoin(at: "following", .snapshot)
            try await pair.expectSafe()
            // One of an attempt that came to nothing stays.
            try pair.expectWhole(2)
        }
    }

    @Test("while Redis writes the snapshot")
    func savingGoesOn() async throws {
        try await withPair(.v7_0) { pair in
            try await pair.loseWrites()
            // 120 keys: more than a second.
            try await RedisPair.send(["CONFIG", "SET", "rdb-key-save-delay", "10000"], to: pair.master)
            try await pair.killedRejoin(at: "saving", .snapshot, isWaitingForSave: true)
            #expect(try await RedisPair.info(pair.master)["rdb_bgsave_in_progress"] == "1")
            try await pair.expectNotFollowing()
            try pair.expectWhole(0)
            try await RedisPair.send(["CONFIG", "SET", "rdb-key-save-delay", "0"], to: pair.master)
            try await pair.killedRejoin(at: "following", .snapshot)
            try await pair.expectSafe()
            try pair.expectWhole(1)
        }
    }
}

extension RedisPair {
    private var lost: [String] { (0..<20).map { "lost:\($0)" } }

    private var folder: SalvageFolder { SalvageFolder(path: SalvageFolder.standard(stateDirectory: stateDirectory)) }

    /// Both are masters, and the old one has writes of its own.
    fileprivate func loseWrites() async throws {
        try await RedisPair.wait("the replica's offset") {
            try await RedisPair.info(master)["master_repl_offset"] == RedisPair.info(replica)["slave_repl_offset"]
        }
        try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: replica)
        try await RedisPair.send(["SET", "elsewhere", "1"], to: replica)
        for key in lost { try await RedisPair.send(["SET", key, "x"], to: master) }
    }

    /// A rejoin in a process of its own, which kills itself with SIGKILL the moment the step is recorded, before anything
    /// else is done; or once Redis has begun to save.
    fileprivate func killedRejoin(
        at step: String, _ policy: DivergencePolicy = .salvage, isWaitingForSave: Bool = false
    ) async throws {
        let (old, new, state, policy) = (master.port, replica.port, stateDirectory, policy.rawValue)
        await #expect(processExitsWith: .signal(SIGKILL), "\(step)") {
            [
                old = old as Int, new = new as Int, state = state as String, policy = policy as String,
                step = step as String, isWaitingForSave = isWaitingForSave as Bool,
            ] in
            await RedisPair.rejoin(old, new, state, policy, killedAt: step, isWaitingForSave)
        }
        // A guard puts a password back, also after that.
        try await RedisPair.wait("no password") { try await RedisPair.info(master)["role"] != nil }
    }

    fileprivate static func rejoin(
        _ old: Int, _ new: Int, _ state: String, _ policy: String, killedAt last: String, _ isWaitingForSave: Bool
    ) async {
        @Sendable func endpoint(_ port: Int) -> Endpoint {
            Endpoint(url: RedisURL(address: .tcp(host: "127.0.0.1", port: port)))
        }
        var options = DemotionRun.Options(local: endpoint(old), peer: endpoint(new))
        options.stateDirectory = state
        options.force = true
        options.salvage.policy = DivergencePolicy(rawValue: policy) ?? .refuse
        options.guardProgram = SyncgateProcess.sibling("syncgate")
        let report = await DemotionRun(options) { step in
            guard step.step == last else { return }
            guard isWaitingForSave else {
                kill(getpid(), SIGKILL)
                return
            }
            Task.detached {
                try await RedisPair.wait("BGSAVE") {
                    let connection = try await RedisConnection.connect(to: endpoint(old).url, timeout: .seconds(1))
                    let info = try await connection.info(timeout: .seconds(1))
                    await connection.close()
                    return info.contains("rdb_bgsave_in_progress:1")
                }
                kill(getpid(), SIGKILL)
            }
        }.run()
        print("not killed at \(last): \(report)")
    }

    /// The old master is a master, or parked, and has all its writes.
    fileprivate func expectNotFollowing() async throws {
        let info = try await RedisPair.info(master)
        #expect(info["role"] == "master" || info["master_port"] == "1", "\(info["master_port"] ?? "")")
        for key in lost { #expect(try await RedisPair.send(["EXISTS", key], to: master) == .integer(1), "\(key)") }
    }

    /// So many files, each of them whole; nothing else has a name that says so.
    fileprivate func expectWhole(_ count: Int) throws {
        let entries = try folder.entries().filter { !$0.name.hasSuffix(SalvageFileName.partialSuffix) }
        #expect(entries.map(\.problem) == Array(repeating: nil, count: count), "\(entries.map(\.name))")
    }

    /// The next run finds the old master following; and each of its writes is in a whole file, and each snapshot is one.
    fileprivate func expectSafe() async throws {
        let outcome = try await demote(master, peer: replica)
        #expect(outcome.exitCode == 0, "\(outcome.output) \(outcome.errors)")
        try await expectRolesSwapped(countingResyncs: false)
        #expect(try await RedisPair.send(["EXISTS", lost[0]], to: master) == .integer(0))
        for entry in try folder.entries() {
            #expect(entry.problem == nil, "\(entry.name)")
            var kept: Set<String> = []
            switch entry.kind {
            case .writes:
                let reader = try SalvageFileReader(path: "\(folder.path)/\(entry.name)")
                while let command = try reader.next() {
                    guard command.isWrite else { continue }
                    kept.insert(String(decoding: command.arguments[1], as: UTF8.self))
                }
            case .snapshot:
                let arguments = ["--dir", folder.path, "--dbfilename", entry.name]
                try await withRedisServer(master.version, arguments: arguments) { server in
                    for key in lost where try await RedisPair.send(["EXISTS", key], to: server) == .integer(1) {
                        kept.insert(key)
                    }
                }
            }
            #expect(kept.isSuperset(of: lost), "\(entry.name) has \(kept.count) of \(lost.count)")
        }
    }
}
