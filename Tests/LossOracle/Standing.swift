import NetworkLab
import RedisLab

/// What is kept and counted on both nodes at one time.
struct Standing {
    /// Every file of the salvage folders, with what is in it.
    let files: [[String: Int]]
    /// The last entries of the histories.
    let entries: [Int]
    /// `sync_full` of the servers.
    let fullSyncs: [Int]

    init(_ pair: PairLab) async throws {
        files = try pair.nodes.map { try KeptFiles($0.daemon.salvageDirectory).fingerprints() }
        var entries: [Int] = []
        var fullSyncs: [Int] = []
        for node in pair.nodes {
            entries.append(try await History.last(of: node))
            fullSyncs.append(Int(try await node.redis.info()["sync_full"] ?? "") ?? 0)
        }
        (self.entries, self.fullSyncs) = (entries, fullSyncs)
    }

    /// Files that were not there before.
    func added(since before: Standing, _ node: PairLab.Node) -> [String] {
        let index = node.leaf.number - 1
        return files[index].keys.filter { before.files[index][$0] == nil }.sorted()
    }

    /// What is wrong with what came after.
    func complaints(_ after: Standing) -> [String] {
        var complaints: [String] = []
        for (index, (one, other)) in zip(files, after.files).enumerated() {
            let place = "node \(index + 1)'s salvage folder"
            for (name, content) in one.sorted(by: { $0.key < $1.key }) where other[name] != content {
                complaints.append(
                    "\(place): \(name) of an earlier failover \(other[name] == nil ? "is gone" : "has changed")")
            }
            for name in other.keys.sorted() where KeptFiles.isPartial(name) {
                complaints.append("\(place): \(name) was left behind")
            }
        }
        return complaints
    }
}

/// The commands of SyncGate for what was saved.
public enum Salvaging {
    /// Whether this build can replay; with one that cannot, that is left out.
    public static func canReplay() async throws -> Bool {
        try await SyncgateProcess.run(["salvage", "replay", "--help"]).output.contains("--to")
    }

    /// Replays a file to the server at a unix socket; returns what went wrong.
    public static func replay(_ file: String, to socket: String) async throws -> String? {
        let outcome = try await SyncgateProcess.start(["salvage", "replay", file, "--to", "unix://\(socket)"])
            .wait(limit: .seconds(120))
        return outcome.exitCode == 0 ? nil : "exit code \(outcome.exitCode): \(outcome.errors)\(outcome.output)"
    }
}
