import Foundation
import RedisClient
import RedisLab
import Replication
import Salvage
import Testing

/// `syncgate salvage replay` on real servers.
@Suite(.serialized)
struct SalvageReplayTests {
    typealias Files = SalvageFiles
    static let versions = RedisVersion.available.filter { [.v2_8, .v6_2, .v7_0, .v8_2].contains($0) }
    static let withHistory = RedisVersion.available.filter { $0 >= .v5_0 }

    /// Several databases, a transaction, binary and empty values, bookkeeping.
    static let mixed: (bytes: [UInt8], commands: Int64) = {
        let binary: [UInt8] = Array(0...255)
        var bytes = Files.resp("SET", "plain", "1") + Files.resp("PING")
        bytes += Files.resp([Array("SET".utf8), [0, 13, 10, 255], binary]) + Files.resp("SET", "empty", "")
        bytes += Files.resp("SELECT", "3") + Files.resp("MULTI") + Files.resp("INCR", "n") + Files.resp("INCR", "n")
        bytes += Files.resp("EXEC") + Files.resp("REPLCONF", "GETACK", "*") + Files.resp("SELECT", "15")
        bytes += Files.resp("RPUSH", "list", "a", "b", "c") + Files.resp("RPUSH", "list", "d")
        return (bytes, 7)
    }()

    private func expectMixed(_ server: RedisServer, markers: Int) async throws {
        #expect(try await server.text(["GET", "plain"]) == "1")
        #expect(try await server.text(["GET", "empty"]) == "")
        #expect(try await server.replies(["SELECT", "3"], ["GET", "n"])[1] == .bulk(Array("2".utf8)))
        #expect(try await server.replies(["SELECT", "15"], ["LLEN", "list"])[1] == .integer(4))
        #expect(try await server.replies(["DBSIZE"])[0] == .integer(Int64(3 + markers)))
        #expect(try await server.markers() == markers)
        let connection = try await server.connection()
        let reply = await connection.pipeline(bytes: [[Array("GET".utf8), [0, 13, 10, 255]]], timeout: .seconds(5))[0]
        #expect(try reply.get() == .bulk(Array(0...255)))
        await connection.close()
    }

    @Test("everything arrives, in its database, and nothing else stays but the marker, for a day", arguments: versions)
    func straight(version: RedisVersion) async throws {
        try await withRedisServer(version) { server in
            try await Files.with { files in
                let name = try files.write(Self.mixed.bytes, commands: Self.mixed.commands)
                let dry = try await files.replay(name, to: server, ["--dry-run"])
                #expect(dry.exitCode == 0, "\(dry.errors)")
                #expect(dry.json("applied") as? Int == 7 && dry.json("dry_run") as? Bool == true)
                #expect(try await server.replies(["DBSIZE"])[0] == .integer(0))
                let outcome = try await files.replay(name, to: server)
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                #expect(outcome.json("result") as? String == "replayed")
                #expect(outcome.json("applied") as? Int == 7 && outcome.json("transactions") as? Int == 1)
                #expect(outcome.json("position") == nil)
                try await expectMixed(server, markers: 1)
                // A second run by mistake sends nothing, and the marker goes away by itself.
                let again = try await files.replay(name, to: server)
                #expect(again.exitCode == 0 && again.json("earlier") as? Int == 7, "\(again.output)")
                try await expectMixed(server, markers: 1)
                guard case .integer(let left) = try await server.replies(["TTL", Files.marker])[0] else { return }
                #expect((86_000...86_400).contains(left))
            }
        }
    }

