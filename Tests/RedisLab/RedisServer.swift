import Glibc
public import RedisClient
import Synchronization

/// One real redis-server process, in a temporary directory of its own.
///
/// Whoever starts one stops it: use `withRedisServers` where possible.
public final class RedisServer: Sendable {
    /// What it runs.
    public let version: RedisVersion
    /// Its TCP port; the same after `restart`.
    public let port: Int
    /// Its working directory, with the log in `redis.log`.
    public let directory: String
    private let ownsDirectory: Bool
    private let configurationFile: String?
    private let state: Mutex<(child: ChildProcess, arguments: [String])>

    /// The path of its unix socket.
    public var socketPath: String { "\(directory)/redis.sock" }
    /// The process; another one after `restart`.
    public var processID: Int32 { child.id }
    /// Where it listens, with the password of `--requirepass`, if any.
    public var url: RedisURL {
        RedisURL(address: .tcp(host: argument("--bind") ?? "127.0.0.1", port: port), password: password)
    }

    private var child: ChildProcess { state.withLock { $0.child } }
    private var password: String? { argument("--requirepass") }

    private func argument(_ name: String) -> String? {
        let arguments = state.withLock { $0.arguments }
        guard let index = arguments.lastIndex(of: name), index + 1 < arguments.count else { return nil }
        return arguments[index + 1]
    }

    private init(
        version: RedisVersion, port: Int, directory: String, ownsDirectory: Bool, child: ChildProcess,
        arguments: [String], configurationFile: String?
    ) {
        self.configurationFile = configurationFile
        self.version = version
        self.port = port
        self.directory = directory
        self.ownsDirectory = ownsDirectory
        state = Mutex((child, arguments))
    }

    /// Starts a server on `port` (default: a free one) of 127.0.0.1, without snapshots, and waits until it answers.
    ///
    /// `arguments` come last and win (`["--appendonly", "yes"]`). `directory` is used as it is and not removed by
    /// `stop`; by default there is a fresh one. With `untilLoaded: false` an answer of `-LOADING` is enough. A
    /// `configurationFile` is read before all arguments.
    public static func start(
        _ version: RedisVersion, port: Int? = nil, arguments: [String] = [], directory: String? = nil,
        untilLoaded: Bool = true, configurationFile: String? = nil
    ) async throws -> RedisServer {
        var attempt = 1
        while true {
            let folder = try directory ?? TemporaryDirectory.make()
            let chosen = try port ?? FreePort.pick()
            let child = try await spawn(
                version, port: chosen, directory: folder, arguments: arguments, configurationFile: configurationFile)
            let server = RedisServer(
                version: version, port: chosen, directory: folder, ownsDirectory: directory == nil, child: child,
                arguments: arguments, configurationFile: configurationFile)
            do {
                try await server.waitUntilReady(untilLoaded: untilLoaded)
                return server
            } catch {
                await server.stop()
                // Somebody may have taken the port between our look and the server's bind.
                attempt += 1
                if port != nil || attempt > 3 { throw error }
            }
        }
    }

    private static func spawn(
        _ version: RedisVersion, port: Int, directory: String, arguments: [String], configurationFile: String?
    ) async throws -> ChildProcess {
        guard let path = version.serverPath else { throw RedisLabError.missing(version) }
        let standard = [
            "--port", "\(port)", "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--unixsocket",
            "\(directory)/redis.sock",
        ]
        return try await ChildProcess.start(
            path: path, arguments: (configurationFile.map { [$0] } ?? []) + standard + arguments,
            log: "\(directory)/redis.log")
    }

    /// The unix socket is asked, because it is there whatever the test does to TCP (TLS only, `--bind ::1`).
    private func waitUntilReady(untilLoaded: Bool) async throws {
        let socket = RedisURL(address: .unix(path: socketPath))
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline, child.isRunning {
            do {
                let connection = try await RedisConnection.connect(to: socket, timeout: .seconds(1))
                // One outcome, so that the connection is closed in any case: it would count against maxclients.
                let answer = await connection.pipeline([["PING"]], timeout: .seconds(1))[0]
                await connection.close()
                _ = try answer.get()
                return
            } catch RedisError.server(let error) where error.code != .loading || !untilLoaded {
                return
            } catch {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        throw RedisLabError.didNotStart(log: TemporaryDirectory.tail(of: "\(directory)/redis.log"))
    }

    /// Sends a signal (SIGSTOP, SIGCONT, SIGKILL, SIGTERM …); nothing happens when the process is gone.
    public func signal(_ number: Int32) { child.signal(number) }

    /// Kills the process, as `kill -9` does, and returns when it is gone. The directory stays.
    public func kill() async {
        child.signal(SIGKILL)
        await child.waitForExit()
    }

    /// Kills the process if it runs, and starts it anew on the same port and directory; with `arguments` instead of
    /// the former ones where given.
    public func restart(arguments: [String]? = nil, untilLoaded: Bool = true) async throws {
        await kill()
        let arguments = arguments ?? state.withLock { $0.arguments }
        let child = try await Self.spawn(
            version, port: port, directory: directory, arguments: arguments, configurationFile: configurationFile)
        state.withLock { $0 = (child, arguments) }
        try await waitUntilReady(untilLoaded: untilLoaded)
    }

    /// Kills the process, and removes the directory if `start` made it.
    public func stop() async {
        await kill()
        if ownsDirectory { TemporaryDirectory.remove(directory) }
    }

    /// A fresh connection by TCP.
    public func connection() async throws -> RedisConnection {
        try await RedisConnection.connect(to: url, timeout: .seconds(5))
    }
}

/// Starts `count` servers, runs `body`, and stops them whatever happens in it.
public func withRedisServers<Value: Sendable>(
    _ version: RedisVersion, count: Int = 1, arguments: [String] = [], isolation: isolated (any Actor)? = #isolation,
    _ body: ([RedisServer]) async throws -> Value
) async throws -> Value {
    var servers: [RedisServer] = []
    do {
        for _ in 0..<count { servers.append(try await RedisServer.start(version, arguments: arguments)) }
        let value = try await body(servers)
        for server in servers { await server.stop() }
        return value
    } catch {
        for server in servers { await server.stop() }
        throw error
    }
}

/// Starts one server, runs `body`, and stops it whatever happens in it.
public func withRedisServer<Value: Sendable>(
    _ version: RedisVersion, arguments: [String] = [], isolation: isolated (any Actor)? = #isolation,
    _ body: (RedisServer) async throws -> Value
) async throws -> Value {
    try await withRedisServers(version, arguments: arguments) { try await body($0[0]) }
}
