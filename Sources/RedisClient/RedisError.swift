import Glibc
import NIOCore
import NIOPosix

/// Everything that can go wrong between us and one server.
public enum RedisError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No process listens there: the port refused, or the unix socket does not exist.
    case refused
    /// No way to the host: no route, the name does not resolve, no permission. Says why.
    case unreachable(String)
    /// Connecting, the TLS handshake and authentication together took longer than allowed.
    case connectTimedOut(after: Duration)
    /// This command missed its deadline. The connection was closed by us.
    case timedOut(command: String, after: Duration)
    /// The connection ended before the reply came: the server died or hung up, an earlier command timed out, or
    /// `close()` was called.
    case closed
    /// The TLS handshake or a verification failed, or a file cannot be used. Says why.
    case tls(String)
    /// The server does not speak RESP, or more of it than allowed. The connection was closed by us.
    case protocolViolation(String)
    /// The server answered with an error.
    case server(RedisServerError)

    /// One line: what happened.
    public var description: String {
        switch self {
        case .refused: "connection refused: no server listens there"
        case .unreachable(let reason): "unreachable: \(reason)"
        case .connectTimedOut(let limit): "no connection within \(limit)"
        case .timedOut(let command, let limit): "no reply to \(command) within \(limit)"
        case .closed: "the connection was closed"
        case .tls(let reason): "TLS failed: \(reason)"
        case .protocolViolation(let reason): "not a Redis server: \(reason)"
        case .server(let error): "error reply: \(error)"
        }
    }

    /// What a later command sees on a connection that ended for this reason: a missed deadline belongs to the
    /// command that missed it.
    var afterwards: RedisError {
        if case .timedOut = self { .closed } else { self }
    }

    /// The outcome of a connection attempt that swift-nio reports as failed.
    init(connecting error: any Error, timeout: Duration) {
        switch error {
        case let error as RedisError: self = error
        case let error as NIOConnectionError: self = RedisError(attempts: error, timeout: timeout)
        case let error as IOError: self = RedisError(connectErrno: error.errnoCode)
        case ChannelError.connectTimeout: self = .connectTimedOut(after: timeout)
        case let error as SocketAddressError: self = .unreachable("\(error)")
        case _ where TLSFailure.isAboutTLS(error): self = .tls(TLSFailure.reason(error))
        default: self = .unreachable("\(error)")
        }
    }

    /// A name can have several addresses. One that refuses is a host that lives, which says more than a missing
    /// route; a time-out says more than that, because the server may live.
    private init(attempts error: NIOConnectionError, timeout: Duration) {
        let outcomes = error.connectionErrors.map { RedisError(connecting: $0.error, timeout: timeout) }
        if outcomes.isEmpty {
            self = .unreachable("the name \"\(error.host)\" does not resolve")
        } else {
            self =
                outcomes.first { if case .connectTimedOut = $0 { true } else { false } }
                ?? outcomes.first { $0 == .refused } ?? outcomes[0]
        }
    }

    private init(connectErrno code: CInt) {
        self =
            switch code {
            case ECONNREFUSED, ENOENT: .refused
            case ECONNRESET, EPIPE: .closed
            case EHOSTUNREACH: .unreachable("no route to host")
            case ENETUNREACH: .unreachable("network is unreachable")
            case ETIMEDOUT: .unreachable("the host does not answer")
            case EACCES, EPERM: .unreachable("permission denied")
            default: .unreachable("error \(code) of connect()")
            }
    }
}
