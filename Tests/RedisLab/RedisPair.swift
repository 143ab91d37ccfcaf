public import RedisClient

/// A master and its replica, with a folder for journals, as the tests and the benchmark need them.
public struct RedisPair: Sendable {
    /// The master at first.
    public let master: RedisServer
    /// Its replica.
    public let replica: RedisServer
    /// For `--state-dir`.
    public let stateDirectory: String

    /// Starts both, fills `keys` keys into the master, and waits until the replica has everything. With `proxy`, the
    /// replica follows through it; the master listens on `port`, which the proxy must know beforehand.
    public static func start(
        _ version: RedisVersion, arguments: [String] = [], keys: Int = 100, through proxy: LinkProxy? = nil,
        port: Int? = nil
    ) async throws -> RedisPair {
        // Diskless transfers wait five seconds for further replicas, unless told otherwise (unknown before 2.8.18).
        let quick = version > .v2_8 ? ["--repl-diskless-sync-delay", "0"] : []
        let master = try await RedisServer.start(version, port: port, arguments: quick + arguments)
        let replica = try await RedisServer.start(version, arguments: quick + arguments)
        let pair = RedisPair(master: master, replica: replica, stateDirectory: try TemporaryDirectory.make())
        do {
            try await pair.fill(keys)
            try await pair.follow(port: proxy?.port ?? master.port)
        } catch {
            await pair.stop()
            throw error
        }
        return pair
    }

    /// Stops both and removes what they left.
    public func stop() async {
        await master.stop()
        await replica.stop()
        TemporaryDirectory.remove(stateDirectory)
    }

    /// Writes `count` keys to the master.
    public func fill(_ count: Int) async throws {
        guard count > 0 else { return }
        let connection = try await master.connection()
        for reply in await connection.pipeline(
            (0..<count).map { ["SET", "key:\($0)", "value"] }, timeout: .seconds(20))
        {
            _ = try reply.get()
        }
        await connection.close()
    }

    /// Makes the replica follow 127.0.0.1:`port`, and waits until its link is up and the master says so too, which is some
    /// milliseconds later.
    public func follow(port: Int, waiting: Bool = true) async throws {
        let connection = try await replica.connection()
        try await connection.slaveOf(host: "127.0.0.1", port: port, timeout: .seconds(5))
        await connection.close()
        guard waiting else { return }
        try await Self.wait("link up") { try await Self.info(replica)["master_link_status"] == "up" }
        try await Self.wait("online") { try await Self.info(master)["slave0"]?.contains("state=online") == true }
    }

    /// The fields of a server's INFO.
    public static func info(_ server: RedisServer) async throws -> [String: String] {
        let connection = try await server.connection()
        let text = try await connection.info(timeout: .seconds(5))
        await connection.close()
        var fields: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
        return fields
    }

    /// Sends one command on a connection of its own.
    @discardableResult
    public static func send(_ command: [String], to server: RedisServer) async throws -> RedisReply {
        let connection = try await server.connection()
        let reply = await connection.pipeline([command], timeout: .seconds(10))[0]
        await connection.close()
        return try reply.get()
    }

    /// Waits until something is true; an error counts as false. Throws after `limit`.
    public static func wait(
        _ what: String, limit: Duration = .seconds(20), until condition: () async throws -> Bool
    ) async throws {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if (try? await condition()) == true { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw RedisLabError.system("waiting for \(what)", errno: 110)
    }
}
