import Foundation
import RedisClient
import RedisLab
import Testing

/// What a report tells the operator to run can be run as it stands.
@Suite(.serialized)
struct PastedCommandTests {
    /// A file with a password in it.
    private static func passwordFile(_ pair: RedisPair) throws -> String {
        let path = "\(pair.stateDirectory).password"
        try "secret\n".write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// The command in a sentence of a report, as words.
    private static func command(in sentence: String?, passwordFile: String) throws -> [String] {
        let sentence = try #require(sentence)
        let start = try #require(sentence.range(of: "syncgate "))
        return sentence[start.upperBound...].split(separator: " ").map { $0 == "FILE" ? passwordFile : String($0) }
    }

    @Test func `the way back of a dead master that has a password`() async throws {
        try await withPair(.v7_0) { pair in
            let file = try Self.passwordFile(pair)
            defer { try? FileManager.default.removeItem(atPath: file) }
            for server in [pair.master, pair.replica] {
                try await RedisPair.send(["CONFIG", "SET", "masterauth", "secret"], to: server)
                try await RedisPair.send(["CONFIG", "SET", "requirepass", "secret"], to: server)
            }
            await pair.master.kill()
            let promoted = try await SyncgateProcess.run([
                "promote", "--local", "redis://:secret@127.0.0.1:\(pair.replica.port)", "--format", "json",
                "--state-dir", pair.stateDirectory,
            ])
            #expect(promoted.json("result") as? String == "promoted", "\(promoted)")
            try await pair.master.restart(
                arguments: ["--requirepass", "secret", "--masterauth", "secret"], untilLoaded: false)
            let next = try Self.command(in: promoted.json("next") as? String, passwordFile: file)
            #expect(next.starts(with: ["demote", "--local", "redis://127.0.0.1:\(pair.master.port)"]), "\(next)")
            let demoted = try await SyncgateProcess.run(next + ["--state-dir", pair.stateDirectory])
            #expect(demoted.exitCode == 0, "\(next): \(demoted)")
        }
    }

    @Test func `the configuration of the daemon is enough for the single commands`() async throws {
        try await withPair(.v7_0) { pair in
            let file = try Self.passwordFile(pair)
            let toml = "\(pair.stateDirectory).toml"
            defer { for path in [file, toml] { try? FileManager.default.removeItem(atPath: path) } }
            for server in [pair.master, pair.replica] {
                try await RedisPair.send(["CONFIG", "SET", "masterauth", "secret"], to: server)
                try await RedisPair.send(["CONFIG", "SET", "requirepass", "secret"], to: server)
            }
            let text = """
                node = "one"
                state_directory = "\(pair.stateDirectory)"
                [[virtual_router]]
                vrid = 51
                interface = "lo"
                addresses = ["198.51.100.100/24"]
                [virtual_router.local]
                url = "redis://127.0.0.1:\(pair.replica.port)"
                password_file = "\(file)"
                [virtual_router.peer]
                url = "redis://127.0.0.1:\(pair.master.port)"
                """
            try text.write(toFile: toml, atomically: true, encoding: .utf8)
            chmod(toml, 0o600)
            let lag = try await SyncgateProcess.run(["lag", "--config", toml, "--format", "json"])
            #expect(lag.exitCode == 0, "\(lag)")
            let promoted = try await SyncgateProcess.run(["promote", "--format", "json", "--config", toml])
            #expect(promoted.exitCode == 0, "\(promoted)")
            // Back again: the peer is its replica now.
            let demoted = try await SyncgateProcess.run(["demote", "--format", "json", "--config", toml])
            #expect(demoted.exitCode == 0, "\(demoted)")
            let wrong = try await SyncgateProcess.run(["promote", "--config", toml, "--router", "other"])
            #expect(wrong.exitCode == 2)
            #expect(wrong.errors.contains("has no virtual router other; give one of them as --router: redis"))
        }
    }
}
