import Foundation
import Glibc
import Operations
import RedisLab
import Salvage
import Testing

/// `syncgate salvage list` and `show`, and a folder with strange things in it.
@Suite(.serialized)
struct SalvageListTests {
    typealias Files = SalvageFiles

    private func list(_ files: Files, _ more: [String] = []) async throws -> SyncgateProcess.Outcome {
        try await SyncgateProcess.run(["salvage", "list", "--salvage-dir", files.folder] + more)
    }

    private func entries(_ outcome: SyncgateProcess.Outcome) throws -> [[String: Any]] {
        try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
    }

    @Test("whole files, snapshots, partial ones, and whatever else lies there")
    func folder() async throws {
        try await Files.with { files in
            let name = try files.write(SalvageReplayTests.mixed.bytes, commands: 7)
            func put(_ name: String, _ text: String) throws {
                try Data(text.utf8).write(to: URL(fileURLWithPath: "\(files.folder)/\(name)"))
            }
            try put("20251122T101113.000Z-redis-b-\(Files.history)-51-120-p4.rdb", "REDIS0009")
            try put("20251122T101114.000Z-redis-b-\(Files.history)-51-120.resp.partial", "*2\r\n")
            try put("y.resp", "*2\r\n$4\r\nECHO\r\n$999")
            try put("notes.txt", "")
            symlink("/etc/passwd", "\(files.folder)/z1.resp")
            mkfifo("\(files.folder)/z2.resp", 0o600)
            mkdir("\(files.folder)/z3.resp", 0o700)
            let huge = open("\(files.folder)/z4.resp", O_WRONLY | O_CREAT, 0o600)
            ftruncate(huge, 1 << 40)
            close(huge)
            let outcome = try await list(files, ["--format", "json"])
            #expect(outcome.exitCode == 0 && outcome.duration < .seconds(5))
            let found = try entries(outcome)
            #expect(found.count == 8)
            #expect(found[0]["file"] as? String == name)
            #expect(found[0]["kind"] as? String == "writes" && found[0]["node"] as? String == "redis-a")
            #expect(found[0]["commands"] as? Int == 7 && found[0]["transition"] as? Int == 17)
            #expect(found[0]["from"] as? Int == 101 && found[0]["problem"] is NSNull)
            #expect(found[0]["epoch"] as? Int == 3 && found[1]["epoch"] as? Int == 4)
            #expect(found[0]["written_after"] as? String == "2025-11-22T10:11:11.000Z")
            #expect(found[1]["kind"] as? String == "snapshot" && found[1]["node"] as? String == "redis-b")
            #expect(found[1]["time"] as? String == "2025-11-22T10:11:13.000Z" && found[1]["bytes"] as? Int == 9)
            #expect(found[1]["commands"] is NSNull && found[1]["problem"] is NSNull)
            let problems = found.dropFirst(2).map { $0["problem"] as? String ?? "" }
            for (problem, words) in zip(
                problems,
                [
                    "not whole", "ends inside its header", "symbolic link", "not an ordinary file",
                    "not an ordinary file", "does not begin",
                ])
            {
                #expect(problem.contains(words), "\(problem)")
            }
            let table = try await list(files).output
            #expect(
                table.contains("  COMMANDS  DB  PROMOTION\n")
                    && table.contains("  2025-11-22T10:11:11.000Z  2025-11-22T10:11:12.345Z  "))
            #expect(table.contains("FILE ") && table.contains("7 commands in 1 whole salvage file\n"), "\(table)")
            let saved = try SalvageFolder(path: files.folder).entries().compactMap(\.saved)
            #expect(saved.map(\.name) == [name] && saved.first?.writes == 7)
            #expect(
                saved.first?.span
                    == StreamSpan(
                        psyncID: Files.history, from: 101, to: 101 + Int64(SalvageReplayTests.mixed.bytes.count)))
        }
    }

    @Test("a file that does not know for which database its first writes are meant says so in the list")
    func unplaced() async throws {
        try await Files.with { files in
            _ = try files.write(Files.resp("INCR", "n"), commands: 1, database: nil)
            let table = try await list(files).output
            #expect(table.contains("         1   ?          3\n"), "\(table)")
            #expect(table.contains("    ! for which database the first of them are meant is not known"), "\(table)")
        }
    }

    @Test("a folder that is not there is empty; one that cannot be read is an error")
    func noFolder() async throws {
        let missing = try await SyncgateProcess.run(["salvage", "list", "--salvage-dir", "/nonexistent/x"])
        #expect(missing.exitCode == 0 && missing.output == "nothing is kept in /nonexistent/x\n")
        let wrong = try await SyncgateProcess.run(["salvage", "list", "--salvage-dir", "/dev/null"])
        #expect(wrong.exitCode == 2 && wrong.errors.contains("--salvage-dir"), "\(wrong.errors)")
        #expect(
            try await SyncgateProcess.run(["salvage", "list", "--state-dir", "/x", "--config", "/y"]).exitCode == 2)
        let state = try await SyncgateProcess.run(["salvage", "list", "--state-dir", "/nonexistent"])
        #expect(state.output == "nothing is kept in /nonexistent/salvage\n")
    }

    @Test("commands one per line, binary-safe, from an offset, and as JSON lines")
    func show() async throws {
        try await Files.with { files in
            let name = try files.write(SalvageReplayTests.mixed.bytes, commands: 7)
            let base = ["salvage", "show", name, "--salvage-dir", files.folder]
            let outcome = try await SyncgateProcess.run(base)
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            let lines = outcome.output.split(separator: "\n").map(String.init)
            #expect(lines.contains(#"         101   0  "SET" "plain" "1""#), "\(outcome.output)")
            #expect(outcome.output.contains(#""SET" "\x00\r\n\xff" "\x00\x01"#))
            #expect(outcome.output.contains("...(256 bytes)"))
            #expect(outcome.output.contains(#" 3    "INCR" "n""#))
            #expect(!outcome.output.contains("PING") && outcome.output.contains("promotion 3 of the pair"))
            let full = try await SyncgateProcess.run(base + ["--full", "--all"])
            #expect(full.output.contains(#"\xfe\xff""#) && full.output.contains(#""PING""#))
            let part = try await SyncgateProcess.run(base + ["--offset", "102", "--limit", "1"])
            #expect(part.output.split(separator: "\n").last?.contains(#""SET" "plain""#) == true)
            let json = try await SyncgateProcess.run(base + ["--format", "json"])
            let objects = try json.output.split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            #expect(objects.count == 10 && objects[0]["replid"] as? String == Files.history)
            #expect(
                objects[2]["arguments"] as? [String] == ["SET", #"\x00\r\n\xff"#] + [
                    CommandText.escaped(Array(0...255))
                ])
            #expect(objects[5]["transaction"] as? Bool == true && objects[5]["database"] as? Int == 3)
            let path = try await SyncgateProcess.run(["salvage", "show", "\(files.folder)/\(name)"])
            #expect(path.exitCode == 0)
            #expect(try await SyncgateProcess.run(["salvage", "show", "/etc/passwd"]).exitCode == 1)
            #expect(try await SyncgateProcess.run(["salvage", "show", "/nonexistent/x.resp"]).exitCode == 2)
        }
    }
}
