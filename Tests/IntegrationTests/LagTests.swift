import Glibc
import RedisLab
import Testing

/// `syncgate lag`.
@Suite(.serialized)
struct LagTests {
    private func lag(_ server: RedisServer, _ more: [String] = []) async throws -> SyncgateProcess.Outcome {
        try await SyncgateProcess.run(["lag", "redis://127.0.0.1:\(server.port)"] + more)
    }

    private func replica(_ outcome: SyncgateProcess.Outcome) -> [String: Any] {
        (outcome.json("replicas") as? [[String: Any]])?.first ?? [:]
    }

    @Test("an idle pair, asked from either side", arguments: RedisVersion.available)
    func idle(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            for server in [pair.master, pair.replica] {
                let outcome = try await lag(server, ["--format", "json"])
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                let row = replica(outcome)
                #expect(row["address"] as? String == "127.0.0.1:\(pair.replica.port)")
                #expect(row["lag_bytes"] as? Int == 0)
                #expect(row["lag_seconds"] as? Double == 0)
                #expect(row["safe_to_promote"] as? Bool == true, "\(row["reason"] ?? "")")
                #expect(row["would_lose_bytes"] as? Int == 0)
            }
        }
    }

    @Test("a replica behind: bytes and seconds", arguments: [RedisVersion.v2_8, .v7_0])
    func behind(version: RedisVersion) async throws {
        try await withLinkedPair(version) { pair, link in
            link.set(LinkProxy.Conditions(isFrozen: true))
            // A key every 20 ms for 2 s, watched: after that, the data is as old as the first of them.
            let watch = try await SyncgateProcess.start([
                "lag", "--local", "127.0.0.1:\(pair.replica.port)", "--master", "127.0.0.1:\(pair.master.port)",
                "--watch", "100ms", "--samples", "25", "--format", "json",
            ])
            try await RedisPair.wait("the first report") { watch.output.contains("lag_bytes") }
            let start = ContinuousClock.now
            for number in 0..<100 {
                try await RedisPair.send(["SET", "key:\(number)", "12345"], to: pair.master)
                try await Task.sleep(for: .milliseconds(15))
            }
            let outcome = await watch.wait()
            let spent = start.duration(to: .now) / .seconds(1)
            let last = try #require(outcome.output.split(separator: "\n").last)
            let bytes = try #require(Self.number("lag_bytes", in: last))
            let seconds = try #require(Self.number("lag_seconds", in: last))
            // 100 times `*3 $3 SET $5|$6 key:N $5 12345`: 10 of 37 bytes, 90 of 38.
            #expect(bytes >= 1000)
            #expect(seconds > 0.5 && seconds < spent + 0.5)
            #expect(last.contains("\"safe_to_promote\":false"))
        }
    }

    private static func number(_ key: String, in line: Substring) -> Double? {
        guard let range = line.firstRange(of: "\"\(key)\":") else { return nil }
        return Double(line[range.upperBound...].prefix { $0.isNumber || $0 == "." })
    }

    @Test("the table fits 100 columns and has no colour off a terminal")
    func pretty() async throws {
        try await withPair(.v7_0) { pair in
            let outcome = try await lag(pair.master)
            #expect(outcome.exitCode == 0)
            #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
            #expect(!outcome.output.contains("\u{1B}"))
            #expect(outcome.output.contains("safe to promote: yes, would lose 0 bytes"))
        }
    }

    @Test("tsv has a head line and as many fields in every line")
    func tsv() async throws {
        try await withPair(.v7_0) { pair in
            let lines = try await lag(pair.master, ["--format", "tsv"]).output.split(separator: "\n")
            #expect(lines.count == 2)
            let fields = lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false).count }
            #expect(fields == [15, 15])
        }
    }

    @Test("nagios: 0, 1, 2 and 3")
    func nagios() async throws {
        try await withLinkedPair(.v7_0) { pair, link in
            let ok = try await lag(pair.master, ["--format", "nagios"])
            #expect(ok.exitCode == 0)
            #expect(ok.output.hasPrefix("SYNCGATE OK - 1 replica(s), lag 0 bytes"))
            #expect(ok.output.contains("| lag_bytes=0B;;;0 lag_seconds=0.000s;;;0"))
            try await pair.fallBehind(link)
            let other = ["--local", "127.0.0.1:\(pair.replica.port)", "--master", "127.0.0.1:\(pair.master.port)"]
            let limits = ["--format", "nagios", "--warning", "1KiB", "--critical"]
            let warning = try await SyncgateProcess.run(["lag"] + other + limits + ["1MiB"])
            #expect(warning.exitCode == 1, "\(warning.output) \(warning.errors)")
            #expect(warning.output.hasPrefix("SYNCGATE WARNING"))
            let critical = try await SyncgateProcess.run(["lag"] + other + limits + ["2KiB"])
            #expect(critical.exitCode == 2, "\(critical.output)")
            #expect(critical.output.split(separator: "\n").count == 1)
            link.cut()
            try await RedisPair.wait("link down") {
                try await RedisPair.info(pair.replica)["master_link_status"] == "down"
            }
            #expect(try await SyncgateProcess.run(["lag"] + other + ["--format", "nagios"]).exitCode == 2)
            #expect(try await SyncgateProcess.run(["lag", "--format", "nagios", "--nonsense"]).exitCode == 3)
        }
    }

    @Test("a full resync shows its progress", arguments: [RedisVersion.v5_0, .v7_0])
    func fullResync(version: RedisVersion) async throws {
        try await withPair(version, keys: 0) { pair in
            for number in 0..<20 {
                let noise = (0..<8000).map { _ in String(Int.random(in: .min ... .max), radix: 36) }.joined()
                try await RedisPair.send(["SET", "r\(number)", noise], to: pair.master)
            }
            try await pair.restartEmpty(pair.replica)
            try await RedisPair.send(["CONFIG", "SET", "repl-diskless-sync", "no"], to: pair.master)
            let link = try LinkProxy(to: pair.master.port, conditions: LinkProxy.Conditions(bytesPerSecond: 200_000))
            defer { link.cut() }
            try await pair.follow(port: link.port, waiting: false)
            try await RedisPair.wait("the transfer") {
                (Int(try await RedisPair.info(pair.replica)["master_sync_left_bytes"] ?? "") ?? 0) > 0
            }
            let outcome = try await SyncgateProcess.run([
                "lag", "--local", "127.0.0.1:\(pair.replica.port)", "--master", "127.0.0.1:\(pair.master.port)",
                "--samples", "20",
            ])
            #expect(outcome.output.contains("full resync"), "\(outcome.output)")
            #expect(outcome.output.contains(" left"))
            #expect(version < .v6_2 || outcome.output.contains("full resync ["))
        }
    }

    @Test("no replica; no server")
    func nothing() async throws {
        try await withRedisServer(.v7_0) { server in
            let alone = try await lag(server)
            #expect(alone.exitCode == 0)
            #expect(alone.output.contains("no replica is connected"))
            #expect(try await lag(server, ["--format", "nagios"]).exitCode == 2)
            await server.kill()
            let gone = try await lag(server)
            #expect(gone.exitCode == 3)
            #expect(gone.errors.contains("connection refused"))
        }
    }
}
