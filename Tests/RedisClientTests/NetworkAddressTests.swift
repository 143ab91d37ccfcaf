import RedisLab
import Testing

@testable import RedisClient

@Suite("Addresses: whether a server is on this machine")
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
