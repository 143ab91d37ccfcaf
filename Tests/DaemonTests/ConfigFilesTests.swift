import Daemon
import Foundation
import NetworkLab
import RedisLab
import Testing

/// The files in `config/` that other programs read.
@Suite(.serialized)
struct ConfigFilesTests {
    private static let folder = "\(RedisVersion.packageRoot)/config"

    @Test("Redis starts with the fragment, and is what it says", arguments: RedisVersion.available)
    func fragment(version: RedisVersion) async throws {
        try await withRedisServer(version, arguments: ["--include", "\(Self.folder)/redis-syncgate.conf"]) { server in
            let connection = try await server.connection()
            let limit = Duration.seconds(5)
            let expected = [
                "slave-read-only": "yes", "slave-serve-stale-data": "yes", "repl-backlog-size": "67108864",
                "repl-backlog-ttl": "0", "repl-timeout": "60", "repl-ping-slave-period": "10",
            ]
            for (name, value) in expected {
                #expect(try await connection.configGet(name, timeout: limit) == value, "\(name)")
            }
            let buffers = try await connection.configGet("client-output-buffer-limit", timeout: limit)
            #expect(buffers?.contains("slave 536870912 268435456 120") == true, "\(buffers ?? "")")
            let info = try await connection.info("replication", timeout: limit)
            #expect(info.contains("role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:1\r\n"))
            let write = await connection.pipeline([["SET", "a", "b"]], timeout: limit)[0]
            #expect("\(write)".contains("READONLY"), "\(write)")
            await connection.close()
        }
    }

    /// The lines that are left to the reader, on the versions that they are for.
    @Test("the fragment's lines in comments are possible too", arguments: RedisVersion.available)
    func comments(version: RedisVersion) async throws {
        let text = try String(contentsOfFile: "\(Self.folder)/redis-syncgate.conf", encoding: .utf8)
        let optional = text.split(separator: "\n").filter { $0.prefixMatch(of: #/#[a-z]/#) != nil }
            .map { $0.dropFirst() }
            .filter { line in
                if line.hasPrefix("bind ") { return false }
                if line.hasPrefix("user ") || line.hasPrefix("masteruser ") { return version >= .v6_2 }
                return line.hasPrefix("repl-diskless") ? version >= .v3_2 : true
            }
        #expect(optional.count >= 5)
        let folder = NSTemporaryDirectory() + "/syncgate-\(getpid())-fragment"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try optional.joined(separator: "\n").write(toFile: "\(folder)/x.conf", atomically: false, encoding: .utf8)
        let server = try await RedisServer.start(version, arguments: ["--include", "\(folder)/x.conf"])
        await server.stop()
    }

    @Test func `the check as the daemon's user is the same command everywhere`() throws {
        for name in ["README.md", "docs/configuration.md"] {
            let text = try String(contentsOfFile: "\(RedisVersion.packageRoot)/\(name)", encoding: .utf8)
            #expect(text.replacing(#/ \\\n */#, with: " ").contains("\n\(LiveCheck.asDaemonsUser)\n"), "\(name)")
        }
    }

    // MARK: - systemd

    private static let analyze = ["/usr/bin/systemd-analyze", "/bin/systemd-analyze"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    /// The unit with a program that is there, in a folder of its own.
    private func unit() throws -> String {
        let folder = NSTemporaryDirectory() + "/syncgate-\(getpid())-unit"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let text = try String(contentsOfFile: "\(Self.folder)/syncgate.service", encoding: .utf8)
        #expect(text.contains("ExecStart=/usr/local/bin/syncgate daemon --config /etc/syncgate/syncgate.toml\n"))
        try text.replacing("/usr/local/bin/syncgate", with: SyncgateProcess.executable)
            .write(toFile: "\(folder)/syncgate.service", atomically: false, encoding: .utf8)
        return "\(folder)/syncgate.service"
    }

    private func run(_ arguments: [String]) throws -> (code: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: Self.analyze ?? "")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    @Test(.enabled(if: analyze != nil, "there is no systemd-analyze on this machine"))
    func `systemd accepts the unit, without a word`() throws {
        let unit = try unit()
        defer { try? FileManager.default.removeItem(atPath: String(unit.dropLast("/syncgate.service".count))) }
        let verdict = try run(["verify", unit])
        // Other units of the machine are read as well, and may be complained about.
        let words = verdict.output.split(separator: "\n").filter { $0.contains("syncgate") }
        #expect(words.isEmpty, "\(verdict.output)")
        #expect(verdict.code == 0, "\(verdict.output)")
    }

    @Test(.enabled(if: analyze != nil, "there is no systemd-analyze on this machine"))
    func `the unit exposes little`() throws {
        let unit = try unit()
        defer { try? FileManager.default.removeItem(atPath: String(unit.dropLast("/syncgate.service".count))) }
        let verdict = try run(["security", "--offline=yes", "--threshold=25", unit])
        #expect(verdict.code == 0, "\(verdict.output.suffix(300))")
        for line in verdict.output.split(separator: "\n") where line.hasPrefix("✗") && line.contains("CAP_") {
            #expect(line.contains("CAP_NET_ADMIN") || line.contains("|RAW)"), "\(line)")
        }
    }
}
