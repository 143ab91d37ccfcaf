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
