import NIOCore
import Replication

// What a server answers to PSYNC <id> <offset>, where its backlog has that offset:
//
//     +CONTINUE[ <id>]\r\n │ *3\r\n$3\r\nSET\r\n…      the stream from that offset on, live: it has no end
//     +FULLRESYNC <id> <offset>\r\n │ $<n>\r\n<RDB>…    it has not: a whole data set is made and sent
//     -NOMASTERLINK …\r\n, -ERR …\r\n                    it is a replica without a link, or does not allow it
//
// A full resync costs the server a BGSAVE, also where it is cut off. A full backlog loses its oldest byte with each new
// one: so INFO is asked on the same connection, directly before.

/// Why a stretch of a replication stream could not be read.
package enum StreamReadError: Error, Sendable, Equatable {
    /// No connection, or no login.
    case connection(RedisError)
    /// The server's own words.
    case refused(String)
    /// PSYNC would begin a full resync, by what the server said directly before, and was not sent: its backlog begins there
    /// for certain; `nil` where it has none, is of another history, or ends before the offset.
    case notCovered(beginsAt: Int64?)
    /// The server began a full resync: its backlog does not have the offset. The connection was closed at once.
    case fullResync
    /// The connection ended after so many bytes.
    case ended(received: Int64, of: Int64)
    /// Nothing came for so long, after so many bytes.
    case silent(after: Duration, received: Int64, of: Int64)
    /// More was asked for than is read into memory.
    case tooMuch(Int64)
}

/// A connection to a master that reads a stretch of its replication stream, and nothing else: after `PSYNC` nothing more
/// may be sent on it (`SLAVEOF` there makes Redis before 4 crash). The master counts it among its replicas until it ends.
package enum StreamConnection {
    /// The most that is read at once, bytes.
    package static let limit: Int64 = 512 << 20

    /// Reads the `count` bytes from `offset` on of the history `id`: exactly those. The server is asked directly before
    /// whether its backlog has the first of them, and still has it when `slack` more bytes were written; a full resync that
    /// begins all the same is cut off. `timeout`: the limit for connecting, and for each pause of the stream.
    package static func read(
        from url: RedisURL, tls: TLSFiles, id: String, at offset: Int64, count: Int64, slack: Int64 = 0,
        timeout: Duration
    ) async throws(StreamReadError) -> [UInt8] {
        guard count > 0 else { return [] }
        guard count <= limit else { throw .tooMuch(count) }
        let connection: RedisConnection
        do throws(RedisError) {
            connection = try await RedisConnection.connect(to: url, tls: tls, timeout: timeout)
        } catch {
            throw .connection(error)
        }
        let trouble = await trouble(at: offset, of: id, slack, over: connection, timeout)
        if let trouble {
            await connection.close()
            throw trouble
        }
        let outcome = await withCheckedContinuation { waiting in
            connection.takeOver(PreparedCommands([["PSYNC", id, String(offset)]])) { channel in
                StreamReader(count: Int(count), timeout: timeout, on: channel) { waiting.resume(returning: $0) }
            }
        }
        await connection.close()
        return try outcome.get()
    }

    /// Why PSYNC must not be sent; `nil` where it may be.
    private static func trouble(
        at offset: Int64, of id: String, _ slack: Int64, over connection: RedisConnection, _ timeout: Duration
    ) async -> StreamReadError? {
        do {
            let info = try ReplicationInfo(parsing: try await connection.info("replication", timeout: timeout))
            let backlog = info.backlog
            guard backlog.isActive, info.identity?.gives(id, at: offset) ?? true else {
                return .notCovered(beginsAt: nil)
            }
            let first = backlog.firstByteOffset(after: slack)
            guard offset >= first else { return .notCovered(beginsAt: first) }
            return offset - backlog.firstByteOffset <= backlog.length ? nil : .notCovered(beginsAt: nil)
        } catch let error as RedisError {
            return .connection(error)
        } catch {
            return .refused("\(error)")
        }
    }
}

