import Foundation
import RedisLab
import Testing

/// What root's commands leave in the state folder of a daemon that is another user: it must be able to go on with it.
@Suite(.serialized, .enabled(if: geteuid() == 0, "only root can give files away"))
struct OwnerTests {
    private static let nobody: uid_t = 65534

    /// The owners and permissions of all files below a folder.
    private static func files(in folder: String) throws -> [String: (owner: uid_t, mode: mode_t)] {
        var found: [String: (owner: uid_t, mode: mode_t)] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
            var status = stat()
            try #require(lstat("\(folder)/\(name)", &status) == 0)
            found[name] = (status.st_uid, status.st_mode & 0o777)
        }
        return found
    }

    @Test func `lock, journal and salvage belong to the folder's owner`() async throws {
        try await withPair(.v7_0) { pair in
            try #require(chown(pair.stateDirectory, Self.nobody, Self.nobody) == 0)
            try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
            try await RedisPair.send(["SET", "one", "1"], to: pair.master)
            try await RedisPair.send(["SET", "two", "2"], to: pair.replica)
            let outcome = try await pair.demote(pair.master, peer: pair.replica, ["--force"])
            #expect(outcome.exitCode == 4, "\(outcome)")
            let files = try Self.files(in: pair.stateDirectory)
            let lock = try #require(files.first { $0.key.hasSuffix(".lock") })
            #expect(lock.value.mode == 0o600)
            #expect(files["salvage"]?.mode == 0o700)
            #expect(files.contains { $0.key.hasPrefix("salvage/") && $0.value.mode == 0o600 })
            for (name, file) in files { #expect(file.owner == Self.nobody, "\(name)") }
        }
    }

    @Test func `what has another name, or is another user's, is not given away`() async throws {
        try await withPair(.v7_0) { pair in
            let lock = "\(pair.stateDirectory)/promote-redis___127.0.0.1_\(pair.replica.port).journal.lock"
            let other = "\(pair.stateDirectory).other"
            defer { unlink(other) }
            try "".write(toFile: other, atomically: true, encoding: .utf8)
            try #require(link(other, lock) == 0)
            try #require(chown(pair.stateDirectory, Self.nobody, Self.nobody) == 0)
            #expect(try await pair.promote().exitCode == 0)
            var status = stat()
            #expect(stat(other, &status) == 0 && status.st_uid == 0)
        }
    }

    @Test func `that there is no lock, and a journal that cannot be read, is said`() async throws {
        try await withPair(.v7_0) { pair in
            let steps = { (outcome: SyncgateProcess.Outcome) in
                (outcome.json("steps") as? [[String: Any]] ?? []).compactMap { $0["step"] as? String }
            }
            let journal = "\(pair.stateDirectory)/promote-redis___127.0.0.1_\(pair.replica.port).journal"
            try "nonsense\n".write(toFile: journal, atomically: true, encoding: .utf8)
            let damaged = try await pair.promote()
            #expect(damaged.exitCode == 0, "\(damaged)")
            #expect(steps(damaged).contains("journal_unreadable"), "\(damaged)")
            let back = try await SyncgateProcess.run([
                "demote", "--local", "redis://127.0.0.1:\(pair.replica.port)", "--peer",
                "redis://127.0.0.1:\(pair.master.port)", "--format", "json", "--state-dir", "/proc/syncgate",
            ])
            #expect(back.exitCode == 0, "\(back)")
            #expect(steps(back).contains("no_lock"), "\(back)")
        }
    }
}
