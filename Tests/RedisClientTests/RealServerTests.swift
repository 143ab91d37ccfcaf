import Glibc
import RedisClient
import RedisLab
import Testing

private let second = Duration.seconds(1)

@Suite("Real servers of every version")
struct RealServerTests {
    @Test("at least one version is there to test with")
    func versions() {
        #expect(!RedisVersion.available.isEmpty, "no .cache/redis/*/bin/redis-server")
    }

    @Test("ping, info, config, keys, roles", arguments: RedisVersion.available)
    func commands(version: RedisVersion) async throws {
        try await withRedisServer(version) { server in
            let connection = try await server.connection()
            try await connection.ping(timeout: second)
            let info = try await connection.info("replication", timeout: second)
            #expect(info.contains("role:master"))
            #expect(try await connection.info(timeout: second).contains("redis_version:\(version)"))
            let sections = try await connection.infoSections(["replication", "server"], timeout: second)
            #expect(sections.contains("# Replication") && sections.contains("# Server"))
            #expect(try await connection.dbSize(timeout: second) == 0)
            try await connection.configSet("maxmemory", "104857600", timeout: second)
            #expect(try await connection.configGet("maxmemory", timeout: second) == "104857600")
            #expect(try await connection.configGet("nosuchkey", timeout: second) == nil)
            #expect(try await connection.clientKill(type: "normal", timeout: second) == 0)
            try await connection.slaveOf(host: "127.0.0.1", port: 1, timeout: second)
            #expect(try await connection.info("replication", timeout: second).contains("role:slave"))
            try await connection.slaveOfNoOne(timeout: second)
            #expect(try await connection.info("replication", timeout: second).contains("role:master"))
            #expect(connection.localAddress == "127.0.0.1")
            if version >= .v6_2 {
                try await connection.clientPauseWrites(.microseconds(1500), timeout: second)
                try await connection.clientUnpause(timeout: second)
            }
            await connection.close()
        }
    }

    @Test("a pipeline of 1000 in order, error replies in their places", arguments: RedisVersion.available)
    func pipeline(version: RedisVersion) async throws {
        try await withRedisServer(version) { server in
            let connection = try await server.connection()
            let commands = (0..<1000).map { $0 % 100 == 50 ? ["NOSUCH"] : ["ECHO", "\($0)"] }
            let outcomes = await connection.pipeline(commands, timeout: .seconds(5))
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
            #expect(await connection.pipeline([], timeout: second).isEmpty)
        }
    }

    @Test("many tasks on one connection each get their own reply")
    func concurrentSends() async throws {
        try await withRedisServer(try #require(.newest)) { server in
            let connection = try await server.connection()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let reply = try await connection.send(["ECHO", "\(number)"], timeout: .seconds(5))
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
            try await server.connection().ping(timeout: second)
            var url = server.url
            url.password = "wrong"
            await expectCode(.wrongPass) { try await RedisConnection.connect(to: url, timeout: second) }
            url.password = nil
            let silent = try await RedisConnection.connect(to: url, timeout: second)
            await expectCode(.noAuth) { try await silent.info(timeout: second) }
        }
        try await withRedisServer(version) { server in
            var url = server.url
            url.password = "not needed"
            try await RedisConnection.connect(to: url, timeout: second).ping(timeout: second)
            url.username = "ann"
            await expectCode(version >= .v6_2 ? .wrongPass : .err) {
                try await RedisConnection.connect(to: url, timeout: second)
            }
        }
    }

    @Test("ACL users, and what they may not do", arguments: RedisVersion.available.filter { $0 >= .v6_2 })
    func accessControl(version: RedisVersion) async throws {
        try await withRedisServer(version) { server in
            _ = try await server.connection().send(
                ["ACL", "SETUSER", "ann", "on", ">secret", "+ping", "+info"], timeout: second)
            let url = RedisURL(address: server.url.address, username: "ann", password: "secret")
            let connection = try await RedisConnection.connect(to: url, timeout: second)
            try await connection.ping(timeout: second)
            await expectCode(.noPerm) { try await connection.slaveOfNoOne(timeout: second) }
        }
    }

