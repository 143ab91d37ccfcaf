import NetworkLab
import RedisClient
import RedisLab
import Testing

/// A Redis that lives and does not do what is asked: nothing moves for that.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct RedisTroubleTests {
    /// Longer than `down_after`.
    private static let longTime = Duration.milliseconds(1500)

    @Test(.timeLimit(.minutes(1)))
    func `a serving Redis that refuses its daemon, runs a script or is slow: nothing moves`() async throws {
        var settings = PairLab.Settings()
        settings.redis.more = ["enable-debug-command yes", "lua-time-limit 100"]
        try await withPairLab(settings) { pair in
            try await pair.start()
            try await Self.changePassword(pair)
            try await Self.runScript(pair)
            try await pair.expectQuiet(
                "slow", for: .milliseconds(300), at: pair[1], gap: .milliseconds(1200), rate: 2000
            ) {
                try await pair[1].redis.ask(["DEBUG", "SLEEP", "0.5"])
            }
            try await pair.waitUntilServing(pair[1])
            // What it has been through since it began to serve.
            let history = try await pair[1].daemon.command(["history", "--limit", "1"])
            #expect(history.output.contains(" -> serving "), "\(history.output)")
        }
    }

    /// Clients that are connected go on, as in real life; both daemons must come in anew, and cannot.
    private static func changePassword(_ pair: PairLab) async throws {
        let server = try await RedisConnection.connect(to: pair[1].redis.url, timeout: .seconds(5))
        try await pair.expectQuiet("another password", for: .milliseconds(100), at: pair[1], rate: 2000) {
            _ = try await server.configSet("requirepass", "changed", timeout: .seconds(5))
            let list = try await server.send(["CLIENT", "LIST"], timeout: .seconds(5)).text ?? ""
            var killed = 0
            for line in list.split(separator: "\n") {
                let fields = line.split(separator: " ")
                guard fields.contains(where: { $0.hasPrefix("addr=127.0.0.1:") || $0.hasPrefix("addr=198.51.100.2:") }),
                    fields.contains("flags=N") || fields.contains("flags=P"),
                    let id = fields.first(where: { $0.hasPrefix("id=") })
                else { continue }
                killed += 1
                _ = try await server.send(["CLIENT", "KILL", "ID", String(id.dropFirst(3))], timeout: .seconds(5))
            }
            try #require(killed >= 2, "\(list)")
            // That takes longer than down_after: at first it might be a fence, as before Redis 6.2.
            for node in pair.nodes { try await pair.waitForStatus(node, "unusable") }
            let status = try await pair[1].daemon.command(["status"])
            #expect(status.output.contains("Redis unusable: error reply: NOAUTH "), "\(status.output)")
            #expect(status.output.contains("  serving since "), "\(status.output)")
            #expect(try await pair[2].redis.info()["master_link_status"] == "up")
            _ = try await server.configSet("requirepass", "", timeout: .seconds(5))
            for node in pair.nodes { try await pair.waitUntilHealthy(node) }
        }
        await server.close()
    }

    /// Clients are told BUSY for as long as it runs, and get along again.
    private static func runScript(_ pair: PairLab) async throws {
        try await pair.expectQuiet("a script", for: .milliseconds(100), at: pair[1], gap: .seconds(4), rate: 2000) {
            let script = Task {
                try await pair[1].redis.ask(["EVAL", "while true do end", "0"], timeout: .seconds(20))
            }
            for node in pair.nodes { try await pair.waitForStatus(node, "busy") }
            try await Task.sleep(for: longTime)
            let status = try await pair[1].daemon.command(["status"])
            #expect(status.output.contains("Redis busy: BUSY Redis is busy running a script"), "\(status.output)")
            #expect(try await pair[1].redis.ask(["SCRIPT", "KILL"]) == .simpleString("OK"))
            await #expect(throws: RedisError.self) { try await script.value }
            // The daemons see each other again at once, which a switchover needs.
            for node in pair.nodes { try await pair.waitUntilHealthy(node, within: .seconds(4)) }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a replica that loads its data set is not promoted, and comes back as the standby`() async throws {
        var settings = PairLab.Settings()
        // 2 ms a key, and it answers in between.
        settings.redis.more = ["key-load-delay 2000", "loading-process-events-interval-bytes 1024"]
        try await withPairLab(settings) { pair in
            try await pair.start()
            try await pair[1].redis.fill(1500, word: "some-name-of-a-key-that-is-not-short")
            try await pair.waitUntilServing(pair[1])
            try await pair[2].redis.ask(["SAVE"])
            await pair[2].redis.kill()
            try await pair.expectQuiet("the replica loads", for: .milliseconds(100), at: pair[1], rate: 2000) {
                try await pair[2].redis.start(isReady: false)
                try await pair.waitForStatus(pair[2], "redis_loading")
                let outcome = try await pair[1].daemon.command(["switchover"])
                try #require(outcome.exitCode == 1, "\(outcome)")
                #expect(outcome.errors == "syncgate: refused: the other node is not ready: it is fault\n")
                try #require(try await pair[2].redis.info()["loading"] == "1", "it was loaded too soon for the test")
                try await pair.waitForStatus(pair[2], "standby")
            }
            try await pair.waitUntilServing(pair[1])
            #expect(try await pair[2].redis.size() ?? 0 > 1500)
        }
    }
}
