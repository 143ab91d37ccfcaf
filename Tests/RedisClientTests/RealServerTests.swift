import Glibc
import RedisClient
import RedisLab
import Testing

/// Ends a test that hangs. Long, because the machine may be busy; no test waits for it to pass.
private let patience = Duration.seconds(10)

extension ServerTests {
    @Suite("Real servers of every version", .serialized)
    struct RealServerTests {
        @Test("at least one version is there to test with")
        func versions() {
            #expect(!RedisVersion.available.isEmpty, "no .cache/redis/*/bin/redis-server")
        }

        @Test("ping, info, config, keys, roles", arguments: RedisVersion.available)
        func commands(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let connection = try await server.connection()
                try await connection.ping(timeout: patience)
                let info = try await connection.info("replication", timeout: patience)
                #expect(info.contains("role:master"))
                #expect(try await connection.info(timeout: patience).contains("redis_version:\(version)"))
                let sections = try await connection.infoSections(["replication", "server"], timeout: patience)
                #expect(sections.contains("# Replication") && sections.contains("# Server"))
                #expect(try await connection.dbSize(timeout: patience) == 0)
                try await connection.configSet("maxmemory", "104857600", timeout: patience)
                #expect(try await connection.configGet("maxmemory", timeout: patience) == "104857600")
                #expect(try await connection.configGet("nosuchkey", timeout: patience) == nil)
                let other = try await server.connection()
                #expect(try await connection.clientKill(type: "normal", timeout: patience) >= 1)
                #expect(await other.closed() == .closed)
                try await connection.slaveOf(host: "127.0.0.1", port: 1, timeout: patience)
                #expect(try await connection.info("replication", timeout: patience).contains("role:slave"))
                try await connection.slaveOfNoOne(timeout: patience)
                #expect(try await connection.info("replication", timeout: patience).contains("role:master"))
                #expect(connection.localAddress == "127.0.0.1")
                if version >= .v6_2 {
                    try await connection.clientPauseWrites(.microseconds(1500), timeout: patience)
                    try await connection.clientUnpause(timeout: patience)
                }
                await connection.close()
            }
        }

