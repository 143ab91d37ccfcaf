import RedisClient
import Replication
import Salvage

/// The server that a file is replayed to: executes the actions of `Replay`, one connection at a time.
struct ReplayTarget {
    /// Why it is not one to replay to.
    enum Trouble: Error, Sendable, Equatable {
        /// It cannot be reached now.
        case away(String)
        /// It does not let us in, or does not do what is asked: nothing changes by waiting.
        case unusable(String)
        /// It is the wrong server, or in the wrong state.
        case unfit(String)
    }

    let endpoint: Endpoint
    /// The limit for connecting.
    let timeout: Duration
    let header: SalvageHeader
    /// The marker's key.
    let marker: String
    /// All that the file writes to.
    let databases: Set<Int>
    private var connection: RedisConnection?

    init(_ endpoint: Endpoint, timeout: Duration, header: SalvageHeader, databases: Set<Int>) {
        self.endpoint = endpoint
        self.timeout = timeout
        self.header = header
        self.databases = databases
        marker = ReplayMarker.key(replicationID: header.replicationID, from: header.from)
    }

    // MARK: - Before the first write

    /// Connects, and looks whether it takes these writes. Changes nothing.
    mutating func look() async throws(Trouble) -> (connection: RedisConnection, info: ReplicationInfo) {
        let opened: RedisConnection
        do throws(RedisError) {
            opened = try await RedisConnection.connect(to: endpoint.url, tls: endpoint.tls, timeout: timeout)
        } catch {
            throw Self.trouble(error)
        }
        connection = opened
        let info: ReplicationInfo
        do {
            info = try ReplicationInfo(parsing: try await opened.info(timeout: limit()))
        } catch let error as RedisError {
            throw Self.trouble(error)
        } catch {
            throw .unusable("\(error)")
        }
        if let reason = unfitness(info) { throw .unfit(reason) }
        for database in databases.sorted() {
            let outcome = await opened.pipeline([["SELECT", String(database)]], timeout: limit())[0]
            if case .failure(.server(let error)) = outcome {
                throw .unfit("the file writes to database \(database), and the server says: \(error)")
            }
            if case .failure(let error) = outcome { throw Self.trouble(error) }
        }
        return (opened, info)
    }

    private func unfitness(_ info: ReplicationInfo) -> String? {
        if let what = info.server?.unsuitability { return "it is \(what)" }
        if info.isLoading { return "it is loading its data set: wait until it has finished" }
        if let link = info.masterLink {
            return "it is a replica of \(link.host):\(link.port), and takes no writes: replay to the master"
        }
        if info.identity == nil, info.server?.runID == header.replicationID {
            return
                "it is the process that these writes were made on, and before Redis 4 nobody can tell whether it still has "
                + "them: they are to be replayed to the other server"
        }
        guard held(info) >= header.to - 1 else { return nil }
        return "it holds these writes already, from its own history: they are to be replayed to the other server"
    }

    /// The last offset of the file's history that the server has; 0 where it did not go through it.
    func held(_ info: ReplicationInfo) -> Int64 {
        let own = Self.held(header.replicationID, info)
        return max(own, header.origin.map { min(Self.held($0.replicationID, info), $0.end) } ?? 0)
    }

    private static func held(_ id: String, _ info: ReplicationInfo) -> Int64 {
        guard let identity = info.identity else { return 0 }
        if identity.id == id { return info.masterReplicationOffset }
        return identity.previous.map { $0.id == id ? $0.end : 0 } ?? 0
    }

    // MARK: - The actions

    /// Opens a connection: in database 0, watching the marker, which was read, and inside `MULTI`.
    mutating func connect() async -> Replay.Event {
        await close()
        do throws(Trouble) {
            let (opened, _) = try await look()
            let outcomes = await opened.pipeline(
                [["SELECT", "0"], ["WATCH", marker], ["GET", marker], ["MULTI"]], timeout: limit())
            return .connected(try Self.marker(outcomes))
        } catch {
            switch error {
            case .away(let reason): return .disconnected(reason)
            case .unusable(let reason), .unfit(let reason): return .unfit(reason)
            }
        }
    }

