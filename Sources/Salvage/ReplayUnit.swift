/// What is replayed as a whole: one write, or one transaction.
public struct ReplayUnit: Sendable, Equatable {
    /// Offset of its first byte, as in the file: of the write, or of the `MULTI`.
    public var start: Int64
    /// Offset of the byte after its last: of the write, or of the `EXEC`.
    public var end: Int64
    /// Its writes, in order; at least one.
    public var writes: [StreamCommand]
    /// Bytes of the writes in the stream.
    public var bytes: Int64 { writes.reduce(0) { $0 + $1.length } }

    /// Makes one.
    public init(start: Int64, end: Int64, writes: [StreamCommand]) {
        self.start = start
        self.end = end
        self.writes = writes
    }
}

/// Makes units of the commands of a file, as they come.
///
/// `PING`, `SELECT` and `REPLCONF` are not replayed: each write knows its database. A transaction without writes is
/// none, and one that began before the file is replayed write by write, since its `MULTI` is not there.
public struct ReplayUnits: Sendable {
    private var transaction: (start: Int64, writes: [StreamCommand])?

    /// At the beginning of a file.
    public init() {}

    /// Writes of a transaction that has no `EXEC` yet. At the end of a file: a server would have executed none of them.
    public var unfinishedWrites: Int { transaction?.writes.count ?? 0 }

    /// Takes the next command; gives the unit that it completes, if it does.
    public mutating func take(_ command: StreamCommand) -> ReplayUnit? {
        let end = command.offset + command.length
        switch command.kind {
        case .ping, .select, .replconf:
            return nil
        case .multi:
            transaction = (command.offset, [])
            return nil
        case .exec:
            defer { transaction = nil }
            guard let transaction, !transaction.writes.isEmpty else { return nil }
            return ReplayUnit(start: transaction.start, end: end, writes: transaction.writes)
        case .write:
            guard transaction != nil else { return ReplayUnit(start: command.offset, end: end, writes: [command]) }
            transaction?.writes.append(command)
            return nil
        }
    }
}

// MARK: - Replays inside of a file

// A server that a file F was replayed to may fail in turn: then a file G of what it held beyond the next one has batches of
// that replay, each a transaction that ends with F's marker. Where F is replayed to the next server as well, its marker
// there tells which of those batches that one has.

extension ReplayUnit {
    /// The markers of replays that it sets, in order, and to which offset; with their time to live or without. `database`:
    /// where writes go of which it is not known.
    public func markers(database: Int) -> [(key: String, offset: Int64)] {
        writes.compactMap { write in
            guard write.arguments.count >= 3, write.database ?? database == 0,
                write.arguments[1].starts(with: ReplayMarker.beginning), write.name == "SET",
                let offset = ReplayMarker(value: write.arguments[2]).offset
            else { return nil }
            return (String(decoding: write.arguments[1], as: UTF8.self), offset)
        }
    }

    /// Whether a server on which the markers of other replays are these has it: it is a batch of one of them, or several
    /// batches that another replay has put together. That one's marker is the last.
    public func isHeld(by replays: [String: Int64], database: Int) -> Bool {
        guard !replays.isEmpty, let last = markers(database: database).last else { return false }
        return replays[last.key].map { $0 >= last.offset } ?? false
    }

    /// The marker of a batch in it that the server has, while it lacks the rest: it can be neither sent nor left out.
    public func partlyHeld(by replays: [String: Int64], database: Int) -> String? {
        guard !replays.isEmpty, !isHeld(by: replays, database: database) else { return nil }
        return markers(database: database).first { replays[$0.key] ?? -1 >= $0.offset }?.key
    }
}
