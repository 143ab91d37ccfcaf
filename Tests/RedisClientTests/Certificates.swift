import RedisClient
import RedisLab

/// Certificates made by the `openssl` command in a temporary directory. Valid for two days.
struct Certificates {
    let directory: String

    var authority: String { "\(directory)/authority.pem" }
    var otherAuthority: String { "\(directory)/other.pem" }

    func certificate(_ name: String) -> String { "\(directory)/\(name).pem" }
    func key(_ name: String) -> String { "\(directory)/\(name).key" }

    /// `byAddress` is a server's for 127.0.0.1, `byName` a server's for redis.test, `client` is a client's.
    init() async throws {
        directory = try TemporaryDirectory.make()
        for name in ["authority", "other"] { try await make(name, []) }
        let signed = ["-CA", authority, "-CAkey", "\(directory)/authority.key"]
        try await make("byAddress", signed + ["-addext", "subjectAltName=IP:127.0.0.1"])
        try await make("byName", signed + ["-addext", "subjectAltName=DNS:redis.test"])
        try await make("client", signed)
    }

    private func make(_ name: String, _ more: [String]) async throws {
        let arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=\(name)", "-keyout", key(name), "-out", certificate(name),
        ]
        try await ChildProcess.run("openssl", arguments + more, log: "\(directory)/openssl.log")
    }

    /// Arguments of a server that speaks TLS alone, on `port`.
    func serverArguments(_ name: String, port: Int, asksForCertificate: Bool) -> [String] {
        [
            "--port", "0", "--tls-port", "\(port)", "--tls-cert-file", certificate(name), "--tls-key-file", key(name),
            "--tls-ca-cert-file", authority, "--tls-auth-clients", asksForCertificate ? "yes" : "no",
        ]
    }
}
