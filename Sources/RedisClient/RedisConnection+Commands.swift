/// The commands that are sent one by one, with typed results. All of them throw as `send` does; a reply of another type than
/// the command has is `.protocolViolation`. Times are real time from the call to the reply.
extension RedisConnection {
    /// `INFO` or `INFO section`, as text. Works while loading, during a fence, and on replicas cut off.
    public func info(_ section: String? = nil, timeout: Duration) async throws(RedisError) -> String {
        let reply = try await send(["INFO"] + (section.map { [$0] } ?? []), timeout: timeout)
        guard let text = reply.text else { throw unexpected(reply, to: "INFO") }
        return text
    }

    /// `CONFIG GET key`; nil where the server has no such key.
    public func configGet(_ key: String, timeout: Duration) async throws(RedisError) -> String? {
        let reply = try await send(["CONFIG", "GET", key], timeout: timeout)
        guard case .array(let pair) = reply else { throw unexpected(reply, to: "CONFIG") }
        return pair.count >= 2 ? pair[1].text : nil
    }

    private func unexpected(_ reply: RedisReply, to command: String) -> RedisError {
        .protocolViolation("\(reply.kind) as the answer to \(command)")
    }
}
