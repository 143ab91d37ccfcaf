public import RedisClient
import Replication
import Synchronization

/// Where a server is, and how to talk to it.
public struct Endpoint: Sendable, Hashable {
    /// The address, with credentials.
    public var url: RedisURL
    /// Certificates, for `rediss://`.
    public var tls: TLSFiles

    /// Makes an endpoint.
    public init(url: RedisURL, tls: TLSFiles = TLSFiles()) {
        self.url = url
        self.tls = tls
    }
}

/// Why a server could not be read or told anything.
public enum ServerTrouble: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nothing listens there.
    case dead
    /// No answer in time.
    case silent(String)
    /// It answers, and does not do what is asked: the reason.
    case unusable(String)

    /// Sorts an error of the connection by what it says about the server's life (REDIS-FACTS section 8).
    init(_ error: RedisError) {
        switch error {
        case .refused: self = .dead
        case .unreachable, .connectTimedOut, .timedOut, .closed: self = .silent("\(error)")
        case .tls, .protocolViolation, .server: self = .unusable("\(error)")
        }
    }

    /// What the gate is told; `nil` for `unusable`.
    var contact: SyncGate.Contact? {
        switch self {
        case .dead: .dead
        case .silent: .silent
        case .unusable: nil
        }
    }

    /// One line.
    public var description: String {
        switch self {
        case .dead: "connection refused: no server listens there"
        case .silent(let reason), .unusable(let reason): reason
        }
    }
}

/// One server of the pair, with a connection that is opened when it is needed and opened again when it was lost.
actor Server {
    /// Where it is. The password changes while a password fence is up.
    private(set) var endpoint: Endpoint
    /// The limit for connecting and for each command.
    let timeout: Duration
    private var connection: RedisConnection?
    private var deathWatch: DeathWatch?

    init(_ endpoint: Endpoint, timeout: Duration) {
        self.endpoint = endpoint
        self.timeout = timeout
    }

    /// Whether an open connection was lost since the last command.
    var isLost: Bool { deathWatch?.isDead.load(ordering: .relaxed) ?? false }

    /// Our own address on the open connection.
    var localAddress: String? { connection?.localAddress }

    /// Uses another password from the next connection on.
    func usePassword(_ password: String?) { endpoint.url.password = password }

    /// Reads `INFO`, or one section of it. Asks once more where the connection was closed and the server lets us in
    /// again: reading twice harms nobody.
    func observe(_ section: String? = nil) async throws(ServerTrouble) -> Observation {
        let command = [["INFO"] + (section.map { [$0] } ?? [])]
        var at = ContinuousClock.now
        do throws(ServerTrouble) {
            return try Self.observation(try await perform(command)[0], at: at)
        } catch  where connection != nil {
            at = ContinuousClock.now
            return try Self.observation(try await perform(command)[0], at: at)
        }
    }

    /// Reads an INFO reply.
    static func observation(
        _ outcome: Result<RedisReply, RedisError>, at: Instant
    ) throws(ServerTrouble) -> Observation {
        switch outcome {
        case .failure(let error): throw ServerTrouble(error)
        case .success(let reply):
            do throws(ReplicationInfoError) {
                return Observation(try ReplicationInfo(parsing: reply.text ?? ""), at: at)
            } catch {
                throw .unusable("\(error)")
            }
        }
    }

    /// Sends commands in one write. A connection that was closed meanwhile is opened again once, before anything is
    /// sent; a command is never sent twice. Error replies are outcomes, trouble with the connection is thrown.
    func perform(_ commands: [[String]]) async throws(ServerTrouble) -> [Result<RedisReply, RedisError>] {
        if isLost { connection = nil }
        let connection = try await opened()
        let outcomes = await connection.pipeline(commands, timeout: timeout)
        for case .failure(let error) in outcomes {
            if case .server = error { continue }
            self.connection = nil
            // EOF: a process that is gone refuses the next connection, and is dead rather than silent.
            if error == .closed { _ = try await opened() }
            throw ServerTrouble(error)
        }
        return outcomes
    }

    /// Closes the connection.
    func close() async {
        await connection?.close()
        connection = nil
    }

    private func opened() async throws(ServerTrouble) -> RedisConnection {
        if let connection { return connection }
        do throws(RedisError) {
            let opened = try await RedisConnection.connect(to: endpoint.url, tls: endpoint.tls, timeout: timeout)
            let watch = DeathWatch()
            Task {
                _ = await opened.closed()
                watch.isDead.store(true, ordering: .relaxed)
            }
            connection = opened
            deathWatch = watch
            return opened
        } catch {
            throw ServerTrouble(error)
        }
    }
}

/// Set when a connection ends.
private final class DeathWatch: Sendable {
    let isDead = Atomic(false)
}
