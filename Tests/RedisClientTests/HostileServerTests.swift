import Glibc
import RedisClient
import Testing

extension ServerTests {
    @Suite("Servers that talk nonsense: an error each, never a trap, never much memory", .serialized)
    struct HostileServerTests {
        /// What one command gets from a server that behaves so; within one second.
        private func outcome(
            of behaviour: FakeServer.Behaviour, limits: ReplyLimits = ReplyLimits(), timeout: Duration = .seconds(5)
        ) async throws -> Result<RedisReply, RedisError> {
            try await FakeServer.with(behaviour) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port))
                let connection = try await RedisConnection.connect(to: url, timeout: timeout, limits: limits)
                let outcome = await connection.pipeline([["PING"]], timeout: timeout)[0]
                if case .failure(let error) = outcome, error != .closed {
                    // Whatever was wrong, the connection is of no use any more.
                    #expect(await connection.closed() != .closed)
                    let later = await connection.pipeline([["PING"]], timeout: timeout)[0]
                    #expect(throws: RedisError.self) { try later.get() }
                }
                await connection.close()
                return outcome
            }
        }

        static let violations: [(bytes: String, reason: String)] = [
            ("\u{1}\u{2}garbage\r\n", "Protocol error"),
            ("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n", "HTTP/1.1 400 Bad Request"),
            ("*2147483647\r\n", "2147483647 elements"),
            ("*-2147483648\r\n*99999999999999999999999\r\n", "*-2147483648"),
            ("$2147483647\r\n", "a string of 2147483647 bytes"),
            ("$9223372036854775807\r\nabc", "a string of 9223372036854775807 bytes"),
            (String(repeating: "*1\r\n", count: 100), "nested deeper than"),
            (":notanumber\r\n", ":notanumber"),
        ]

        @Test("nonsense is a violation that shows what came", arguments: violations)
        func violation(bytes: String, reason: String) async throws {
            let outcome = try await outcome(of: .answer(Array(bytes.utf8), hangsUp: false))
            // The first of two replies may be valid, as in the null array above.
            if case .success(.null) = outcome { return }
            guard case .failure(.protocolViolation(let text)) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(text.contains(reason))
            #expect(text.utf8.allSatisfy { (0x20..<0x7f).contains($0) || $0 >= 0x80 })
            #expect(text.count < 250)
        }

        @Test("a string of negative length is null or a violation, as the version of hiredis has it")
        func negativeLength() async throws {
            switch try await outcome(of: .answer(Array("$-5\r\n".utf8), hangsUp: false)) {
            case .success(.null), .failure(.protocolViolation): break
            case let other: Issue.record("\(other)")
            }
        }

        @Test(
            "a server that hangs up inside a reply has closed",
            arguments: ["", "+O", "$10\r\nabc", "*2\r\n:1\r\n", "*"])
        func truncated(bytes: String) async throws {
            #expect(try await outcome(of: .answer(Array(bytes.utf8), hangsUp: true)) == .failure(.closed))
        }

        @Test("one byte at a time")
        func drip() async throws {
            let outcome = try await outcome(of: .drip(Array("*2\r\n$5\r\nhello\r\n:42\r\n".utf8)))
            #expect(outcome == .success(.array([.bulk(Array("hello".utf8)), .integer(42)])))
        }

        @Test("a server that never ends a line, a string or an array is cut off; memory stays flat")
        func endless() async throws {
            var limits = ReplyLimits()
            limits.bytes = 4 << 20
            let block = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 16)
            let tens = Array(String(repeating: ":10\r\n", count: 1 << 14).utf8)
            let before = try residentKilobytes()
            let behaviours: [FakeServer.Behaviour] = [
                .endless(prefix: [UInt8(ascii: "+")], block: block),
                .endless(prefix: [UInt8(ascii: "$")], block: [UInt8](repeating: UInt8(ascii: "1"), count: 1 << 16)),
                .endless(prefix: Array("$4194305\r\n".utf8), block: block),
                .endless(prefix: Array("*1048576\r\n$4194000\r\n".utf8), block: block),
                .endless(prefix: Array("*1048576\r\n".utf8), block: tens),
            ]
            for (number, behaviour) in behaviours.enumerated() {
                guard case .failure(.protocolViolation) = try await outcome(of: behaviour, limits: limits) else {
                    Issue.record("endless case \(number)")
                    continue
                }
            }
            // The last case may hold 2^20 small objects for a moment; an unbounded reader needs gigabytes within 5 s.
            let growth = try residentKilobytes() - before
            #expect(growth < 200 << 10, "\(growth) KiB more")
        }

        @Test("endless replies nobody asked for end the connection at the first one too many")
        func endlessReplies() async throws {
            let replies = Array(String(repeating: "+OK\r\n", count: 10_000).utf8)
            try await FakeServer.with(.endless(prefix: [], block: replies)) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port))
                let connection = try await RedisConnection.connect(to: url, timeout: .seconds(1))
                #expect(try await connection.send(["PING"], timeout: .seconds(1)) == .simpleString("OK"))
                #expect(await connection.closed() == .protocolViolation("a status that no command had asked for"))
            }
        }

        @Test("a reply before any command is a violation")
        func unsolicited() async throws {
            try await FakeServer.with(.greeting(Array("+hello\r\n".utf8), hangsUp: false)) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port))
                let connection = try await RedisConnection.connect(to: url, timeout: .seconds(1))
                #expect(await connection.closed() == .protocolViolation("a status that no command had asked for"))
            }
        }

        @Test("an error pushed on connect is the outcome of the first command")
        func pushedError() async throws {
            let text = "-ERR max number of clients reached\r\n"
            try await FakeServer.with(.greeting(Array(text.utf8), hangsUp: true)) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port))
                let connection = try await RedisConnection.connect(to: url, timeout: .seconds(1))
                let error = await #expect(throws: RedisError.self) {
                    try await connection.send(["PING"], timeout: .seconds(1))
                }
                guard case .server(let reply)? = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(reply.code == .maxClients)
            }
        }

        @Test("a server that accepts and says nothing: every pending command has timed out by its deadline")
        func silence() async throws {
            try await FakeServer.with(.silence) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port))
                let connection = try await RedisConnection.connect(to: url, timeout: .seconds(1))
                let start = ContinuousClock.now
                async let long = connection.pipeline([["GET", "x"]], timeout: .seconds(60))
                try await Task.sleep(for: .milliseconds(20))
                async let short = connection.pipeline([["PING"], ["DBSIZE"]], timeout: .milliseconds(100))
                // The shorter deadline counts, although its command is not the first in the queue.
                #expect(
                    await short == [
                        .failure(.timedOut(command: "PING", after: .milliseconds(100))),
                        .failure(.timedOut(command: "DBSIZE", after: .milliseconds(100))),
                    ])
                #expect(await long == [.failure(.closed)])
                #expect(start.duration(to: .now) < .milliseconds(300))
                #expect(await connection.closed() == .timedOut(command: "PING", after: .milliseconds(100)))
                #expect(await connection.pipeline([["PING"]], timeout: .seconds(1)) == [.failure(.closed)])
            }
        }

        @Test("deadlines of zero, below zero and beyond all measure")
        func strangeDeadlines() async throws {
            try await FakeServer.with(.silence) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port))
                for timeout in [Duration.zero, .seconds(-1)] {
                    let connection = try await RedisConnection.connect(to: url, timeout: .seconds(1))
                    let outcome = await connection.pipeline([["PING"]], timeout: timeout)
                    #expect(outcome == [.failure(.timedOut(command: "PING", after: timeout))])
                }
                let connection = try await RedisConnection.connect(to: url, timeout: .seconds(Int64.max / 2))
                async let outcome = connection.pipeline([["PING"]], timeout: .seconds(Int64.max / 2))
                try await Task.sleep(for: .milliseconds(20))
                await connection.close()
                #expect(await outcome == [.failure(.closed)])
            }
        }
    }
}

/// VmRSS of this process.
private func residentKilobytes() throws -> Int {
    let file = try #require(fopen("/proc/self/status", "r"))
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split(whereSeparator: \.isWhitespace)
        if words.first == "VmRSS:" { return try #require(Int(words[1])) }
    }
    throw CancellationError()
}
