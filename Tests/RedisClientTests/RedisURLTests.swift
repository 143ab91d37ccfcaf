import RedisClient
import Testing

@Suite("RedisURL: texts as people type them")
struct RedisURLTests {
    static let tcp: [(text: String, host: String, port: Int)] = [
        ("redis://localhost", "localhost", 6379),
        ("redis://localhost:6380", "localhost", 6380),
        ("redis://localhost:6380/", "localhost", 6380),
        ("redis://localhost:6380/0", "localhost", 6380),
        ("REDIS://Host.Example:1", "Host.Example", 1),
        ("redis://192.0.2.1:65535", "192.0.2.1", 65535),
        ("redis://[2001:db8::1]:6380", "2001:db8::1", 6380),
        ("redis://[::1]", "::1", 6379),
        ("[fe80::1%eth0]:7000", "fe80::1%eth0", 7000),
        ("db1", "db1", 6379),
        ("db1:7001", "db1", 7001),
        ("10.0.0.1:7001", "10.0.0.1", 7001),
        ("my_host-1.lan", "my_host-1.lan", 6379),
    ]

    @Test("host and port", arguments: tcp)
    func hostAndPort(text: String, host: String, port: Int) throws {
        let url = try RedisURL(parsing: text)
        #expect(url == RedisURL(address: .tcp(host: host, port: port)))
    }

    static let credentials: [(text: String, user: String?, password: String?)] = [
        ("redis://:secret@h", nil, "secret"),
        ("redis://secret@h", nil, "secret"),
        ("redis://ann:secret@h", "ann", "secret"),
        ("redis://ann:@h", "ann", nil),
        ("redis://@h", nil, nil),
        ("redis://:p%40ss%3A%2f@h", nil, "p@ss:/"),
        ("redis://:p@ss@h", nil, "p@ss"),
        ("redis://:a/b?c#d@h", nil, "a/b?c#d"),
        ("redis://ann:a:b@h", "ann", "a:b"),
        ("redis://:%C3%BC@h", nil, "ü"),
        ("redis://:ü@h", nil, "ü"),
        (":secret@h", nil, "secret"),
        ("ann:secret@h", "ann", "secret"),
        ("ann:se://cret@h", "ann", "se://cret"),
    ]

    @Test("user and password", arguments: credentials)
    func userAndPassword(text: String, user: String?, password: String?) throws {
        let url = try RedisURL(parsing: text)
        #expect(url.username == user)
        #expect(url.password == password)
        #expect(url.address == .tcp(host: "h", port: 6379))
    }

    @Test("TLS and sockets")
    func tlsAndSockets() throws {
        #expect(try RedisURL(parsing: "rediss://h:6380").usesTLS)
        #expect(try RedisURL(parsing: "unix:///run/redis.sock").address == .unix(path: "/run/redis.sock"))
        #expect(try RedisURL(parsing: "unix:///run/a%20b.sock").address == .unix(path: "/run/a b.sock"))
        #expect(try RedisURL(parsing: "/run/100%.sock").address == .unix(path: "/run/100%.sock"))
        #expect(
            try RedisURL(parsing: "unix://ann:secret@/run/redis.sock")
                == RedisURL(address: .unix(path: "/run/redis.sock"), username: "ann", password: "secret"))
    }

    static let refused: [(text: String, error: RedisURLError)] = [
        ("http://h", .unsupportedScheme("http", in: "http://h")),
        ("tcp://:secret@h", .unsupportedScheme("tcp", in: "tcp://***@h")),
        ("://h", .unsupportedScheme("", in: "://h")),
        ("h:0", .invalidPort("0", in: "h:0")),
        ("h:65536", .invalidPort("65536", in: "h:65536")),
        ("h:99999999999999999999999", .invalidPort("99999999999999999999999", in: "h:99999999999999999999999")),
        ("redis://h:abc", .invalidPort("abc", in: "redis://h:abc")),
        ("redis://h:+1", .invalidPort("+1", in: "redis://h:+1")),
        ("redis://h:", .invalidPort("", in: "redis://h:")),
        ("redis://[::1]x", .invalidPort("x", in: "redis://[::1]x")),
        ("", .missingHost(in: "")),
        ("redis://", .missingHost(in: "redis://")),
        ("redis://:6379", .missingHost(in: "redis://:6379")),
        ("redis://:secret@:6379", .missingHost(in: "redis://***@:6379")),
        ("unix://", .missingHost(in: "unix://")),
        ("unix://run/redis.sock", .relativePath("run/redis.sock", in: "unix://run/redis.sock")),
        ("redis://h/1", .unsupportedSuffix("/1", in: "redis://h/1")),
        ("redis://:secret@h/0?x=1", .unsupportedSuffix("/0?x=1", in: "redis://***@h/0?x=1")),
        ("redis://h?db=0", .unsupportedSuffix("?db=0", in: "redis://h?db=0")),
        ("::1:6379", .invalidHost("::1:6379", in: "::1:6379")),
        ("redis://[::1", .invalidHost("[::1", in: "redis://[::1")),
        ("redis://[h]:1", .invalidHost("h", in: "redis://[h]:1")),
        ("redis://a b", .invalidHost("a b", in: "redis://a b")),
        ("redis://:se%zzcret@h", .invalidPercentEncoding(in: "redis://***@h")),
        ("redis://:secret%4@h", .invalidPercentEncoding(in: "redis://***@h")),
        ("redis://:secret%ff@h", .invalidPercentEncoding(in: "redis://***@h")),
    ]

    @Test("what is refused, and how", arguments: refused)
    func refusal(text: String, error: RedisURLError) {
        #expect(throws: error) { try RedisURL(parsing: text) }
        #expect(!error.description.contains("secret"))
        #expect(error.description.count > text.count)
    }

    @Test("the description shows no password")
    func description() throws {
        #expect(try RedisURL(parsing: "redis://:secret@h").description == "redis://:***@h:6379")
        #expect(try RedisURL(parsing: "rediss://ann:secret@[::1]:1").description == "rediss://ann:***@[::1]:1")
        #expect(try RedisURL(parsing: "h:1").description == "redis://h:1")
        #expect(try RedisURL(parsing: "unix://:secret@/a").description == "unix://:***@/a")
        #expect(try RedisURL(parsing: "/a/b").description == "unix:///a/b")
    }
}
