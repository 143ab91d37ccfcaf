// Which writes are missing
//
// Decided once, before the first write is sent, for all units of the file; the decisions are kept on the server beside the
// marker (`ReplaySkips`), so that what the replay itself writes counts for nothing, also when it goes on in another process.
//
//     backlog   the server was promoted out of the file's history, and its backlog has all that it wrote since: every key
//               in there has changed. Replays of the same history, from this file's offset or an earlier one, are no change.
//     idle      otherwise: a key that is there has changed, unless it was last used before the time that the operator gives
//               (OBJECT IDLETIME); reading counts as use. A key that is not there is missing.

import RedisClient
import Replication
import Salvage

/// What the new master has changed since, and so is left out.
struct ReplaySelection {
    /// What is decided for a unit.
    enum Decision: Equatable {
        case send
        case skip(String)
    }

    /// Why nothing can be decided.
    enum Trouble: Error, Equatable {
        case away(String)
        case impossible(String)
        case unreadable(SalvageReadError)
        case stopped
    }

    /// How the changes were found, in words.
    private(set) var rule = ""
    /// Whether there are any that nobody can tell by keys: everything is left out then, and this is why.
    private(set) var everything: String?
    private let connection: RedisConnection
    private let timeout: Duration
    /// The database of writes of which it is not known.
    private let database: Int
    private var changed: Set<ReplayKey> = []
    private var omissions = ReplayOmissions()

    init(over connection: RedisConnection, timeout: Duration, database: Int) {
        self.connection = connection
        self.timeout = timeout
        self.database = database
    }

    /// Whether a unit is left out: one of its keys has changed, or was written by what was left out before, or it has none by
    /// which that could be told. Units are asked for in the order of the file.
    mutating func decide(_ unit: ReplayUnit) async throws(Trouble) -> Decision {
        if everything != nil { return .skip("everything counts as changed") }
        var found: [(write: StreamCommand, keys: CommandKeys, database: Int)] = []
        for write in unit.writes {
            let database = write.database ?? database
            found.append((write, try await keys(of: write, database: database), database))
        }
        guard let reason = firstReason(found.map(\.keys)) else { return .send }
        for (write, keys, database) in found { omissions.add(write, keys, database: database) }
        return .skip(reason)
    }

    private func firstReason(_ found: [CommandKeys]) -> String? { found.lazy.compactMap { reason(for: $0) }.first }

    private func reason(for keys: CommandKeys) -> String? {
        switch keys {
        case .keys(let names):
            if let key = names.first(where: changed.contains) {
                return "\(CommandText.quoted(key.name, limit: 64)) was changed"
            }
            return omissions.reason(for: keys)
        case .none, .everything: return "it has no keys"
        case .script: return "a script's keys are not known"
        case .unlisted: return "its keys are not known"
        }
    }

    /// By the table, or by the server's word: `unlisted` where that does not know them either.
    private func keys(of command: StreamCommand, database: Int) async throws(Trouble) -> CommandKeys {
        let listed = CommandKeys(command, database: database)
        guard listed == .unlisted else { return listed }
        let question = ["COMMAND", "GETKEYS"].map { Array($0.utf8) } + command.arguments
        switch await connection.pipeline(bytes: [question], timeout: timeout)[0] {
        case .success(.array(let names)):
            let keys = names.compactMap { name in
                if case .bulk(let bytes) = name { ReplayKey(database: database, name: bytes) } else { nil }
            }
            return keys.count == names.count ? .keys(Set(keys)) : .unlisted
        case .failure(.server(let error)):
            return error.message.contains("no key arguments") ? .none : .unlisted
        case .failure(let error): throw .away("\(error)")
        case .success: return .unlisted
        }
    }
}

// MARK: - By the backlog

extension ReplaySelection {
    /// The part of the server's stream that it wrote itself since it was promoted out of the file's history, where its
    /// backlog has all of it.
    static func span(_ info: ReplicationInfo, header: SalvageHeader) -> StreamSpan? {
        guard let identity = info.identity, let previous = identity.previous,
            header.replicationIDs.contains(previous.id), info.masterLink == nil
        else { return nil }
        let span = StreamSpan(
            psyncID: identity.id, from: previous.end + 1, to: max(previous.end, info.masterReplicationOffset) + 1)
        if span.count == 0 { return span }
        let backlog = info.backlog
        guard backlog.isActive, backlog.firstByteOffset(after: slack(of: backlog)) <= span.from,
            span.to - backlog.firstByteOffset <= backlog.length
        else { return nil }
        return span
    }

    /// How much this master, which nothing fences, may write between a look at its backlog and a PSYNC, bytes: an eighth of
    /// the backlog.
    static func slack(of backlog: ReplicationInfo.Backlog) -> Int64 { max(backlog.size, 0) / 8 }

    /// How much is read at once, bytes.
    private static let pieceLength: Int64 = 16 << 20

    /// Reads what the server wrote, and collects the keys. Before each piece the server says whether its backlog still has
    /// it, with that much slack.
    mutating func readBacklog(
        _ span: StreamSpan, slack: Int64, of endpoint: Endpoint, header: SalvageHeader, isStopping: () -> Bool
    ) async throws(Trouble) {
        rule =
            "by the server's backlog: a key that it has written since its promotion, in the \(span.count) bytes from offset "
            + "\(span.from) on, counts as changed"
        var stream = ReplicationStream(at: span.from)
        var units = ReplayUnits()
        var offset = span.from
        while offset < span.to {
            if isStopping() { throw .stopped }
            let count = min(Self.pieceLength, span.to - offset)
            let bytes: [UInt8]
            do throws(StreamReadError) {
                bytes = try await StreamConnection.read(
                    from: endpoint.url, tls: endpoint.tls, id: span.psyncID, at: offset, count: count, slack: slack,
                    timeout: timeout)
            } catch {
                throw .impossible("its backlog cannot be read: \(error)")
            }
            offset += Int64(bytes.count)
            stream.append(bytes)
            while let command = try Self.next(&stream) {
                if let unit = units.take(command) { try await note(unit, header) }
            }
        }
    }

