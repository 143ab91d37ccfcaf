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

    /// What a command for this server, and for an `other` one, needs behind their addresses, with a blank before each option.
    /// Passwords are never printed, and where they are kept is not known: FILE is the operator's to fill in.
    package func loginOptions(with other: Endpoint? = nil) -> String {
        var options: [(String, String?)] = [("--user", url.username ?? other?.url.username)]
        if url.password ?? other?.url.password != nil { options.append(("--password-file", "FILE")) }
        if let own = url.password, let theirs = other?.url.password, own != theirs {
            options.append(("--other-password-file", "FILE"))
        }
        options += [
            ("--cacert", tls.certificateAuthority), ("--cert", tls.certificate), ("--key", tls.key),
            ("--sni", tls.serverName),
        ]
        return options.compactMap { name, value in value.map { " \(name) \($0)" } }.joined()
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
    /// It wants a password, or another one: a wrong one of ours, or another run's fence.
    case lockedOut(String)

    /// Sorts an error of the connection by what it says about the server's life.
    init(_ error: RedisError) {
        switch error {
        case .refused: self = .dead
        case .unreachable, .connectTimedOut, .timedOut, .closed: self = .silent("\(error)")
        case .server(let reply) where reply.code == .noAuth || reply.code == .wrongPass: self = .lockedOut("\(error)")
        case .tls, .protocolViolation, .server: self = .unusable("\(error)")
        }
    }

    /// What the gate is told; `nil` for a server that answers.
    var contact: SyncGate.Contact? {
        switch self {
        case .dead: .dead
        case .silent: .silent
        case .unusable, .lockedOut: nil
        }
    }

    /// The gate's event for a master in this trouble.
    var masterEvent: SyncGate.Event { contact.map { .masterUnreachable($0) } ?? .masterUnusable("\(self)") }

    /// One line.
    public var description: String {
        switch self {
        case .dead: "connection refused: no server listens there"
        case .silent(let reason), .unusable(let reason), .lockedOut(let reason): reason
        }
    }
}

