import Foundation
import Glibc
import LossOracle
import NetworkLab
import RedisLab
import Testing

/// Something goes wrong while an old master's writes are being saved: no partial file passes for a whole one, and each write is
/// still with the old master, or in a whole file, or with the new master.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct SalvageFaultTests {
    @Test(.timeLimit(.minutes(6)))
    func `the daemon is killed six times while it saves`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            var kills = 0
            while kills < 6 {
                let lost = try await Lost.make(pair, round: kills, kilobytes: 20_000)
                // Until it has come through once, which may be at the first attempt.
                while kills < 6, try await lost.old.redis.info()["role"] != "slave" {
                    try await lost.attempt {
                        if kills.isMultiple(of: 2) { try await lost.waitForSaving(upTo: .seconds(5)) }
                        let most = kills.isMultiple(of: 2) ? 150 : 2500
                        try await Task.sleep(for: .milliseconds(Int.random(in: 0...most)))
                    }
                    kills += 1
                    try await lost.requireSafe("after kill \(kills)")
                }
                try await lost.finish()
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a disk that is full keeps the old master as it is, until there is room`() async throws {
        try await withPairLab { pair in
            let disks = try await SmallDisk.mount(pair, kilobytes: 256)
            do {
                try await pair.start()
                let lost = try await Lost.make(pair, round: 0, kilobytes: 1000)
                try await lost.old.daemon.start()
                try await pair.lab.mend(lost.old.leaf, .cable)
                try await waitUntil("the daemon says what is lacking", within: .seconds(20), pause: .milliseconds(100))
                {
                    pair.nodes.contains { $0.daemon.text.contains("are free") }
                }
                try await Task.sleep(for: .seconds(2))
                try #require(try await lost.missing(at: lost.old.redis).isEmpty, "it followed, and nothing was saved")
                for folder in lost.folders { try #require(!folder.names.contains(where: KeptFiles.isWrites)) }
                for disk in disks { try await disk.resize(kilobytes: 65_536) }
                _ = try await pair.waitUntilSettled()
                try await lost.requireKept()
            } catch {
                for disk in disks { try await disk.unmount() }
                throw error
            }
            for disk in disks { try await disk.unmount() }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `the old master dies while it is being saved`() async throws {
        var settings = PairLab.Settings()
        settings.redis.keepsData = true
        settings.redis.more = ["appendfsync always"]
        try await withPairLab(settings) { pair in
            try await pair.start()
            let lost = try await Lost.make(pair, round: 0, kilobytes: 20_000)
            try await lost.old.daemon.start()
            try await pair.lab.mend(lost.old.leaf, .cable)
            try await lost.waitForSaving(upTo: .seconds(20))
            await lost.old.redis.kill()
            for folder in lost.folders { try #require(folder.flaws() == []) }
            try await Task.sleep(for: .milliseconds(500))
            try await lost.old.redis.start()
            _ = try await pair.waitUntilSettled()
            try await lost.requireKept()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `the new master dies while the old one is being saved`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            let lost = try await Lost.make(pair, round: 0, kilobytes: 20_000)
            try await lost.old.daemon.start()
            try await pair.lab.mend(lost.old.leaf, .cable)
            let before = try await lost.timesServing(lost.old)
            try await lost.waitForSaving(upTo: .seconds(20))
            await lost.new.redis.kill()
            try await lost.requireSafe("when the new master has died")
            try await Task.sleep(for: .milliseconds(500))
            try await lost.new.redis.start()
            let serving = try await pair.waitUntilSettled()
            // The second failover: the old one, which still is a master, serves again.
            let after = try await lost.timesServing(lost.old)
            try #require(
                serving.leaf == lost.old.leaf && after > before, "served \(before) times before, \(after) since")
            let missing = try await lost.missing(at: serving.redis)
            try #require(missing.subtracting(try await lost.kept()).isEmpty)
            for folder in lost.folders { try #require(folder.flaws() == []) }
        }
    }
}

/// Writes that a node took after the other one was promoted; it is off the wire, and its daemon is dead.
private struct Lost {
    let pair: PairLab
    let old: PairLab.Node
    let new: PairLab.Node
    let keys: Set<String>
    private static let valueLength = 100_000

    var folders: [KeptFiles] { pair.nodes.map { KeptFiles($0.daemon.salvageDirectory) } }

    static func make(_ pair: PairLab, round: Int, kilobytes: Int) async throws -> Lost {
        let old = try #require(try await pair.holder())
        let new = pair.peer(of: old)
        try await pair.lab.cut(old.leaf, .cable)
        try await pair.waitUntilServing(new, isFollowed: false)
        await old.daemon.kill()
        let value = String(repeating: "x", count: valueLength)
        let keys = (0..<(kilobytes * 1000 / valueLength)).map { "lost:\(round):\($0)" }
        for key in keys { try #require(try await old.redis.ask(["SET", key, value]) == .simpleString("OK")) }
        try await new.redis.ask(["SET", "since:\(round)", "1"])
        return Lost(pair: pair, old: old, new: new, keys: Set(keys))
    }

    /// Starts the old master's daemon, lets the node on the wire, and kills the daemon after `time`.
    func attempt(_ time: () async throws -> Void) async throws {
        try await old.daemon.start()
        try await pair.lab.mend(old.leaf, .cable)
        try await time()
        await old.daemon.kill()
        try await pair.lab.cut(old.leaf, .cable)
    }

    /// Lets it come to its end, and sees that all of it was kept.
    func finish() async throws {
        if old.daemon.process?.isRunning != true { try await old.daemon.start() }
        try await pair.lab.mend(old.leaf, .cable)
        _ = try await pair.waitUntilSettled()
        // What a killed daemon was writing stays, under a name that nobody takes for a whole one.
        try await requireKept()
    }

    /// Waits until a file is being written, or is there; or until the time is over.
    func waitForSaving(upTo limit: Duration) async throws {
        let before = folders.reduce(into: Set<String>()) { $0.formUnion($1.names) }
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if folders.contains(where: { !$0.names.isSubset(of: before) }) { return }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// How often a node came to serve, as its history has it.
    func timesServing(_ node: PairLab.Node) async throws -> Int {
        let outcome = try await node.daemon.command(["history", "--format", "json"])
        let entries = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]] ?? []
        return entries.count { $0["to"] as? String == "serving" }
    }

    /// The keys that a server does not have.
    func missing(at redis: LabRedis) async throws -> Set<String> {
        var missing: Set<String> = []
        for key in keys where try await redis.ask(["EXISTS", key]) != .integer(1) { missing.insert(key) }
        return missing
    }

    /// The keys in whole files and snapshots.
    func kept() async throws -> Set<String> {
        var kept: Set<String> = []
        for folder in folders {
            kept.formUnion(try folder.savedKeys())
            kept.formUnion(try await folder.snapshotKeys(version: pair.settings.redis.version))
        }
        return kept
    }

    /// No file is less than its name says, and what the old master no longer has is in a whole one.
    func requireSafe(_ moment: String) async throws {
        for folder in folders { try #require(folder.flaws() == [], "\(moment)") }
        let missing = try await missing(at: old.redis)
        if missing.isEmpty { return }
        let nowhere = missing.subtracting(try await kept())
        try #require(nowhere.isEmpty, "\(moment): \(nowhere.count) writes are nowhere")
    }

    /// All of it is in whole files; and no partial file is left.
    func requireKept() async throws {
        for folder in folders {
            try #require(folder.flaws() == [])
            try #require(folder.names.filter(KeptFiles.isPartial) == [])
        }
        let nowhere = keys.subtracting(try await kept())
        try #require(nowhere.isEmpty, "\(nowhere.count) of \(keys.count) writes were not kept")
    }
}

/// A small disk where a node keeps what it saves. It must be there before the daemon is.
private struct SmallDisk {
    let path: String

    /// One for each node.
    static func mount(_ pair: PairLab, kilobytes: Int) async throws -> [SmallDisk] {
        var disks: [SmallDisk] = []
        for node in pair.nodes {
            let disk = SmallDisk(path: node.daemon.salvageDirectory)
            try FileManager.default.createDirectory(
                atPath: disk.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try await run("mount", ["-t", "tmpfs", "-o", "size=\(kilobytes)k,mode=0700", "tmpfs", disk.path])
            disks.append(disk)
        }
        return disks
    }

    func resize(kilobytes: Int) async throws {
        try await Self.run("mount", ["-o", "remount,size=\(kilobytes)k", path])
    }

    func unmount() async throws { try await Self.run("umount", ["-l", path]) }

    private static func run(_ name: String, _ arguments: [String]) async throws {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("syncgate-mount.log").path
        let places = ["/usr/bin/\(name)", "/bin/\(name)"]
        let path = try #require(places.first { FileManager.default.isExecutableFile(atPath: $0) })
        try await ChildProcess.run(path, arguments, log: log)
    }
}
