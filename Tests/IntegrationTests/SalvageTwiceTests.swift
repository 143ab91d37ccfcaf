import Operations
import RedisClient
import RedisLab
import Testing

/// A file is replayed to a server that fails in turn, so that what it had of the replay is salvaged as well.
@Suite(.serialized)
struct SalvageTwiceTests {
    typealias Files = SalvageFiles

    /// Of all counters of `SalvageReplayTests.increments`.
    private func total(_ server: RedisServer) async throws -> Int {
        var total = 0
        for database in 0...1 {
            for key in 0..<40 {
                let value = try await server.replies(["SELECT", "\(database)"], ["GET", "n\(key)"])[1].text
                total += Int(value ?? "") ?? 0
            }
        }
        return total
    }

    @Test(
        "replayed again, and then what was salvaged of it, or the other way round: each INCR once",
        arguments: [true, false])
    func twice(isFirst: Bool) async throws {
        try await withPair(.v7_0, keys: 1) { pair in
            try await Files.with { files in
                let first = try files.write(SalvageReplayTests.increments(2000), commands: 2000)
                let run = try await SyncgateProcess.start(files.replaying(first, to: pair.master, ["--batch", "1"]))
                try await RedisPair.wait("some of them on the replica") { try await pair.replica.markers() == 1 }
                try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
                #expect(await run.wait().exitCode == 0)
                try await RedisPair.send(["INCR", "client"], to: pair.master)
                let had = try await total(pair.replica)
                #expect(had > 0 && had < 2000)
                #expect(try await pair.demote(pair.master, peer: pair.replica, ["--force"]).exitCode == 4)
                let folder = SalvageFolder.standard(stateDirectory: pair.stateDirectory)
                let second = try #require(try SalvageFolder(path: folder).entries().first?.name)
                if isFirst { try await again(files, first, pair.replica, earlier: had) }
                let outcome = try await files.replay("\(folder)/\(second)", to: pair.replica)
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                #expect((outcome.json("held") as? Int ?? 0 > 0) == isFirst, "\(outcome.output)")
                if !isFirst { try await again(files, first, pair.replica, earlier: 2000) }
                #expect(try await total(pair.replica) == 2000)
                #expect(try await pair.replica.text(["GET", "client"]) == "1")
                // It still goes away by itself.
                let left = try await pair.replica.replies(["TTL", Files.marker])[0]
                var isExpiring = false
                if case .integer(let seconds) = left { isExpiring = (86_000...86_400).contains(seconds) }
                #expect(isExpiring, "\(left)")
            }
        }
    }

    private func again(_ files: Files, _ name: String, _ server: RedisServer, earlier: Int) async throws {
        let outcome = try await files.replay(name, to: server)
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.json("earlier") as? Int == earlier, "\(outcome.output)")
    }

    @Test("a batch of which the server has a part only is refused, and nothing is sent")
    func mixed() async throws {
        try await withRedisServer(.v7_0) { server in
            try await Files.with { files in
                let name = try files.write(
                    Files.resp("INCR", "before") + Files.resp("MULTI") + Files.resp("INCR", "n")
                        + Files.resp("SET", "syncgate:replay:f:5", "50") + Files.resp("INCR", "m")
                        + Files.resp("SET", "syncgate:replay:g:7", "90") + Files.resp("EXEC"), commands: 5)
                try await RedisPair.send(["SET", "syncgate:replay:f:5", "60"], to: server)
                let outcome = try await files.replay(name, to: server)
                #expect(outcome.exitCode == 1 && outcome.errors.contains("syncgate:replay:f:5"), "\(outcome.errors)")
                #expect(try await server.replies(["DBSIZE"])[0] == .integer(1))
            }
        }
    }
}