extension ReplicationIdentity {
    /// Whether a server of this identity gives the stream of a history from an offset on.
    fileprivate func gives(_ history: String, at offset: Int64) -> Bool {
        if id == history { return true }
        return previous.map { $0.id == history && offset <= $0.end + 1 } ?? false
    }
}

/// Takes what comes, before anybody reads it as replies.
final class StreamReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// No status line is longer, bytes.
    private static let longestStatus = 4096

    private let count: Int
    private let timeout: Duration
    private let channel: any Channel
    private var completion: ((Result<[UInt8], StreamReadError>) -> Void)?
    private var status: [UInt8] = []
    private var isStreaming = false
    private var bytes: [UInt8] = []
    private var lastReceived = NIODeadline.now()
    private var timer: Scheduled<Void>?

    init(
        count: Int, timeout: Duration, on channel: any Channel,
        completion: @escaping (Result<[UInt8], StreamReadError>) -> Void
    ) {
        self.count = count
        self.timeout = timeout
        self.channel = channel
        self.completion = completion
    }

    func handlerAdded(context: ChannelHandlerContext) { arm() }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    /// The connection has ended.
    func end() {
        finish(.failure(.ended(received: Int64(bytes.count), of: Int64(count))))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard completion != nil else { return }
        lastReceived = .now()
        var rest = unwrapInboundIn(data).readableBytesView[...]
        while !isStreaming, let byte = rest.popFirst() {
            if let outcome = readStatus(byte) { return finish(.failure(outcome)) }
        }
        bytes.append(contentsOf: rest.prefix(count - bytes.count))
        if bytes.count == count { finish(.success(bytes)) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end()
        context.fireErrorCaught(error)
    }

    /// The first line; empty ones before it are a master's keep-alive. Returns why nothing will come.
    private func readStatus(_ byte: UInt8) -> StreamReadError? {
        guard byte == UInt8(ascii: "\n") else {
            status.append(byte)
            return status.count > Self.longestStatus ? .refused("no status line") : nil
        }
        if status.last == UInt8(ascii: "\r") { status.removeLast() }
        guard !status.isEmpty else { return nil }
        let line = String(decoding: status, as: UTF8.self)
        isStreaming = true
        if line == "+CONTINUE" || line.hasPrefix("+CONTINUE ") { return nil }
        return line.hasPrefix("+FULLRESYNC") ? .fullResync : .refused(String(line.drop { $0 == "-" }.prefix(200)))
    }

    private func arm() {
        let deadline = lastReceived + TimeAmount(clamping: timeout)
        timer = channel.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.timerFired() }
    }

    private func timerFired() {
        guard lastReceived + TimeAmount(clamping: timeout) <= .now() else { return arm() }
        finish(.failure(.silent(after: timeout, received: Int64(bytes.count), of: Int64(count))))
    }

    private func finish(_ outcome: Result<[UInt8], StreamReadError>) {
        timer?.cancel()
        let waiting = completion
        completion = nil
        waiting?(outcome)
    }
}

extension StreamReadError: CustomStringConvertible {
    /// One line: what happened.
    package var description: String {
        switch self {
        case .connection(let error): "\(error)"
        case .refused(let words): "PSYNC was answered with: \(words)"
        case .notCovered(let first?):
            "its backlog does not have them for certain any more: it begins at offset \(first); PSYNC was not sent"
        case .notCovered(nil):
            "its backlog does not have them: it has none now, or one of another history; PSYNC was not sent"
        case .fullResync: "its backlog does not have them any more: it began a full resync, which was cut off"
        case .ended(let received, let count): "the connection ended after \(received) of \(count) bytes"
        case .silent(let limit, let received, let count):
            "nothing came for \(limit), after \(received) of \(count) bytes"
        case .tooMuch(let count): "\(count) bytes are more than are read into memory (\(StreamConnection.limit))"
        }
    }
}