    /// The marker, of the replies to `WATCH`, `GET`, `MULTI` at the end of `outcomes`.
    private static func marker(_ outcomes: [Result<RedisReply, RedisError>]) throws(Trouble) -> ReplayMarker {
        var replies: [RedisReply] = []
        for outcome in outcomes.suffix(3) {
            do throws(RedisError) { replies.append(try outcome.get()) } catch { throw trouble(error) }
        }
        guard replies.count == 3 else { throw .unusable("not a Redis server") }
        switch replies[1] {
        case .bulk(let value): return ReplayMarker(value: value)
        case .null: return .absent
        default: throw .unusable("not a Redis server: \(replies[1].kind) for GET")
        }
    }

    /// Sends a batch, and begins the next transaction.
    mutating func send(_ batch: ReplayBatch) async -> Replay.Event {
        guard let connection else { return .disconnected("the connection was closed") }
        let next = [["EXEC"], ["WATCH", marker], ["GET", marker], ["MULTI"]].map { $0.map { Array($0.utf8) } }
        let outcomes = await connection.pipeline(bytes: batch.commands + next, timeout: limit(for: batch.bytes))
        let count = batch.commands.count
        do throws(Trouble) {
            guard outcomes.count == count + next.count else { throw .away("the connection was closed") }
            var queued: [String?] = []
            for outcome in outcomes[..<count] { queued.append(try Self.refusal(outcome)) }
            let execution = try Self.execution(outcomes[count], of: count)
            return .replied(ReplayReply(queued: queued, execution: execution, marker: try Self.marker(outcomes)))
        } catch {
            await close()
            switch error {
            case .away(let reason), .unusable(let reason), .unfit(let reason): return .disconnected(reason)
            }
        }
    }

    /// The words with which a command was refused; `nil` where it was not.
    private static func refusal(_ outcome: Result<RedisReply, RedisError>) throws(Trouble) -> String? {
        switch outcome {
        case .success: return nil
        case .failure(.server(let error)): return "\(error)"
        case .failure(let error): throw trouble(error)
        }
    }

    private static func execution(
        _ outcome: Result<RedisReply, RedisError>, of count: Int
    ) throws(Trouble) -> ReplayReply.Execution {
        if let words = try refusal(outcome) { return .discarded(words) }
        switch outcome {
        case .success(.null): return .overtaken
        case .success(.array(let replies)) where replies.count == count:
            return .executed(
                replies.map { reply in
                    if case .error(let error) = reply { "\(error)" } else { nil }
                })
        default: throw .away("not the reply of a transaction of \(count) commands")
        }
    }

    /// Lets the marker say that all was applied, for a day, and removes what was kept beside it, inside of the transaction
    /// that was begun.
    mutating func conclude() async -> Replay.Event {
        guard let connection else { return .disconnected("the connection was closed") }
        let commands = [
            ["SET", marker, String(header.to), "EX", String(ReplayMarker.memory)],
            ["DEL", ReplayMarker.skipsKey(marker)], ["EXEC"],
        ]
        let outcomes = await connection.pipeline(commands, timeout: limit())
        for case .failure(let error) in outcomes {
            await close()
            return .disconnected("\(error)")
        }
        // Not executed: somebody has touched the marker, which is looked at again.
        if case .success(.null) = outcomes.last { return .disconnected("the marker was changed by somebody else") }
        return .concluded
    }

    /// Ends the connection, and with it a transaction that was only begun.
    mutating func close() async {
        await connection?.close()
        connection = nil
    }

    // MARK: - Limits and errors

    /// For one round trip: ten seconds at least, and a second for each MiB.
    func limit(for bytes: Int64 = 0) -> Duration { max(timeout, .seconds(10)) + .seconds(bytes >> 20) }

    static func trouble(_ error: RedisError) -> Trouble {
        switch error {
        case .refused, .unreachable, .connectTimedOut, .timedOut, .closed: return .away("\(error)")
        case .tls, .protocolViolation: return .unusable("\(error)")
        case .server(let reply):
            switch reply.code {
            case .loading, .busy, .maxClients, .masterDown: return .away("\(error)")
            default: return .unusable("\(error)")
            }
        }
    }
}
