/// Where a Redis server is and how to talk to it.
///
/// A value only: nothing is resolved or opened. Its text form never contains the password, so it can be logged.
public struct RedisURL: Sendable, Hashable, CustomStringConvertible {
    /// The place a server listens at.
    public enum Address: Sendable, Hashable {
        /// A host name or a numeric IPv4/IPv6 address (without brackets), and a port from 1 to 65535.
        case tcp(host: String, port: Int)
        /// The absolute path of a unix domain socket.
        case unix(path: String)
    }

    /// Where to connect to.
    public var address: Address
    /// Whether the connection is encrypted (`rediss://`).
    public var usesTLS: Bool
    /// The ACL user (Redis 6 or newer); nil authenticates as the default user.
    public var username: String?
    /// The password; nil sends no `AUTH` at all.
    public var password: String?

    /// Puts a location together from parts that were checked elsewhere.
    public init(address: Address, usesTLS: Bool = false, username: String? = nil, password: String? = nil) {
        self.address = address
        self.usesTLS = usesTLS
        self.username = username
        self.password = password
    }

    /// Reads a location as people type it.
    ///
    /// Accepted are `redis://`, `rediss://` (TLS) and `unix://` URLs, and the plain forms `host`, `host:port` and
    /// `/path/to.sock`. As in redis-cli, one word before the `@` is the password, `user:password` is an ACL user.
    /// The port is 6379 where none is given; the only database is 0, because replication knows no other.
    public init(parsing text: String) throws(RedisURLError) {
        self = try RedisURLParser(text: text).parse()
    }

    /// The location as a URL; a password is shown as `***`, whatever it is.
    public var description: String {
        let secret = password == nil ? "" : ":***"
        let user = (username ?? "") + secret
        let prefix = user.isEmpty ? "" : user + "@"
        switch address {
        case .unix: return "unix://\(prefix)\(place)"
        case .tcp: return "\(usesTLS ? "rediss" : "redis")://\(prefix)\(place)"
        }
    }

    /// The location as a URL without user and password: what may stand in a file, or in a command that somebody pastes.
    public var addressText: String { RedisURL(address: address, usesTLS: usesTLS).description }
}

/// Why a text is not the location of a Redis server.
///
/// Every case carries the text as it was typed, with everything before its last `@` replaced, so that the message
/// can be printed and logged.
public enum RedisURLError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The scheme is none of redis, rediss and unix.
    case unsupportedScheme(String, in: String)
    /// The port is not a number from 1 to 65535.
    case invalidPort(String, in: String)
    /// There is no host, or no path of a socket.
    case missingHost(in: String)
    /// The host contains something that no host has, or an IPv6 address has no brackets.
    case invalidHost(String, in: String)
    /// A unix socket's path does not start with a slash.
    case relativePath(String, in: String)
    /// Something follows the host and port that is not `/` or `/0`.
    case unsupportedSuffix(String, in: String)
    /// A `%` in the user or password is not followed by two hexadecimal digits, or they do not form UTF-8.
    case invalidPercentEncoding(in: String)

    /// The text, what is wrong with it, and what is allowed.
    public var description: String {
        switch self {
        case .unsupportedScheme(let scheme, let text):
            "\"\(text)\": scheme \"\(scheme)\" is not supported; allowed are redis://, rediss:// (TLS) and unix://"
        case .invalidPort(let port, let text):
            "\"\(text)\": port \"\(port)\" is not a number from 1 to 65535"
        case .missingHost(let text):
            "\"\(text)\": no host; expected redis://HOST[:PORT], HOST[:PORT], unix:///PATH or /PATH"
        case .invalidHost(let host, let text):
            "\"\(text)\": \"\(host)\" is not a host name or address (IPv6 addresses go in brackets: [2001:db8::1]:6379)"
        case .relativePath(let path, let text):
            "\"\(text)\": the socket path \"\(path)\" must start with /"
        case .unsupportedSuffix(let suffix, let text):
            "\"\(text)\": \"\(suffix)\" is not supported after the host; leave it out (/0 is allowed)"
        case .invalidPercentEncoding(let text):
            "\"\(text)\": a % in user, password or path must be followed by two hexadecimal digits (write % as %25)"
        }
    }
}
