/// The commands a failover needs, with typed results. All of them throw as `send` does; a reply of another type than
/// the command has is `.protocolViolation`. Times are real time from the call to the reply.
extension RedisConnection {
    /// `INFO` or `INFO section`, as text. Works while loading, during a fence, and on replicas cut off.
    public func info(_ section: String? = nil, timeout: Duration) async throws(RedisError) -> String {
        try await text(["INFO"] + (section.map { [$0] } ?? []), timeout: timeout)
    }

    /// Several sections in the order given, concatenated, in one write and one round trip. Each section is taken at
    /// a moment of its own: only versions from 7.0 on accept several sections in one command.
    public func infoSections(_ sections: [String], timeout: Duration) async throws(RedisError) -> String {
        var all = ""
        for outcome in await pipeline(sections.map { ["INFO", $0] }, timeout: timeout) {
            let reply = try outcome.get()
            guard let text = reply.text else { throw unexpected(reply, to: "INFO") }
            all += text
        }
        return all
    }

    /// `PING`. Says that the server answers; neither its role nor whether it has data.
    public func ping(timeout: Duration) async throws(RedisError) {
        _ = try await text(["PING"], timeout: timeout)
    }

    /// `SLAVEOF host port`, which every version knows. Discards the data of this server when the synchronization
    /// starts. Returns when the server has accepted, not when it has synchronized.
    public func slaveOf(host: String, port: Int, timeout: Duration) async throws(RedisError) {
        _ = try await text(["SLAVEOF", host, String(port)], timeout: timeout)
    }

    /// `SLAVEOF NO ONE`: the server is a master when this returns.
    public func slaveOfNoOne(timeout: Duration) async throws(RedisError) {
        _ = try await text(["SLAVEOF", "NO", "ONE"], timeout: timeout)
    }

    /// `CLIENT KILL TYPE type SKIPME yes|no`, for Redis 2.8.12 and newer. Returns how many connections were closed.
    public func clientKill(type: String, skipMe: Bool = true, timeout: Duration) async throws(RedisError) -> Int64 {
        try await integer(["CLIENT", "KILL", "TYPE", type, "SKIPME", skipMe ? "yes" : "no"], timeout: timeout)
    }

    /// `CLIENT PAUSE ms WRITE`, for Redis 6.2 and newer: no client can write for `duration` (rounded up to
    /// milliseconds), which then ends by itself. Replication and reads go on.
    public func clientPauseWrites(_ duration: Duration, timeout: Duration) async throws(RedisError) {
        let (seconds, attoseconds) = min(max(duration, .zero), .seconds(86_400)).components
        let milliseconds = seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        _ = try await text(["CLIENT", "PAUSE", String(milliseconds), "WRITE"], timeout: timeout)
    }

    /// `CLIENT UNPAUSE`, for Redis 6.2 and newer: ends a pause before its time.
    public func clientUnpause(timeout: Duration) async throws(RedisError) {
        _ = try await text(["CLIENT", "UNPAUSE"], timeout: timeout)
    }

    /// `CONFIG GET key`; nil where the server has no such key.
    public func configGet(_ key: String, timeout: Duration) async throws(RedisError) -> String? {
        let reply = try await send(["CONFIG", "GET", key], timeout: timeout)
        guard case .array(let pair) = reply else { throw unexpected(reply, to: "CONFIG") }
        return pair.count >= 2 ? pair[1].text : nil
    }

    /// `CONFIG SET key value`.
    public func configSet(_ key: String, _ value: String, timeout: Duration) async throws(RedisError) {
        _ = try await text(["CONFIG", "SET", key, value], timeout: timeout)
    }

    /// `DBSIZE`: the number of keys in database 0, those that have expired but are not yet deleted included.
    public func dbSize(timeout: Duration) async throws(RedisError) -> Int64 {
        try await integer(["DBSIZE"], timeout: timeout)
    }

    private func text(_ command: [String], timeout: Duration) async throws(RedisError) -> String {
        let reply = try await send(command, timeout: timeout)
        guard let text = reply.text else { throw unexpected(reply, to: command[0]) }
        return text
    }

    private func integer(_ command: [String], timeout: Duration) async throws(RedisError) -> Int64 {
        let reply = try await send(command, timeout: timeout)
        guard case .integer(let value) = reply else { throw unexpected(reply, to: command[0]) }
        return value
    }

    private func unexpected(_ reply: RedisReply, to command: String) -> RedisError {
        .protocolViolation("\(reply.kind) as the answer to \(command)")
    }
}
