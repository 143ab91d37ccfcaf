// One round trip of a replay, on a connection that is in database 0, watches the marker, has read it, and is inside MULTI:
//
//     SELECT 3 · INCR n · SET k v · SELECT 0 · SET <marker> 120 · EXEC      all of it, or nothing
//     WATCH <marker> · GET <marker> · MULTI                                 and so on
//
// The marker is written with the writes, so that it always tells which of them are in the data set, whatever became of the
// reply. MULTI was acknowledged a round trip before: a server that refuses it would execute the writes one by one. WATCH
// lets the EXEC fail where anybody else has touched the marker since it was read: a second replay, a FLUSHALL, or what an
// earlier connection of this very replay had sent and the server executes late.

/// The marker of a replay, a key of database 0 of the server that is replayed to.
public enum ReplayMarker: Sendable, Equatable {
    /// There is none: nothing of the file was applied, or that was long ago, or somebody has removed it.
    case absent
    /// All before this offset was applied.
    case at(Int64)
    /// It has a value that no replay writes.
    case strange(String)

    /// Reads the key's value; `nil` for no such key.
    public init(value: [UInt8]?) {
        guard let value else {
            self = .absent
            return
        }
        let isNumber = !value.isEmpty && value.count < 20 && value.allSatisfy(\.isASCIIDigit)
        guard isNumber, let offset = Int64(String(decoding: value, as: UTF8.self)) else {
            self = .strange(CommandText.quoted(value, limit: 40))
            return
        }
        self = .at(offset)
    }

    /// The offset; `nil` for none.
    public var offset: Int64? {
        if case .at(let offset) = self { offset } else { nil }
    }

    /// Whether no replay wrote it.
    var isStrange: Bool {
        if case .strange = self { true } else { false }
    }

    /// The key of the replay of the bytes from `from` on of a history.
    public static func key(replicationID: String, from: Int64) -> String {
        "\(prefix(replicationID: replicationID))\(from)"
    }

    /// For how long it says that all of a file was applied, seconds: so that a run whose last reply was lost, or that is
    /// repeated by mistake, sends nothing twice.
    public static let memory = 86_400

    /// How the markers of all replays of a history begin.
    public static func prefix(replicationID: String) -> String { "syncgate:replay:\(replicationID):" }

    /// How the markers of all replays begin.
    static let beginning = Array("syncgate:replay:".utf8)

    /// The key that keeps which writes are left out, where some are.
    public static func skipsKey(_ marker: String) -> String { "\(marker):skips" }
}

/// Units that are applied together, in one transaction on the server.
public struct ReplayBatch: Sendable, Equatable {
    /// The marker before; `nil` for none.
    public let before: Int64?
    /// The marker after.
    public let end: Int64
    /// What is applied, in order; at least one.
    public let units: [ReplayUnit]
    /// What is sent inside of the transaction, before its `EXEC`.
    public let commands: [[[UInt8]]]
    /// For each of the commands the write that it is; `nil` for our own.
    let writes: [StreamCommand?]

    /// Puts one together. `database`: where writes go of which it is not known.
    init(_ units: [ReplayUnit], before: Int64?, marker: String, database: Int) {
        self.units = units
        self.before = before
        end = units.last?.end ?? 0
        var composer = ReplayComposer(marker: marker)
        for unit in units {
            for write in unit.writes { composer.add(write, in: write.database ?? database) }
        }
        composer.mark(end)
        (commands, writes) = (composer.commands, composer.writes)
    }

    /// How many writes.
    public var count: Int64 { units.reduce(0) { $0 + Int64($1.writes.count) } }
    /// Bytes of the writes in the file.
    public var bytes: Int64 { units.reduce(0) { $0 + $1.bytes } }
}

/// Lines up the commands of a transaction.
private struct ReplayComposer {
    let marker: String
    private(set) var commands: [[[UInt8]]] = []
    private(set) var writes: [StreamCommand?] = []
    private var selected: Int?

    init(marker: String) { self.marker = marker }

    mutating func add(_ write: StreamCommand, in database: Int) {
        if write.name == "SWAPDB" {
            // The marker must not change places with its database.
            select(0)
            send(["DEL", marker])
        }
        select(database)
        commands.append(write.arguments)
        writes.append(write)
    }

    /// After all writes: a FLUSHALL among them must not remove it.
    mutating func mark(_ offset: Int64) {
        select(0)
        send(["SET", marker, String(offset)])
    }

    private mutating func select(_ database: Int) {
        guard selected != database else { return }
        selected = database
        send(["SELECT", String(database)])
    }

    private mutating func send(_ command: [String]) {
        commands.append(command.map { Array($0.utf8) })
        writes.append(nil)
    }
}

/// What the server said to a batch.
public struct ReplayReply: Sendable, Equatable {
    /// What became of the transaction.
    public enum Execution: Sendable, Equatable {
        /// It was executed: for each command its error, `nil` for none.
        case executed([String?])
        /// It was not executed, by the server's own words.
        case discarded(String)
        /// It was not executed: the marker had been touched.
        case overtaken
    }

    /// For each command of the batch the error that it was refused with before the `EXEC`; `nil` for none.
    public var queued: [String?]
    /// The `EXEC`.
    public var execution: Execution
    /// The marker as it was read then.
    public var marker: ReplayMarker

    /// Makes one.
    public init(queued: [String?], execution: Execution, marker: ReplayMarker) {
        self.queued = queued
        self.execution = execution
        self.marker = marker
    }
}

/// A write that the server did not take.
public struct ReplayFailure: Sendable, Equatable {
    /// Its offset in the file.
    public var offset: Int64
    /// The database.
    public var database: Int
    /// The command as redis-cli prints it, shortened.
    public var command: String
    /// The server's words.
    public var error: String

    init(_ write: StreamCommand, database: Int, error: String) {
        offset = write.offset
        self.database = write.database ?? database
        command = CommandText.line(write.arguments, limit: 64, arguments: 8)
        self.error = error
    }

    /// Whether it is about the server and not about the command: the next one would be refused as well.
    public static func isAboutServer(_ error: String) -> Bool {
        let code = error.prefix { $0 != " " }
        if code == "EXECABORT" { return codesAboutServer.contains { error.contains(" \($0) ") } }
        return codesAboutServer.contains(String(code))
    }

    private static let codesAboutServer: Set = [
        "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "MASTERDOWN", "OOM", "NOAUTH", "BUSY", "CLUSTERDOWN", "MOVED",
    ]
}