        @Test("a pipeline of 1000 in order, error replies in their places", arguments: RedisVersion.available)
        func pipeline(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let connection = try await server.connection()
                let commands = (0..<1000).map { $0 % 100 == 50 ? ["NOSUCH"] : ["ECHO", "\($0)"] }
                let outcomes = await connection.pipeline(commands, timeout: patience)
                #expect(outcomes.count == 1000)
                for (index, outcome) in outcomes.enumerated() {
                    if index % 100 == 50 {
                        guard case .failure(.server(let error)) = outcome else {
                            Issue.record("\(index): \(outcome)")
                            continue
                        }
                        #expect(error.code == .unknownCommand)
                    } else {
                        #expect(outcome == .success(.bulk(Array("\(index)".utf8))))
                    }
                }
                #expect(await connection.pipeline([], timeout: patience).isEmpty)
            }
        }

        @Test("many tasks on one connection each get their own reply")
        func concurrentSends() async throws {
            try await withRedisServer(try #require(.newest)) { server in
                let connection = try await server.connection()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<200 {
                        group.addTask {
                            let reply = try await connection.send(["ECHO", "\(number)"], timeout: patience)
                            #expect(reply.text == "\(number)")
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }

        @Test("AUTH: right, wrong, none, and none needed", arguments: RedisVersion.available)
        func authentication(version: RedisVersion) async throws {
            try await withRedisServer(version, arguments: ["--requirepass", "s3cret ü"]) { server in
                try await server.connection().ping(timeout: patience)
                var url = server.url
                url.password = "wrong"
                await expectCode(.wrongPass) { try await RedisConnection.connect(to: url, timeout: patience) }
                url.password = nil
                let silent = try await RedisConnection.connect(to: url, timeout: patience)
                await expectCode(.noAuth) { try await silent.info(timeout: patience) }
            }
            try await withRedisServer(version) { server in
                var url = server.url
                url.password = "not needed"
                try await RedisConnection.connect(to: url, timeout: patience).ping(timeout: patience)
                url.username = "ann"
                await expectCode(version >= .v6_2 ? .wrongPass : .err) {
                    try await RedisConnection.connect(to: url, timeout: patience)
                }
            }
        }

        @Test("ACL users, and what they may not do", arguments: RedisVersion.available.filter { $0 >= .v6_2 })
        func accessControl(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                _ = try await server.connection().send(
                    ["ACL", "SETUSER", "ann", "on", ">secret", "+ping", "+info"], timeout: patience)
                let url = RedisURL(address: server.url.address, username: "ann", password: "secret")
                let connection = try await RedisConnection.connect(to: url, timeout: patience)
                try await connection.ping(timeout: patience)
                await expectCode(.noPerm) { try await connection.slaveOfNoOne(timeout: patience) }
            }
        }

        @Test("unix sockets", arguments: RedisVersion.available)
        func unixSocket(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let url = RedisURL(address: .unix(path: server.socketPath))
                let connection = try await RedisConnection.connect(to: url, timeout: patience)
                try await connection.ping(timeout: patience)
                #expect(connection.localAddress == nil)
            }
        }

        @Test("IPv6", .enabled(if: hasIPv6Loopback, "this machine has no ::1"))
        func ipv6() async throws {
            try await withRedisServer(try #require(.newest), arguments: ["--bind", "::1"]) { server in
                let connection = try await server.connection()
                try await connection.ping(timeout: patience)
                #expect(connection.localAddress == "::1")
            }
        }

        @Test("names are resolved")
        func names() async throws {
            try await withRedisServer(try #require(.newest)) { server in
                let url = RedisURL(address: .tcp(host: "localhost", port: server.port))
                try await RedisConnection.connect(to: url, timeout: patience).ping(timeout: patience)
            }
        }

        @Test("errors that real servers answer with", arguments: RedisVersion.available)
        func errorReplies(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let connection = try await server.connection()
                let set = ["SET", "key", "value"]
                try await connection.configSet("min-slaves-to-write", "1", timeout: patience)
                await expectCode(.noReplicas) { try await connection.send(set, timeout: patience) }
                try await connection.configSet("min-slaves-to-write", "0", timeout: patience)
                try await connection.configSet("maxmemory", "1", timeout: patience)
                try await connection.configSet("maxmemory-policy", "noeviction", timeout: patience)
                await expectCode(.outOfMemory) { try await connection.send(set, timeout: patience) }
                try await connection.configSet("maxmemory", "0", timeout: patience)
                let transaction = await connection.pipeline([["MULTI"], ["NOSUCH"], ["EXEC"]], timeout: patience)
                await expectCode(.execAbort) { try transaction[2].get() }
                try await connection.slaveOf(host: "127.0.0.1", port: 1, timeout: patience)
                await expectCode(.readOnly) { try await connection.send(set, timeout: patience) }
                try await connection.configSet("slave-serve-stale-data", "no", timeout: patience)
                await expectCode(.masterDown) { try await connection.send(["GET", "key"], timeout: patience) }
            }
        }

        @Test("a script that does not end: BUSY", arguments: RedisVersion.available)
        func busy(version: RedisVersion) async throws {
            try await withRedisServer(version, arguments: ["--lua-time-limit", "50"]) { server in
                let scripting = try await server.connection()
                let other = try await server.connection()
                async let endless = scripting.pipeline([["EVAL", "while true do end", "0"]], timeout: .seconds(10))
                try await Task.sleep(for: .milliseconds(50))
                await expectCode(.busy) { try await other.ping(timeout: patience) }
                _ = try await other.send(["SCRIPT", "KILL"], timeout: patience)
                let outcome = await endless[0]
                #expect(throws: RedisError.self) { try outcome.get() }
            }
        }

        @Test("too many clients", arguments: RedisVersion.available)
        func tooManyClients(version: RedisVersion) async throws {
            try await withRedisServer(version, arguments: ["--maxclients", "3"]) { server in
                var connections: [RedisConnection] = []
                await expectCode(.maxClients) {
                    for _ in 0..<4 {
                        let connection = try await server.connection()
                        try await connection.ping(timeout: patience)
                        connections.append(connection)
                    }
                }
                // Those who were there before are still served.
                try await #require(connections.first).ping(timeout: patience)
            }
        }

        @Test("loading a data set", arguments: RedisVersion.available.filter { $0 >= .v7_0 })
        func loading(version: RedisVersion) async throws {
            try await withRedisServer(version) { server in
                let connection = try await server.connection()
                let writes = (0..<5000).map { ["SET", "key:\($0)", String(repeating: "x", count: 100)] }
                _ = await connection.pipeline(writes, timeout: .seconds(10))
                _ = try await connection.send(["SAVE"], timeout: .seconds(10))
                // 1 ms of pause per key; events are looked after every kilobyte.
                try await server.restart(
                    arguments: ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"],
                    untilLoaded: false)
                let late = try await server.connection()
                await expectCode(.loading) { try await late.slaveOfNoOne(timeout: patience) }
                #expect(try await late.info("persistence", timeout: patience).contains("loading:1"))
            }
        }
    }
}

/// Expects an error reply of this code.
func expectCode<Value>(
    _ code: RedisServerError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
) async {
    do {
        let value = try await body()
        Issue.record("expected \(code), got \(value)", sourceLocation: sourceLocation)
    } catch RedisError.server(let error) {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(code), got \(error)", sourceLocation: sourceLocation)
    }
}

/// Whether `::1` can be bound.
private let hasIPv6Loopback: Bool = {
    let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_addr = in6addr_loopback
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
        }
    }
}()
