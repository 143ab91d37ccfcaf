import Glibc
import RedisClient
import RedisLab
import Testing

/// How late an outcome may be on a busy machine.
private let tolerance = Duration.milliseconds(100)

/// Runs `body` and says how long it took.
private func timed<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
) async rethrows -> (Value, Duration) {
    let start = ContinuousClock.now
    let value = try await body()
    return (value, start.duration(to: .now))
}

extension ServerTests {
    @Suite("The death of a server is seen at once; one that hangs, at the deadline", .serialized)
    struct DeathTests {
        @Test("kill -9 while nothing is pending", arguments: RedisVersion.available)
        func killIdle(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let connection = try await server.connection()
                async let death = (connection.closed(), ContinuousClock.now)
                try await Task.sleep(for: .milliseconds(50))
                let start = ContinuousClock.now
                server.signal(SIGKILL)
                let (reason, end) = await death
                #expect(reason == .closed)
                #expect(start.duration(to: end) < tolerance)
                #expect(await connection.pipeline([["PING"]], timeout: .seconds(1)) == [.failure(.closed)])
                await server.kill()
                await #expect(throws: RedisError.refused) { try await server.connection() }
                let socket = RedisURL(address: .unix(path: server.socketPath))
                await #expect(throws: RedisError.refused) {
                    try await RedisConnection.connect(to: socket, timeout: .seconds(1))
                }
            }
        }

        @Test("kill -9 while a command is pending", arguments: RedisVersion.available)
        func killPending(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let connection = try await server.connection()
                let commands = [["PING"], ["BLPOP", "none", "0"]]
                async let outcome = (connection.pipeline(commands, timeout: .seconds(30)), ContinuousClock.now)
                try await Task.sleep(for: .milliseconds(50))
                let start = ContinuousClock.now
                server.signal(SIGKILL)
                let (outcomes, end) = await outcome
                #expect(outcomes == [.success(.simpleString("PONG")), .failure(.closed)])
                #expect(start.duration(to: end) < tolerance)
            }
        }

        @Test("SIGSTOP: the deadline holds, and the connection is closed", arguments: RedisVersion.available)
        func stopped(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let connection = try await server.connection()
                try await connection.ping(timeout: .seconds(5))
                server.signal(SIGSTOP)
                let (outcome, duration) = await timed {
                    await connection.pipeline([["PING"]], timeout: .milliseconds(300))
                }
                #expect(outcome == [.failure(.timedOut(command: "PING", after: .milliseconds(300)))])
                #expect(duration >= .milliseconds(299) && duration < .milliseconds(300) + tolerance)
                server.signal(SIGCONT)
                // The late reply belongs to nobody; a new connection is not disturbed by it.
                #expect(await connection.pipeline([["PING"]], timeout: .seconds(1)) == [.failure(.closed)])
                try await server.connection().ping(timeout: .seconds(5))
            }
        }

        @Test("a frozen server with a password: connecting times out")
        func stoppedAuthentication() async throws {
            try await withRedisServer(try #require(.newest), arguments: ["--requirepass", "x"]) { server in
                server.signal(SIGSTOP)
                let (_, duration) = await timed {
                    await #expect(throws: RedisError.connectTimedOut(after: .milliseconds(200))) {
                        try await RedisConnection.connect(to: server.url, timeout: .milliseconds(200))
                    }
                }
                #expect(duration < .milliseconds(200) + tolerance)
            }
        }

        @Test("nobody there: refused, unreachable, no such name, no such socket")
        func nobodyThere() async throws {
            let limit = Duration.seconds(2)
            for text in ["redis://127.0.0.1:1", "redis://localhost:1", "unix:///tmp/no/such.sock"] {
                let url = try RedisURL(parsing: text)
                await #expect(throws: RedisError.refused) { try await RedisConnection.connect(to: url, timeout: limit) }
            }
            // .invalid never resolves (RFC 6761), with or without a resolver that answers.
            let (error, duration) = await timed {
                await #expect(throws: RedisError.self) {
                    try await RedisConnection.connect(
                        to: RedisURL(address: .tcp(host: "no-such-host.invalid", port: 1)), timeout: limit)
                }
            }
            switch error {
            case .unreachable, .connectTimedOut: break
            default: Issue.record("\(String(describing: error))")
            }
            #expect(duration < limit + tolerance)
            let tooLong = RedisURL(address: .unix(path: "/" + String(repeating: "x", count: 300)))
            let refusal = await #expect(throws: RedisError.self) {
                try await RedisConnection.connect(to: tooLong, timeout: limit)
            }
            guard case .unreachable? = refusal else {
                Issue.record("\(String(describing: refusal))")
                return
            }
        }

        @Test("close() ends what is pending, may be repeated, and closed() says so")
        func closing() async throws {
            try await withRedisServer(try #require(.newest)) { server in
                let connection = try await server.connection()
                async let pending = connection.pipeline([["BLPOP", "none", "0"]], timeout: .seconds(30))
                async let reason = connection.closed()
                try await Task.sleep(for: .milliseconds(20))
                await connection.close()
                await connection.close()
                #expect(await pending == [.failure(.closed)])
                #expect(await reason == .closed)
            }
        }

        @Test("dropping the last reference closes the connection")
        func dropping() async throws {
            try await withRedisServer(try #require(.newest)) { server in
                let witness = try await server.connection()
                do {
                    let dropped = try await server.connection()
                    try await dropped.ping(timeout: .seconds(5))
                }
                let deadline = ContinuousClock.now + .seconds(5)
                var clients = 0
                repeat {
                    clients = try await witness.send(["CLIENT", "LIST"], timeout: .seconds(5)).text!.split(
                        separator: "\n"
                    )
                    .count
                } while clients > 1 && ContinuousClock.now < deadline
                #expect(clients == 1)
            }
        }
    }
}
