import ArgumentParser
import Glibc
import Operations
import RedisClient

/// How to reach the servers, and how to log in: the same for every command.
struct ConnectionOptions: ParsableArguments {
    @Option(name: .long, help: "ACL user (Redis 6 or newer), when the URL names none.")
    var user: String?

    @Option(name: .long, help: ArgumentHelp("File with the password, in its first line.", valueName: "file"))
    var passwordFile: String?

    @Option(
        name: .long,
        help: ArgumentHelp("File with the other server's password, if it has another one.", valueName: "file"))
    var otherPasswordFile: String?

    @Option(name: .customLong("cacert"), help: ArgumentHelp("CA certificates for rediss://.", valueName: "file"))
    var authority: String?

    @Option(name: .customLong("cert"), help: ArgumentHelp("Client certificate for rediss://.", valueName: "file"))
    var certificate: String?

    @Option(name: .customLong("key"), help: ArgumentHelp("Client key for rediss://.", valueName: "file"))
    var key: String?

    @Option(name: .customLong("sni"), help: ArgumentHelp("Server name to ask for and verify.", valueName: "name"))
    var serverName: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Limit for connecting, and for each command.", valueName: "time"))
    var connectTimeout = DurationArgument(.seconds(1))

    func validate() throws {
        guard connectTimeout.duration >= .milliseconds(10) else {
            throw ValidationError("--connect-timeout must be at least 10ms")
        }
        guard (certificate == nil) == (key == nil) else { throw ValidationError("--cert and --key go together") }
    }

    /// What is given here wins over what is configured.
    private func tls(_ configured: Endpoint?) -> TLSFiles {
        let other = configured?.tls ?? TLSFiles()
        return TLSFiles(
            certificateAuthority: authority ?? other.certificateAuthority,
            certificate: certificate ?? other.certificate, key: certificate == nil ? other.key : key,
            serverName: serverName ?? other.serverName)
    }

    /// The endpoint of a URL given by `option`; where none is given, the `configured` one, or Redis on this machine.
    func endpoint(_ text: String?, option: String, configured: Endpoint? = nil) throws -> Endpoint {
        var url = try parse(text, option, configured)
        if url.username == nil {
            url.username = user ?? (url.password == nil && passwordFile == nil ? configured?.url.username : nil)
        }
        if url.password == nil {
            url.password =
                try passwordFile.map { try Self.password(in: $0) } ?? configured?.url.password
                ?? Self.variable("SYNCGATE_PASSWORD") ?? Self.variable("REDISCLI_AUTH")
        }
        return try complete(url, option, configured)
    }

    /// The endpoint of the other server: credentials of its own, or the first one's. `nil` where it is neither given nor
    /// configured.
    func otherEndpoint(
        _ text: String?, option: String, like first: Endpoint, configured: Endpoint? = nil
    ) throws -> Endpoint? {
        guard text != nil || configured != nil else { return nil }
        var url = try parse(text, option, configured)
        let isOwn = url.password != nil || otherPasswordFile != nil
        // Another password is another user's: the default one's, where none is named with it.
        let isConfigured = !isOwn && configured?.url.password != nil
        if url.password == nil {
            url.password =
                try otherPasswordFile.map { try Self.password(in: $0) } ?? configured?.url.password
                ?? Self.variable("SYNCGATE_OTHER_PASSWORD") ?? first.url.password
        }
        if url.username == nil {
            url.username = user ?? (isConfigured ? configured?.url.username : first.url.username)
        }
        return try complete(url, option, configured)
    }

    private func complete(_ url: RedisURL, _ option: String, _ configured: Endpoint?) throws -> Endpoint {
        guard url.username == nil || url.password != nil else {
            throw ValidationError("\(option): user '\(url.username ?? "")' needs a password; see --password-file")
        }
        return Endpoint(url: url, tls: tls(configured))
    }

    /// Without what is configured of credentials.
    private func parse(_ text: String?, _ option: String, _ configured: Endpoint?) throws -> RedisURL {
        guard let text else {
            guard let configured else { return RedisURL(address: .tcp(host: "127.0.0.1", port: 6379)) }
            return RedisURL(address: configured.url.address, usesTLS: configured.url.usesTLS)
        }
        do throws(RedisURLError) { return try RedisURL(parsing: text) } catch {
            throw ValidationError("\(option): \(error)")
        }
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    static func password(in path: String) throws -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw ValidationError("cannot read the password file \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = max(read(file, &buffer, buffer.count), 0)
        let line = buffer[..<count].prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard !line.isEmpty else {
            throw ValidationError("the password file \(path) has no password in its first line")
        }
        return String(decoding: line, as: UTF8.self)
    }
}