    @Test("redis-cli --pipe < FILE does the same", arguments: RedisVersion.available)
    func pipe(version: RedisVersion) async throws {
        let folder = "\(RedisVersion.packageRoot)/.cache/redis"
        let clients = ([version] + RedisVersion.available.reversed()).map { "\(folder)/\($0)/bin/redis-cli" }
        let client = try #require(clients.first { FileManager.default.isExecutableFile(atPath: $0) })
        try await withRedisServer(version) { server in
            try await Files.with { files in
                let name = try files.write(Self.mixed.bytes, commands: Self.mixed.commands)
                let log = "\(files.folder)/log"
                try await ChildProcess.run(
                    "/bin/sh", ["-c", "\(client) -p \(server.port) --pipe < \(files.folder)/\(name); true"], log: log)
                let text = TemporaryDirectory.tail(of: log)
                // REPLCONF GETACK, which masters send from 3.0 on: Redis 2.8 does not know it.
                #expect(text.contains(version == .v2_8 ? "errors: 1," : "errors: 0,"), "\(text)")
                try await expectMixed(server, markers: 0)
            }
        }
    }

    /// `count` increments over 40 keys of two databases, every tenth pair of them as a transaction.
    static func increments(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in stride(from: 0, to: count, by: 2) {
            if number.isMultiple(of: 400) { bytes += Files.resp("SELECT", "\(number / 400 % 2)") }
            let pair = Files.resp("INCR", "n\(number % 40)") + Files.resp("INCR", "n\((number + 1) % 40)")
            bytes += number.isMultiple(of: 20) ? Files.resp("MULTI") + pair + Files.resp("EXEC") : pair
        }
        return bytes
    }

    private func expectIncrements(_ count: Int, _ server: RedisServer) async throws {
        var total: Int64 = 0
        for database in 0...1 {
            for key in 0..<40 {
                let value = try await server.replies(["SELECT", "\(database)"], ["GET", "n\(key)"])[1].text
                let found = Int64(value ?? "") ?? 0
                #expect(found == count / 80, "database \(database), n\(key)")
                total += found
            }
        }
        #expect(total == Int64(count))
        #expect(try await server.markers() == 1)
    }

