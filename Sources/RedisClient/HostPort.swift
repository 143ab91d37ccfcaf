/// A host name or numeric address (IPv6 without brackets), and a port from 1 to 65535.
public struct HostPort: Sendable, Hashable, CustomStringConvertible {
    /// The host.
    public var host: String
    /// The port.
    public var port: Int

    /// Puts one together from parts that were checked elsewhere.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// `host:port`, an IPv6 address in brackets.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension HostPort {
    /// Reads `host:port`; an IPv6 address stands in brackets. `nil` for anything else.
    public init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Self.port(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, isBracketed || !host.contains(":"), !host.contains(where: Self.isImpossible) else {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    /// Digits only: `Int` would take a sign.
    private static func port(_ text: Substring) -> Int? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let port = Int(text),
            (1...65_535).contains(port)
        else { return nil }
        return port
    }

    private static func isImpossible(_ character: Character) -> Bool {
        character.isWhitespace || "[]@/".contains(character) || character.asciiValue.map { $0 < 0x20 } == true
    }
}

extension RedisURL {
    /// Host and port; nil for a unix socket.
    package var hostPort: HostPort? {
        if case .tcp(let host, let port) = address { HostPort(host: host, port: port) } else { nil }
    }

    /// The host; nil for a unix socket.
    package var host: String? { hostPort?.host }

    /// The port; nil for a unix socket.
    package var port: Int? { hostPort?.port }

    /// Where it is, without scheme and credentials: `host:port`, or the path of a unix socket.
    package var place: String {
        switch address {
        case .tcp(let host, let port): "\(HostPort(host: host, port: port))"
        case .unix(let path): path
        }
    }
}