    @Test("unix sockets", arguments: RedisVersion.available)
    func unixSocket(version: RedisVersion) async throws {
        try await withRedisServer(version) { server in
            let url = RedisURL(address: .unix(path: server.socketPath))
            let connection = try await RedisConnection.connect(to: url, timeout: second)
            try await connection.ping(timeout: second)
            #expect(connection.localAddress == nil)
        }
    }

    @Test("IPv6", .enabled(if: hasIPv6Loopback, "this machine has no ::1"))
    func ipv6() async throws {
        try await withRedisServer(try #require(.newest), arguments: ["--bind", "::1"]) { server in
            let connection = try await server.connection()
            try await connection.ping(timeout: second)
            #expect(connection.localAddress == "::1")
        }
    }

    @Test("names are resolved")
    func names() async throws {
        try await withRedisServer(try #require(.newest)) { server in
            let url = RedisURL(address: .tcp(host: "localhost", port: server.port))
            try await RedisConnection.connect(to: url, timeout: second).ping(timeout: second)
        }
    }

    @Test("errors that real servers answer with", arguments: RedisVersion.available)
    func errorReplies(version: RedisVersion) async throws {
        try await withRedisServer(version) { server in
            let connection = try await server.connection()
            let set = ["SET", "key", "value"]
            try await connection.configSet("min-slaves-to-write", "1", timeout: second)
            await expectCode(.noReplicas) { try await connection.send(set, timeout: second) }
            try await connection.configSet("min-slaves-to-write", "0", timeout: second)
            try await connection.configSet("maxmemory", "1", timeout: second)
            try await connection.configSet("maxmemory-policy", "noeviction", timeout: second)
            await expectCode(.outOfMemory) { try await connection.send(set, timeout: second) }
            try await connection.configSet("maxmemory", "0", timeout: second)
            let transaction = await connection.pipeline([["MULTI"], ["NOSUCH"], ["EXEC"]], timeout: second)
            await expectCode(.execAbort) { try transaction[2].get() }
            try await connection.slaveOf(host: "127.0.0.1", port: 1, timeout: second)
            await expectCode(.readOnly) { try await connection.send(set, timeout: second) }
            try await connection.configSet("slave-serve-stale-data", "no", timeout: second)
            await expectCode(.masterDown) { try await connection.send(["GET", "key"], timeout: second) }
        }
    }

    @Test("a script that does not end: BUSY", arguments: RedisVersion.available)
    func busy(version: RedisVersion) async throws {
        try await withRedisServer(version, arguments: ["--lua-time-limit", "50"]) { server in
            let scripting = try await server.connection()
            let other = try await server.connection()
            async let endless = scripting.pipeline([["EVAL", "while true do end", "0"]], timeout: .seconds(10))
            try await Task.sleep(for: .milliseconds(50))
            await expectCode(.busy) { try await other.ping(timeout: .seconds(5)) }
            _ = try await other.send(["SCRIPT", "KILL"], timeout: .seconds(5))
            let outcome = await endless[0]
            #expect(throws: RedisError.self) { try outcome.get() }
        }
    }

    @Test("too many clients", arguments: RedisVersion.available)
    func tooManyClients(version: RedisVersion) async throws {
        try await withRedisServer(version, arguments: ["--maxclients", "1"]) { server in
            let first = try await server.connection()
            try await first.ping(timeout: second)
            await expectCode(.maxClients) {
                try await RedisConnection.connect(to: server.url, timeout: second).ping(timeout: second)
            }
            await first.close()
        }
    }

    @Test("loading a data set", arguments: RedisVersion.available.filter { $0 >= .v6_2 })
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
            await expectCode(.loading) { try await late.slaveOfNoOne(timeout: .seconds(5)) }
            #expect(try await late.info("persistence", timeout: .seconds(5)).contains("loading:1"))
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