/// Both servers of a pair, for operations that follow one another: whoever opens the connections before they are needed
/// saves that time. An operation may leave other passwords behind in them, so each has its own pair.
package struct OpenServers: Sendable {
    let local: Server
    let peer: Server

    /// Makes both, without connections.
    package init(local: Endpoint, peer: Endpoint, timeout: Duration) {
        self.local = Server(local, timeout: timeout)
        self.peer = Server(peer, timeout: timeout)
    }

    init(local: Server, peer: Server) {
        self.local = local
        self.peer = peer
    }

    /// Connects to both, at the same time. What does not work is seen when it is needed.
    package func open() async {
        async let one: Void = local.open()
        async let other: Void = peer.open()
        _ = await (one, other)
    }

    /// Closes both connections.
    package func close() async {
        await local.close()
        await peer.close()
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
    /// Somebody connects, and others wait for what comes of it.
    private var isConnecting = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// How many connections were opened so far: the same number, and not lost, is the same process.
    private(set) var connectionCount = 0

    init(_ endpoint: Endpoint, timeout: Duration) {
        self.endpoint = endpoint
        self.timeout = timeout
    }

    /// Whether an open connection was lost since the last command.
    var isLost: Bool { deathWatch?.isDead.load(ordering: .relaxed) ?? false }

    /// Our own address on the open connection.
    var localAddress: String? { connection?.localAddress }

    /// Whether it is on this machine; false without a connection.
    var isOnThisMachine: Bool { connection?.isToThisMachine ?? false }

    /// Uses another password from the next connection on.
    func usePassword(_ password: String?) { endpoint.url.password = password }

    /// Reads `INFO`, or some sections of it, in one write.
    func observe(_ sections: String...) async throws(ServerTrouble) -> Observation {
        let at = ContinuousClock.now
        let commands = sections.isEmpty ? [["INFO"]] : sections.map { ["INFO", $0] }
        var text = ""
        for outcome in try await perform(commands, isRepeatable: true) {
            switch outcome {
            case .success(let reply): text += reply.text ?? ""
            case .failure(let error): throw ServerTrouble(error)
            }
        }
        return try Self.observation(text, at: at)
    }

    /// As `observe()`, for the first look: where a password is wanted, asks again for a moment, because another run's
    /// fence would be gone then.
    func observePatiently() async throws(ServerTrouble) -> Observation {
        let end = ContinuousClock.now + Self.fencePatience
        while true {
            do throws(ServerTrouble) { return try await observe() } catch {
                guard case .lockedOut = error, ContinuousClock.now < end else { throw error }
                connection = nil
            }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return try await observe() }
        }
    }

    /// Longer than another run needs from fence to release when its replica has caught up.
    private static let fencePatience: Duration = .seconds(1)

    /// Reads an INFO reply.
    static func observation(
        _ outcome: Result<RedisReply, RedisError>, at: Instant
    ) throws(ServerTrouble) -> Observation {
        switch outcome {
        case .failure(let error): throw ServerTrouble(error)
        case .success(let reply): return try observation(reply.text ?? "", at: at)
        }
    }

    private static func observation(_ text: String, at: Instant) throws(ServerTrouble) -> Observation {
        do throws(ReplicationInfoError) { return Observation(try ReplicationInfo(parsing: text), at: at) } catch {
            throw .unusable("\(error)")
        }
    }

    /// Sends commands in one write. A connection that was closed meanwhile is opened again first. Error replies are
    /// outcomes, trouble with the connection is thrown.
    ///
    /// Where the connection ends under the commands, a process that is gone refuses the next one, and is `dead` rather
    /// than `silent`; where it lets us in again, `isRepeatable` commands, which may be executed twice, are sent once more.
    ///
    /// `onlyOn`: the number of a connection; on any other nothing is sent, for it may lead to another process.
    func perform(
        _ commands: [[String]], isRepeatable: Bool = false, onlyOn number: Int? = nil
    ) async throws(ServerTrouble) -> [Result<RedisReply, RedisError>] {
        if isLost { connection = nil }
        if let number, connection == nil || connectionCount != number { throw ServerTrouble(.closed) }
        let outcomes = await (try await opened()).pipeline(commands, timeout: timeout)
        guard let error = Self.connectionError(in: outcomes) else { return outcomes }
        connection = nil
        guard error == .closed else { throw ServerTrouble(error) }
        let reopened = try await opened()
        guard isRepeatable else { throw ServerTrouble(error) }
        let again = await reopened.pipeline(commands, timeout: timeout)
        guard let error = Self.connectionError(in: again) else { return again }
        connection = nil
        throw ServerTrouble(error)
    }

    /// The first error that is not a reply.
    private static func connectionError(in outcomes: [Result<RedisReply, RedisError>]) -> RedisError? {
        for case .failure(let error) in outcomes {
            if case .server = error { continue }
            return error
        }
        return nil
    }

    /// What whoever waited for somebody else's attempt has for its own at least.
    private static let leastTime: Duration = .milliseconds(10)

    /// Connects, if there is no connection.
    func open() async {
        do throws(ServerTrouble) { _ = try await opened() } catch {
            // The first command will meet it again.
        }
    }

    /// Closes the connection.
    func close() async {
        await connection?.close()
        connection = nil
    }

    private func opened() async throws(ServerTrouble) -> RedisConnection {
        let end = ContinuousClock.now + timeout
        var limit = timeout
        // Two who come at once share one connection. Where the first fails, the next has what is left of its own time.
        while isConnecting {
            await withCheckedContinuation { waiting.append($0) }
            limit = max(end - .now, Self.leastTime)
        }
        if let connection { return connection }
        isConnecting = true
        defer {
            isConnecting = false
            for one in waiting { one.resume() }
            waiting = []
        }
        do throws(RedisError) {
            let opened = try await RedisConnection.connect(to: endpoint.url, tls: endpoint.tls, timeout: limit)
            let watch = DeathWatch()
            // The watch must not hold the connection, which ends when it is dropped.
            opened.whenClosed { _ in watch.isDead.store(true, ordering: .relaxed) }
            connection = opened
            connectionCount += 1
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
