import NIOCore
import NIOSSL

/// The files and the name that a TLS connection needs. Paths are read anew at each connect, so that renewed
/// certificates are used without a restart.
public struct TLSFiles: Sendable, Hashable {
    /// A PEM file with the authorities that may sign the server's certificate; nil trusts the system's.
    public var certificateAuthority: String?
    /// A PEM file with our certificate and its chain, for servers that ask for one (mTLS).
    public var certificate: String?
    /// A PEM file with the private key of `certificate`.
    public var key: String?
    /// The DNS name to ask for (SNI) and to verify; nil verifies the host of the URL.
    public var serverName: String?

    /// All nil: the system's authorities, no client certificate, the name of the URL.
    public init(
        certificateAuthority: String? = nil, certificate: String? = nil, key: String? = nil, serverName: String? = nil
    ) {
        self.certificateAuthority = certificateAuthority
        self.certificate = certificate
        self.key = key
        self.serverName = serverName
    }
}

/// What a channel needs to speak TLS with one server: the loaded files, and the name to verify.
struct TLSClient: Sendable {
    private let context: NIOSSLContext
    private let serverName: String?

    /// How long a close waits for the server's close_notify. A frozen server never sends one, and the default of
    /// swift-nio-ssl (5 s) is longer than a failover may take.
    private static let shutdownTimeout = TimeAmount.milliseconds(100)

    /// Loads the files; throws `.tls` naming the one that cannot be used.
    init(files: TLSFiles, address: RedisURL.Address) throws(RedisError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = Self.shutdownTimeout
        if let path = files.certificateAuthority {
            configuration.trustRoots = .certificates(try Self.load(path) { try NIOSSLCertificate.fromPEMFile(path) })
        }
        if (files.certificate == nil) != (files.key == nil) {
            throw .tls("a client certificate needs both its certificate and its key file")
        }
        if let path = files.certificate {
            let chain = try Self.load(path) { try NIOSSLCertificate.fromPEMFile(path) }
            configuration.certificateChain = chain.map { .certificate($0) }
        }
        if let path = files.key {
            configuration.privateKey = .privateKey(
                try Self.load(path) { try NIOSSLPrivateKey(file: path, format: .pem) })
        }
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw .tls(TLSFailure.reason(error))
        }
        serverName = try Self.nameToVerify(files: files, address: address)
    }

    /// A new handler for one channel; throws `.tls` where the name cannot be one of a certificate.
    func makeHandler() throws(RedisError) -> NIOSSLClientHandler {
        do {
            return try NIOSSLClientHandler(context: context, serverHostname: serverName)
        } catch {
            throw .tls(TLSFailure.reason(error))
        }
    }

    private static func load<Value>(_ path: String, _ body: () throws -> Value) throws(RedisError) -> Value {
        do {
            return try body()
        } catch {
            throw .tls("\(path) cannot be read or is not PEM: \(TLSFailure.reason(error))")
        }
    }

    /// nil verifies the peer's IP address against the certificate: an IP address cannot be asked for by SNI.
    private static func nameToVerify(files: TLSFiles, address: RedisURL.Address) throws(RedisError) -> String? {
        if let name = files.serverName { return name }
        switch address {
        case .unix:
            throw .tls("a server name is needed to verify the certificate of a unix socket's server")
        case .tcp(let host, let port):
            return NetworkAddress.numeric(host: host, port: port) == nil ? host : nil
        }
    }
}

/// Reads the errors of swift-nio-ssl.
enum TLSFailure {
    /// Whether an error of the pipeline is about TLS, as opposed to the socket below it.
    static func isAboutTLS(_ error: any Error) -> Bool {
        switch error {
        // A server that dies does not say goodbye: that is the death of a peer, not a failure of TLS.
        case NIOSSLError.uncleanShutdown: false
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError, is NIOTLSUnwrappingError: true
        default: false
        }
    }

    /// One line for people: BoringSSL's reason codes without source file and line.
    static func reason(_ error: any Error) -> String {
        switch error {
        case NIOSSLError.handshakeFailed(let cause): reason(cause)
        case BoringSSLError.sslError(let stack), BoringSSLError.unknownError(let stack):
            stack.isEmpty ? "\(error)" : stack.map { reasonCode($0.description) }.joined(separator: ", ")
        default: "\(error)"
        }
    }

    /// `error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED at x.cc:1` → the words in capitals.
    private static func reasonCode(_ text: String) -> String {
        let marker = "OPENSSL_internal:"
        var rest = text[...]
        while !rest.isEmpty, !rest.hasPrefix(marker) { rest.removeFirst() }
        guard !rest.isEmpty else { return text }
        return String(rest.dropFirst(marker.count).prefix { $0 != " " })
    }
}
