import Glibc
import RedisClient
import RedisLab
import Testing

/// Wrong input: one clear line on standard error, the right exit code, nothing changed.
@Suite(.serialized)
struct BadInputTests {
    private func expect(
        _ arguments: [String], code: Int32, saying words: String, environment: [String: String] = [:]
    ) async throws {
        let outcome = try await SyncgateProcess.run(arguments, environment: environment)
        #expect(outcome.exitCode == code, "\(arguments): \(outcome.output) \(outcome.errors)")
        #expect(outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
        #expect(!(outcome.output + outcome.errors).contains("hunter2"))
    }

    @Test("URLs, flags and values")
    func usage() async throws {
        try await expect(["promote", "--local", "http://:hunter2@127.0.0.1"], code: 2, saying: "http")
        try await expect(["promote", "--local", "redis://:hunter2@127.0.0.1:99999"], code: 2, saying: "99999")
        try await expect(
            ["lag", "redis://:hunter2@127.0.0.1", "redis://:hunter2@127.0.0.2"], code: 2, saying: "nexpected")
        try await expect(["promote", "--lokal", "x"], code: 2, saying: "--lokal")
        try await expect(["promote", "--timeout", "10"], code: 2, saying: "--timeout")
        try await expect(["promote", "--max-loss-bytes", "-1"], code: 2, saying: "--max-loss-bytes")
        try await expect(["promote", "--password-file", "/nonexistent/x"], code: 2, saying: "/nonexistent/x")
        try await expect(["demote"], code: 2, saying: "--peer")
        try await expect(["status", "--watch", "0s"], code: 2, saying: "--watch must be at least 10ms")
        try await expect(["promote", "--router", "redis"], code: 2, saying: "--router needs --config")
        try await expect(["daemon", "--config", "/nonexistent/x"], code: 2, saying: "syncgate: /nonexistent/x")
        try await expect(["failover"], code: 2, saying: "failover")
        #expect(try await SyncgateProcess.run(["--help"]).exitCode == 0)
        #expect(try await SyncgateProcess.run(["--version"]).output.hasPrefix("syncgate "))
    }

    @Test("nobody there")
    func nobody() async throws {
        let port = try FreePort.pick()
        let url = "redis://127.0.0.1:\(port)"
        try await expect(["promote", "--local", url], code: 3, saying: "connection refused")
        try await expect(["demote", "--local", url, "--peer", url], code: 3, saying: "connection refused")
        try await expect(["lag", url], code: 3, saying: "connection refused")
        try await expect(["lag", "redis://nonexistent.invalid"], code: 3, saying: "nonexistent.invalid")
    }

    @Test("wrong passwords, with and without an ACL user")
    func passwords() async throws {
        try await withRedisServer(.v7_0, arguments: ["--requirepass", "right"]) { server in
            let address = "127.0.0.1:\(server.port)"
            try await expect(["promote", "--local", address], code: 2, saying: "NOAUTH")
            try await expect(["promote", "--local", "redis://:hunter2@\(address)"], code: 2, saying: "WRONGPASS")
            try await expect(["lag", "redis://alice:hunter2@\(address)"], code: 2, saying: "WRONGPASS")
            try await expect(
                ["lag", address], code: 2, saying: "WRONGPASS", environment: ["SYNCGATE_PASSWORD": "hunter2"])
            let right = try await SyncgateProcess.run(["lag", address], environment: ["REDISCLI_AUTH": "right"])
            #expect(right.exitCode == 0)
        }
    }

    @Test("a password in a URL is wiped from the process list")
    func processList() async throws {
        try await withRedisServer(.v7_0) { server in
            let run = try await SyncgateProcess.start([
                "lag", "redis://:hunter2@127.0.0.1:\(server.port)", "--watch", "1s",
            ])
            try await RedisPair.wait("a report") { run.output.contains("master") }
            let text = run.commandLine
            run.signal(SIGTERM)
            #expect(await run.wait().exitCode == 0)
            #expect(text.contains("--watch"))
            #expect(!text.contains("hunter2"))
        }
    }

    @Test("an ACL user who may not", arguments: [RedisVersion.v6_2, .v7_0])
    func permissions(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            for server in [pair.master, pair.replica] {
                try await RedisPair.send(["ACL", "SETUSER", "viewer", "on", ">see", "+info", "+ping"], to: server)
            }
            let outcome = try await SyncgateProcess.run(
                pair.promotion(["--user", "viewer"]), environment: ["SYNCGATE_PASSWORD": "see"])
            #expect(outcome.exitCode == 1, "\(outcome.output)")
            #expect(outcome.errors.contains("NOPERM"), "\(outcome.errors)")
            #expect(try await RedisPair.info(pair.replica)["role"] == "slave")
            try await pair.expectWritable(pair.master)
        }
    }

    @Test("cluster nodes and sentinels")
    func otherModes() async throws {
        try await withRedisServer(.v7_0, arguments: ["--cluster-enabled", "yes"]) { server in
            for command in ["promote", "demote", "lag"] {
                let address = "127.0.0.1:\(server.port)"
                let more = command == "demote" ? ["--peer", address] : []
                try await expect([command, "--local", address] + more, code: 2, saying: "Cluster")
            }
        }
    }

    @Test("sentinels")
    func sentinel() async throws {
        let folder = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(folder) }
        let port = try FreePort.pick()
        let file = try #require(fopen("\(folder)/sentinel.conf", "w"))
        fputs("port \(port)\nbind 127.0.0.1\ndir \(folder)\n", file)
        fclose(file)
        let path = try #require(RedisVersion.v7_0.serverPath)
        let child = try await ChildProcess.start(
            path: path, arguments: ["\(folder)/sentinel.conf", "--sentinel"], log: "\(folder)/log")
        defer { child.signal(SIGKILL) }
        try await RedisPair.wait("the sentinel") {
            try await SyncgateProcess.run(["lag", "127.0.0.1:\(port)"]).exitCode != 3
        }
        for command in ["promote", "lag"] {
            try await expect([command, "--local", "127.0.0.1:\(port)"], code: 2, saying: "Sentinel")
        }
        child.signal(SIGKILL)
        await child.waitForExit()
    }

    @Test("local and master are one server, under whatever name")
    func sameServer() async throws {
        try await withPair(.v7_0) { pair in
            let before = try await pair.fingerprint()
            for name in ["127.0.0.1:\(pair.replica.port)", "localhost:\(pair.replica.port)", pair.replica.socketPath] {
                try await expect(
                    ["promote", "--local", "127.0.0.1:\(pair.replica.port)", "--master", name], code: 2,
                    saying: "the local server itself")
            }
            #expect(try await pair.fingerprint() == before)
        }
    }
}