    @Test("killed, stopped and cut off again and again: each INCR once", arguments: versions)
    func interrupted(version: RedisVersion) async throws {
        try await withRedisServer(version) { server in
            try await Files.with { files in
                let count = 8000
                let name = try files.write(Self.increments(count), commands: Int64(count))
                var codes: [Int32] = []
                var resumes = 0
                var last: String?
                for round in 0..<60 {
                    let run = try await SyncgateProcess.start(
                        files.replaying(name, to: server, ["--batch", "\(round % 3 * 3 + 1)"]))
                    for _ in 0..<2 where round < 12 {
                        try await RedisPair.wait("some writes") {
                            let now = try await server.text(["GET", Files.marker])
                            defer { last = now }
                            return now != last
                        }
                        try await Task.sleep(for: .milliseconds(round * 2))
                        try await RedisPair.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], to: server)
                    }
                    if round < 12 { run.signal(round.isMultiple(of: 2) ? SIGKILL : SIGTERM) }
                    let outcome = await run.wait()
                    codes.append(outcome.exitCode)
                    if outcome.json("resumed_at") != nil { resumes += 1 }
                    if outcome.exitCode == 0 { break }
                }
                #expect(codes.last == 0, "\(codes)")
                #expect(codes.count > 2 && resumes > 0, "\(codes), \(resumes) went on")
                try await expectIncrements(count, server)
            }
        }
    }

    @Test(
        "the server is killed and comes back with its data: it goes on by itself",
        arguments: [RedisVersion.v6_2, .v7_0])
    func serverRestarts(version: RedisVersion) async throws {
        try await withRedisServer(version, arguments: ["--appendonly", "yes", "--appendfsync", "always"]) { server in
            try await Files.with { files in
                let count = 8000
                let name = try files.write(Self.increments(count), commands: Int64(count))
                let run = try await SyncgateProcess.start(files.replaying(name, to: server, ["--batch", "2"]))
                for _ in 0..<2 {
                    try await Task.sleep(for: .milliseconds(300))
                    try await server.restart()
                }
                let outcome = await run.wait()
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                #expect(outcome.json("reconnects") as? Int ?? 0 > 0)
                try await expectIncrements(count, server)
            }
        }
    }

    @Test("a server that comes back without its data, and one that stays away, are told apart")
    func serverGone() async throws {
        try await withRedisServer(.v7_0) { server in
            try await Files.with { files in
                let name = try files.write(Self.increments(40_000), commands: 40_000)
                let run = try await SyncgateProcess.start(files.replaying(name, to: server, ["--batch", "1"]))
                try await RedisPair.wait("some writes") { try await server.markers() == 1 }
                try await server.restart()
                let emptied = await run.wait()
                #expect(emptied.exitCode == 1, "\(emptied.output)")
                #expect(emptied.errors.contains("marker of this replay is gone"), "\(emptied.errors)")
                let other = try await SyncgateProcess.start(
                    files.replaying(name, to: server, ["--batch", "1", "--retry", "1s"]))
                try await RedisPair.wait("some writes") { try await server.markers() == 1 }
                await server.kill()
                let lost = await other.wait()
                #expect(lost.exitCode == 3, "\(lost.output)")
                #expect(lost.errors.contains("run the same command again: it goes on at offset"), "\(lost.errors)")
            }
        }
    }

    @Test(
        "a write that fails stops it, and the next run goes on behind it; --skip-errors lists all", arguments: versions)
    func failures(version: RedisVersion) async throws {
        let bytes =
            Files.resp("INCR", "a") + Files.resp("LPUSH", "text", "x") + Files.resp("INCR", "a")
            + Files.resp("NOSUCHCOMMAND", "k") + Files.resp("INCR", "a")
        try await withRedisServer(version) { server in
            try await Files.with { files in
                let name = try files.write(bytes, commands: 5)
                try await RedisPair.send(["SET", "text", "t"], to: server)
                let one = ["--batch", "1"]
                let first = try await files.replay(name, to: server, one)
                #expect(first.exitCode == 1 && first.json("result") as? String == "failed")
                #expect(first.errors.contains("see to that write by hand"), "\(first.errors)")
                #expect(
                    ((first.json("failures") as? [[String: Any]])?.first)?["command"] as? String
                        == #""LPUSH" "text" "x""#)
                #expect(try await server.text(["GET", "a"]) == "1")
                let second = try await files.replay(name, to: server, one)
                #expect(second.exitCode == 1 && second.errors.contains("unknown command"), "\(second.errors)")
                #expect(try await server.text(["GET", "a"]) == "2")
                let third = try await files.replay(name, to: server, one)
                #expect(third.exitCode == 1 && third.errors.contains("unknown command"), "it was not executed")
                let last = try await files.replay(name, to: server, ["--skip-errors"])
                #expect(last.exitCode == 1 && last.json("failed") as? Int == 1, "\(last.output)")
                #expect(try await server.text(["GET", "a"]) == "3")
                try await RedisPair.send(["DEL", Files.marker], to: server)
                let whole = try await files.replay(name, to: server, ["--skip-errors"])
                #expect(whole.json("failed") as? Int == 2 && whole.json("applied") as? Int == 3, "\(whole.output)")
                #expect(try await server.text(["GET", "a"]) == "6")
            }
        }
    }

    @Test("a server without memory stops it, also with --skip-errors", arguments: [RedisVersion.v2_8, .v7_0])
    func outOfMemory(version: RedisVersion) async throws {
        try await withRedisServer(version, arguments: ["--maxmemory", "1", "--maxmemory-policy", "noeviction"]) {
            server in
            try await Files.with { files in
                let name = try files.write(Files.resp("SET", "a", "1"), commands: 1)
                let outcome = try await files.replay(name, to: server, ["--skip-errors"])
                #expect(outcome.exitCode == 1 && outcome.errors.contains("OOM"), "\(outcome.errors)")
                try await RedisPair.send(["CONFIG", "SET", "maxmemory", "0"], to: server)
                #expect(try await files.replay(name, to: server).exitCode == 0)
            }
        }
    }
}
