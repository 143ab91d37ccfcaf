import RedisLab
import Testing

@testable import RedisClient

@Suite("Addresses: whether a server is on this machine, and how a place is written")
struct NetworkAddressTests {
    @Test(
        "loopback, the own address, a unix socket; and no other",
        arguments: [
            ("127.0.0.1", "127.0.0.1", true), ("127.0.0.2", "127.0.0.1", true), ("::1", "::1", true),
            ("198.51.100.1", "198.51.100.1", true), (nil, nil, true), ("198.51.100.2", "198.51.100.1", false),
            ("2001:db8::2", "2001:db8::1", false), ("198.51.100.2", nil, false), (nil, "198.51.100.1", false),
        ] as [(String?, String?, Bool)])
    func addresses(server: String?, own: String?, isHere: Bool) {
        #expect(NetworkAddress.isOfThisMachine(server, seenFrom: own) == isHere)
    }

    @Test(
        "loopback: the whole network, both families, IPv4 within IPv6, and the reserved names",
        arguments: [
            "127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:2", "localhost",
            "redis.localhost",
        ])
    func loopback(host: String) {
        #expect(NetworkAddress.isLoopback(host))
    }

    @Test(
        "not loopback: what only looks so",
        arguments: [
            "127.example", "127.0.0", "128.0.0.1", "::", "::2", "::127.0.0.1", "::ffff:128.0.0.1", "2001:db8::1",
            "mylocalhost", "localhost.example", "",
        ])
    func noLoopback(host: String) {
        #expect(!NetworkAddress.isLoopback(host))
    }

    @Test("a place: an IPv6 address stands in brackets, credentials and scheme are left out")
    func places() {
        let named = RedisURL(
            address: .tcp(host: "redis-a.example", port: 6380), usesTLS: true, username: "gate", password: "secret")
        #expect(named.place == "redis-a.example:6380")
        #expect(named.hostPort == HostPort(host: "redis-a.example", port: 6380))
        #expect((named.host, named.port) == ("redis-a.example", 6380))
        #expect(RedisURL(address: .tcp(host: "2001:db8::1", port: 6379)).place == "[2001:db8::1]:6379")
        let socket = RedisURL(address: .unix(path: "/run/redis.sock"))
        #expect(socket.place == "/run/redis.sock")
        #expect(socket.hostPort == nil)
    }

    @Test("a real server, by its port and by its socket", .enabled(if: RedisVersion.v7_0.serverPath != nil))
    func realServer() async throws {
        try await withRedisServer(.v7_0) { server in
            for url in [server.url, RedisURL(address: .unix(path: server.socketPath))] {
                let connection = try await RedisConnection.connect(to: url, timeout: .seconds(5))
                #expect(connection.isToThisMachine, "\(url)")
                await connection.close()
            }
        }
    }
}