    private static func next(_ stream: inout ReplicationStream) throws(Trouble) -> StreamCommand? {
        do throws(ReplicationStreamError) { return try stream.next() } catch {
            throw .impossible("its backlog cannot be read: \(error)")
        }
    }

    private mutating func note(_ unit: ReplayUnit, _ header: SalvageHeader) async throws(Trouble) {
        guard everything == nil, !Self.isReplay(unit, of: header) else { return }
        for write in unit.writes {
            guard let database = write.database else {
                everything = "the database of what it wrote at offset \(write.offset) is not known"
                return
            }
            switch try await keys(of: write, database: database) {
            case .keys(let keys): changed.formUnion(keys)
            case .none: break
            case .everything, .script, .unlisted:
                everything =
                    "it executed \(write.name) at offset \(write.offset), and nobody can tell which keys that changed"
                return
            }
        }
    }

    /// Whether it is a transaction of a replay of the same history, that is not later than this one.
    static func isReplay(_ unit: ReplayUnit, of header: SalvageHeader) -> Bool {
        unit.markers(database: 0).contains { key, _ in
            header.replicationIDs.contains { id in
                let prefix = ReplayMarker.prefix(replicationID: id)
                return key.hasPrefix(prefix) && Int64(key.dropFirst(prefix.count)).map { $0 <= header.from } ?? false
            }
        }
    }
}

// MARK: - By what is there

extension ReplaySelection {
    /// How much later than said a key may have been used, seconds: Redis counts idle times coarsely.
    private static let grain: Int64 = 11
    /// Beyond this, idle times begin again from 0 (24 bits of seconds), seconds.
    private static let longestIdle: Int64 = 180 * 86_400

    /// Asks for each of the file's keys. `since`: seconds since 1970, when the server was promoted; `nil` where that is not
    /// known.
    mutating func askForKeys(
        of reader: SalvageFileReader, since: Int64?, isStopping: () -> Bool
    ) async throws(Trouble) {
        var age: Int64?
        if let since {
            age = try await time() - since
            rule =
                "by OBJECT IDLETIME: a key that was used after that time counts as changed, and one that is not there as "
                + "missing"
        } else {
            rule =
                "by what is there: each key that exists counts as changed, since the server's backlog does not tell and no "
                + "time was given (--since)"
        }
        var asked: Set<ReplayKey> = []
        var waiting: [ReplayKey] = []
        reader.rewind()
        var units = ReplayUnits()
        while let command = try Self.next(reader) {
            guard let unit = units.take(command) else { continue }
            if isStopping() { throw .stopped }
            for write in unit.writes {
                guard case .keys(let keys) = try await keys(of: write, database: write.database ?? database) else {
                    continue
                }
                for key in keys where asked.insert(key).inserted { waiting.append(key) }
            }
            if waiting.count >= 512 {
                try await ask(waiting, age)
                waiting = []
            }
        }
        try await ask(waiting, age)
    }

    static func next(_ reader: SalvageFileReader) throws(Trouble) -> StreamCommand? {
        do throws(SalvageReadError) { return try reader.next() } catch { throw .unreadable(error) }
    }

    /// The server's clock, seconds since 1970.
    private func time() async throws(Trouble) -> Int64 {
        switch await connection.pipeline([["TIME"]], timeout: timeout)[0] {
        case .success(.array(let parts)):
            if let seconds = parts.first?.text.flatMap({ Int64($0) }) { return seconds }
            throw .impossible("it does not tell its time")
        case .failure(.server(let error)): throw .impossible("it does not tell its time: \(error)")
        case .failure(let error): throw .away("\(error)")
        case .success: throw .impossible("it does not tell its time")
        }
    }

    private mutating func ask(_ keys: [ReplayKey], _ age: Int64?) async throws(Trouble) {
        let words = [age == nil ? "ENCODING" : "IDLETIME", "REFCOUNT"].map { Array($0.utf8) }
        var commands: [[[UInt8]]] = []
        for key in keys {
            commands.append([Array("SELECT".utf8), Array(String(key.database).utf8)])
            commands += words.map { [Array("OBJECT".utf8), $0, key.name] }
        }
        let outcomes = await connection.pipeline(bytes: commands, timeout: timeout)
        for (index, key) in keys.enumerated() {
            // A value that several keys share (0 to 9999) has an idle time of its own, which is not the key's.
            if case .success(.integer(let sharers)) = outcomes[index * 3 + 2], sharers != 1 { changed.insert(key) }
            switch outcomes[index * 3 + 1] {
            case .success(.null): break
            case .success(.integer(let idle)):
                if Self.isChanged(idle: idle, age: age ?? .max) { changed.insert(key) }
            case .success: changed.insert(key)
            case .failure(.server(let error)) where error.message.contains("LFU"):
                throw .impossible(
                    "it does not count idle times, since its maxmemory-policy is an LFU one: leave --since out, and each "
                        + "key that exists counts as changed")
            case .failure(.server(let error)):
                throw .impossible("it does not tell of \(CommandText.quoted(key.name, limit: 64)): \(error)")
            case .failure(let error): throw .away("\(error)")
            }
        }
    }

    /// Whether a key that was last used `idle` seconds ago may have been used within the last `age` seconds.
    static func isChanged(idle: Int64, age: Int64) -> Bool {
        age > longestIdle || idle <= max(age, 0) + grain
    }
}
