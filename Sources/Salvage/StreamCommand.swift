/// One command of a replication stream, as it stood there.
public struct StreamCommand: Sendable, Equatable {
    /// What a command is in a stream.
    public enum Kind: Sendable, Equatable {
        /// The master's keep-alive (`PING`, `ping`).
        case ping
        /// What follows is meant for this database.
        case select(Int)
        /// The master asks its replicas for an acknowledgement (`REPLCONF GETACK *`).
        case replconf
        /// A transaction begins.
        case multi
        /// It ends.
        case exec
        /// Anything else: it came from a client, or from a key's expiry.
        case write
    }

    /// Offset of its first byte, as `PSYNC` counts: the first byte of a history is 1.
    public var offset: Int64
    /// Its length in the stream, bytes.
    public var length: Int64
    /// Name and arguments, as they were sent; at least one.
    public var arguments: [[UInt8]]
    /// What it is.
    public var kind: Kind
    /// The database that it is executed in; `nil` before the stream's first `SELECT`, where the caller did not know
    /// it either.
    public var database: Int?
    /// Whether it stands between a `MULTI` and its `EXEC`.
    public var isInTransaction: Bool

    /// Whether it counts as a command that was lost: it is not a bookkeeping one.
    public var isWrite: Bool { kind == .write }

    /// Whether it is what a server writes when a key expires, or is evicted; a client may have sent the same.
    var isDeletion: Bool { isWrite && !isInTransaction && arguments.count == 2 && (name == "DEL" || name == "UNLINK") }

    /// The command's name in capital letters; bytes that are no UTF-8 are replaced.
    public var name: String {
        String(decoding: (arguments.first ?? []).map(\.asciiUppercased), as: UTF8.self)
    }
}

extension StreamCommand.Kind {
    /// What a command is by its name, whatever the case of its letters. `nil` for a `SELECT` without a database.
    init?(_ arguments: [[UInt8]]) {
        guard let name = arguments.first, name.count <= Self.longestName else {
            self = .write
            return
        }
        switch String(decoding: name.map(\.asciiUppercased), as: UTF8.self) {
        case "PING": self = .ping
        case "REPLCONF": self = .replconf
        case "MULTI": self = .multi
        case "EXEC": self = .exec
        case "SELECT":
            guard arguments.count == 2, let database = Self.database(arguments[1]) else { return nil }
            self = .select(database)
        default: self = .write
        }
    }

    /// Of the names that are told apart.
    private static let longestName = 8

    /// 0 to 2³¹ − 1, in digits: what `databases` in redis.conf can be.
    private static func database(_ text: [UInt8]) -> Int? {
        guard !text.isEmpty, text.allSatisfy(\.isASCIIDigit), let number = Int32(String(decoding: text, as: UTF8.self))
        else { return nil }
        return Int(number)
    }
}

/// What a stream, or a part of it, was found to hold.
public struct StreamTally: Sendable, Equatable {
    /// How it ends.
    public enum Ending: Sendable, Equatable {
        /// With a whole command, outside of a transaction, or before the first.
        case whole
        /// With so many bytes of a command that begins at this offset and is not complete.
        case midCommand(at: Int64, bytes: Int64)
        /// With so many bytes of a transaction whose `MULTI` stands at this offset: it has so many writes and no `EXEC`,
        /// and a server executes none of them.
        case midTransaction(at: Int64, bytes: Int64, writes: Int64)
    }

    /// Offset of the first byte.
    public var from: Int64
    /// Offset of the byte after the last.
    public var to: Int64
    /// Whole commands that are writes.
    public var writes: Int64
    /// Those of the writes that delete one key each, outside of transactions: `DEL`, `UNLINK`. A key's expiry is such a one.
    public var deletions: Int64 = 0
    /// Whole commands that are not: `PING`, `SELECT`, `REPLCONF`, `MULTI`, `EXEC`.
    public var bookkeeping: Int64
    /// The database of the first write; `nil` where it is not known, or there is no write.
    public var firstDatabase: Int?
    /// How it ends.
    public var ending: Ending
    /// It began inside a transaction: there is an `EXEC` whose `MULTI` came before.
    public var beganInTransaction: Bool

    /// Bytes.
    public var bytes: Int64 { to - from }

    /// Whether all that was written is there: nothing is cut off. A `MULTI` with nothing after it is what Redis 5.0.6
    /// leaves behind when it is made a replica inside a transaction.
    public var isWhole: Bool {
        switch ending {
        case .whole, .midTransaction(_, _, writes: 0): true
        case .midCommand, .midTransaction: false
        }
    }

    /// Makes one of its parts.
    public init(
        from: Int64, to: Int64, writes: Int64, bookkeeping: Int64 = 0, firstDatabase: Int? = nil,
        ending: Ending = .whole, beganInTransaction: Bool = false
    ) {
        self.from = from
        self.to = to
        self.writes = writes
        self.bookkeeping = bookkeeping
        self.firstDatabase = firstDatabase
        self.ending = ending
        self.beganInTransaction = beganInTransaction
    }
}

extension UInt8 {
    /// `A` for `a`; other bytes stay.
    var asciiUppercased: UInt8 {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) ? self - 32 : self
    }

    /// `0` to `9`.
    var isASCIIDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    /// `A` to `Z`, `a` to `z`.
    var isASCIILetter: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(asciiUppercased) }
}
