import Glibc
import RedisClient
import RedisLab
import Testing

/// Debian's 7.0.15 is the one build of ours that speaks TLS.
private let version = RedisVersion.v7_0
private let limit = Duration.seconds(10)

extension ServerTests {
    @Suite(
        "TLS against a real server", .serialized,
        .enabled(if: RedisVersion.available.contains(.v7_0), "needs redis-server 7.0.15, built with TLS"))
    struct TLSTests {
        /// Runs `body` with the location of a TLS server, and the certificates.
        private func withServer(
            _ name: String, asksForCertificate: Bool = false, more: [String] = [],
            _ body: (RedisServer, RedisURL, Certificates) async throws -> Void
        ) async throws {
            let certificates = try await Certificates()
            defer { TemporaryDirectory.remove(certificates.directory) }
            let port = try FreePort.pick()
            let arguments = certificates.serverArguments(name, port: port, asksForCertificate: asksForCertificate)
            let server = try await RedisServer.start(version, port: port, arguments: arguments + more)
            do {
                var url = server.url
                url.usesTLS = true
                try await body(server, url, certificates)
                await server.stop()
            } catch {
                await server.stop()
                throw error
            }
        }

        /// The reason of the `.tls` error that connecting ends with.
        private func refusal(_ url: RedisURL, _ tls: TLSFiles) async -> String {
            do {
                _ = try await RedisConnection.connect(to: url, tls: tls, timeout: limit)
                return "connected"
            } catch RedisError.tls(let reason) {
                return reason
            } catch {
                return "not a TLS error: \(error)"
            }
        }

        @Test("an IP address is verified; unknown authorities and plain text are refused")
        func address() async throws {
            try await withServer("byAddress") { server, url, files in
                let tls = TLSFiles(certificateAuthority: files.authority)
                let connection = try await RedisConnection.connect(to: url, tls: tls, timeout: limit)
                #expect(try await connection.info("server", timeout: limit).contains("redis_version:7.0.15"))
                await connection.close()

                let wrong = TLSFiles(certificateAuthority: files.otherAuthority)
                #expect(await refusal(url, wrong) == "CERTIFICATE_VERIFY_FAILED")
                #expect(await refusal(url, TLSFiles()) == "CERTIFICATE_VERIFY_FAILED")
                var plain = url
                plain.usesTLS = false
                await #expect(throws: RedisError.self) {
                    try await RedisConnection.connect(to: plain, timeout: limit).ping(timeout: limit)
                }
            }
        }

        @Test("a name is verified; another name, or the address, is refused")
        func name() async throws {
            try await withServer("byName") { _, url, files in
                let tls = TLSFiles(certificateAuthority: files.authority, serverName: "redis.test")
                try await RedisConnection.connect(to: url, tls: tls, timeout: limit).ping(timeout: limit)
                let wrong = TLSFiles(certificateAuthority: files.authority, serverName: "other.test")
                #expect(await refusal(url, wrong).contains("other.test"))
                #expect(await refusal(url, TLSFiles(certificateAuthority: files.authority)) != "connected")
                // An address cannot be asked for by SNI.
                let odd = TLSFiles(certificateAuthority: files.authority, serverName: "127.0.0.1")
                #expect(await refusal(url, odd).contains("127.0.0.1"))
            }
        }

        @Test("a client certificate, where the server asks for one")
        func clientCertificate() async throws {
            try await withServer("byAddress", asksForCertificate: true) { _, url, files in
                var tls = TLSFiles(certificateAuthority: files.authority)
                // TLS 1.3 refuses after the handshake: it must be an outcome of connecting nevertheless.
                #expect(await refusal(url, tls).contains("CERTIFICATE_REQUIRED"))
                tls.certificate = files.certificate("client")
                #expect(await refusal(url, tls) == "a client certificate needs both its certificate and its key file")
                tls.key = files.key("client")
                try await RedisConnection.connect(to: url, tls: tls, timeout: limit).ping(timeout: limit)
                tls.key = "\(files.directory)/missing.key"
                #expect(await refusal(url, tls).hasPrefix("\(files.directory)/missing.key cannot be read"))
            }
        }

        @Test("a password over TLS")
        func password() async throws {
            try await withServer("byAddress", more: ["--requirepass", "secret"]) { _, url, files in
                let tls = TLSFiles(certificateAuthority: files.authority)
                try await RedisConnection.connect(to: url, tls: tls, timeout: limit).ping(timeout: limit)
                var wrong = url
                wrong.password = "wrong"
                await expectCode(.wrongPass) { try await RedisConnection.connect(to: wrong, tls: tls, timeout: limit) }
            }
        }

        @Test("a frozen server: deadlines hold, and neither they nor close() wait for its goodbye")
        func frozen() async throws {
            try await withServer("byAddress") { server, url, files in
                let tls = TLSFiles(certificateAuthority: files.authority)
                let connection = try await RedisConnection.connect(to: url, tls: tls, timeout: limit)
                server.signal(SIGSTOP)
                let start = ContinuousClock.now
                let outcome = await connection.pipeline([["PING"]], timeout: .milliseconds(200))
                #expect(outcome == [.failure(.timedOut(command: "PING", after: .milliseconds(200)))])
                #expect(start.duration(to: .now) < .milliseconds(300))
                await connection.close()
                #expect(start.duration(to: .now) < .milliseconds(500))
                await #expect(throws: RedisError.connectTimedOut(after: .milliseconds(200))) {
                    try await RedisConnection.connect(to: url, tls: tls, timeout: .milliseconds(200))
                }
                #expect(start.duration(to: .now) < .milliseconds(1000))
            }
        }

        @Test("kill -9 is a death, not a failure of TLS, and is seen at once")
        func killed() async throws {
            try await withServer("byAddress") { server, url, files in
                let tls = TLSFiles(certificateAuthority: files.authority)
                let connection = try await RedisConnection.connect(to: url, tls: tls, timeout: limit)
                server.signal(SIGKILL)
                let start = ContinuousClock.now
                #expect(await connection.closed() == .closed)
                #expect(start.duration(to: .now) < .milliseconds(100))
            }
        }

        @Test("a server that speaks no TLS")
        func noTLS() async throws {
            try await FakeServer.with(.answer(Array("-ERR unknown command\r\n".utf8), hangsUp: false)) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port), usesTLS: true)
                #expect(await refusal(url, TLSFiles()) == "WRONG_VERSION_NUMBER")
            }
        }
    }
}
