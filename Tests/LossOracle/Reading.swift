public import NetworkLab
public import RedisClient

/// Looks writes up on a server.
public enum Reading {
    /// Keys in one command, and commands in one go.
    private static let (keys, commands) = (500, 20)
    /// Elements of a list in one answer.
    private static let page = 20_000

    /// What a server holds of all that the writers sent.
    public static func held(by server: RedisURL, of writers: [LabWriter.Notes]) async throws -> Held {
        var held = Held(writers: writers.count)
        let connection = try await RedisConnection.connect(to: server, timeout: .seconds(5))
        do {
            for (index, writer) in writers.enumerated() {
                try await ask(connection, [["SELECT", "\(writer.work.database)"]])
                switch writer.work.kind {
                case .set: try await keys(of: writer, index, connection, into: &held)
                case .push: try await elements(of: writer, index, connection, into: &held)
                case .incr:
                    let value = try await ask(connection, [["GET", writer.name]])[0]
                    held.counts[index] = value.text.flatMap { Int($0) } ?? 0
                }
            }
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
        return held
    }

    private static func keys(
        of writer: LabWriter.Notes, _ index: Int, _ connection: RedisConnection, into held: inout Held
    ) async throws {
        let sent = writer.acked + writer.unanswered
        for start in stride(from: 0, to: sent.count, by: keys * commands) {
            let part = sent[start..<min(start + keys * commands, sent.count)]
            let chunks = stride(from: part.startIndex, to: part.endIndex, by: keys).map {
                part[$0..<min($0 + keys, part.endIndex)]
            }
            let replies = try await ask(connection, chunks.map { ["MGET"] + $0.map { "\(writer.name):\($0)" } })
            for (chunk, reply) in zip(chunks, replies) {
                guard case .array(let values) = reply, values.count == chunk.count else {
                    throw LabError.malformed("MGET: \(reply)")
                }
                for (number, value) in zip(chunk, values) where value != .null {
                    guard value == .bulk(Array("\(number)".utf8)) else {
                        throw LabError.malformed("\(writer.name):\(number) is \(value)")
                    }
                    held.insert(number, of: index)
                }
            }
        }
    }

    private static func elements(
        of writer: LabWriter.Notes, _ index: Int, _ connection: RedisConnection, into held: inout Held
    ) async throws {
        var start = 0
        while true {
            let reply = try await ask(connection, [["LRANGE", writer.name, "\(start)", "\(start + page - 1)"]])[0]
            guard case .array(let values) = reply else { throw LabError.malformed("LRANGE: \(reply)") }
            for value in values {
                guard let number = value.text.flatMap({ UInt32($0) }) else {
                    throw LabError.malformed("\(writer.name) holds \(value)")
                }
                held.insert(number, of: index)
            }
            if values.count < page { return }
            start += page
        }
    }

    @discardableResult
    private static func ask(_ connection: RedisConnection, _ commands: [[String]]) async throws -> [RedisReply] {
        try await connection.pipeline(commands, timeout: .seconds(30)).map { try $0.get() }
    }
}
