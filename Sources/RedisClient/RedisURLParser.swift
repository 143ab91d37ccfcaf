/// One pass over the text of a `RedisURL`. Used by its initializer alone.
///
/// Works on UTF-8 views and never traps, whatever is typed; a password in the text is kept out of every error.
struct RedisURLParser {
    let text: String

    /// The default port of Redis.
    private static let defaultPort = 6379

    func parse() throws(RedisURLError) -> RedisURL {
        guard let scheme = schemeEnd() else {
            return text.hasPrefix("/") ? try parseSocket(text[...]) : try parseServer(text[...], usesTLS: false)
        }
        let rest = text[scheme.upperBound...]
        switch text[..<scheme.lowerBound].lowercased() {
        case "redis": return try parseServer(rest, usesTLS: false)
        case "rediss": return try parseServer(rest, usesTLS: true)
        case "unix": return try parseSocket(rest)
        default: throw .unsupportedScheme(String(text[..<scheme.lowerBound]), in: redacted)
        }
    }

    /// The text without anything that may be a user or a password.
    private var redacted: String {
        guard let at = text.lastIndex(of: "@") else { return text }
        let start = schemeEnd()?.upperBound ?? text.startIndex
        guard start < at else { return text }
        return text[..<start] + "***" + text[at...]
    }

    /// The range of `://`, where everything before it can be a scheme: a password may contain `://`, too.
    private func schemeEnd() -> Range<String.Index>? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        guard !text[..<colon].contains("@") else { return nil }
        return colon..<text.index(colon, offsetBy: 3)
    }

    private func parseSocket(_ rest: Substring) throws(RedisURLError) -> RedisURL {
        var path = rest
        var credentials = Credentials()
        if !rest.hasPrefix("/"), let at = rest.firstIndex(of: "@") {
            credentials = try parseCredentials(rest[..<at])
            path = rest[rest.index(after: at)...]
        }
        if path.isEmpty { throw .missingHost(in: redacted) }
        if !path.hasPrefix("/") { throw .relativePath(String(path), in: redacted) }
        // A path typed without a scheme is a path, not a URL: its % signs stand for themselves.
        let plain = schemeEnd() == nil ? String(path) : try decode(path)
        return RedisURL(address: .unix(path: plain), username: credentials.user, password: credentials.password)
    }

    private func parseServer(_ rest: Substring, usesTLS: Bool) throws(RedisURLError) -> RedisURL {
        var location = rest
        var credentials = Credentials()
        // The last @ ends the credentials, so that a password typed with an @ or / in it still works.
        if let at = rest.lastIndex(of: "@") {
            credentials = try parseCredentials(rest[..<at])
            location = rest[rest.index(after: at)...]
        }
        if let end = location.firstIndex(where: { $0 == "/" || $0 == "?" || $0 == "#" }) {
            let suffix = location[end...]
            guard suffix == "/" || suffix == "/0" else {
                throw .unsupportedSuffix(String(suffix), in: redacted)
            }
            location = location[..<end]
        }
        let (host, port) = try parseHostAndPort(location)
        return RedisURL(
            address: .tcp(host: host, port: port), usesTLS: usesTLS, username: credentials.user,
            password: credentials.password)
    }

    private struct Credentials {
        var user: String?
        var password: String?
    }

    private func parseCredentials(_ part: Substring) throws(RedisURLError) -> Credentials {
        guard let colon = part.firstIndex(of: ":") else {
            return Credentials(user: nil, password: part.isEmpty ? nil : try decode(part))
        }
        let user = try decode(part[..<colon])
        let password = try decode(part[part.index(after: colon)...])
        return Credentials(user: user.isEmpty ? nil : user, password: password.isEmpty ? nil : password)
    }

    private func parseHostAndPort(_ location: Substring) throws(RedisURLError) -> (String, Int) {
        if location.hasPrefix("[") {
            guard let bracket = location.firstIndex(of: "]") else {
                throw .invalidHost(String(location), in: redacted)
            }
            let host = String(location[location.index(after: location.startIndex)..<bracket])
            guard host.contains(":"), isHost(host) else { throw .invalidHost(host, in: redacted) }
            let port = location[location.index(after: bracket)...]
            if port.isEmpty { return (host, Self.defaultPort) }
            guard port.hasPrefix(":") else { throw .invalidPort(String(port), in: redacted) }
            return (host, try parsePort(port.dropFirst()))
        }
        guard let colon = location.firstIndex(of: ":") else {
            return (try checkedHost(location), Self.defaultPort)
        }
        let port = location[location.index(after: colon)...]
        // `::1:6379` could mean two things, so an address without brackets is refused instead of guessed.
        if port.contains(":") { throw .invalidHost(String(location), in: redacted) }
        return (try checkedHost(location[..<colon]), try parsePort(port))
    }

    private func checkedHost(_ host: Substring) throws(RedisURLError) -> String {
        if host.isEmpty { throw .missingHost(in: redacted) }
        let host = String(host)
        guard isHost(host) else { throw .invalidHost(host, in: redacted) }
        return host
    }

    /// Whether all bytes can be part of a name, an address or its zone. The resolver judges the rest.
    private func isHost(_ host: String) -> Bool {
        host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"): true
            case UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "%"), 0x80...: true
            default: false
            }
        }
    }

    private func parsePort(_ digits: Substring) throws(RedisURLError) -> Int {
        // Int("+1") is 1, so the digits are looked at first.
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(digits), (1...65535).contains(port)
        else { throw .invalidPort(String(digits), in: redacted) }
        return port
    }

    private func decode(_ part: Substring) throws(RedisURLError) -> String {
        var bytes: [UInt8] = []
        var rest = part.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexValue), let low = rest.popFirst().flatMap(hexValue) else {
                throw .invalidPercentEncoding(in: redacted)
            }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw .invalidPercentEncoding(in: redacted)
        }
        return decoded
    }

    private func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
