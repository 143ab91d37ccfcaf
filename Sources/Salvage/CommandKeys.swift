/// Which keys a command of a replication stream writes.
public enum CommandKeys: Sendable, Equatable {
    /// These.
    case keys(Set<ReplayKey>)
    /// None, and it changes none (`PUBLISH`, `SCRIPT LOAD`, `FUNCTION LOAD`).
    case none
    /// All of a database, or of all databases (`FLUSHDB`, `FLUSHALL`, `SWAPDB`).
    case everything
    /// A script's: it may write more than the keys that are declared.
    case script
    /// Not in the table: the server knows (`COMMAND GETKEYS`).
    case unlisted
}

/// A key in its database.
public struct ReplayKey: Sendable, Hashable {
    /// The database's number.
    public var database: Int
    /// The key's name.
    public var name: [UInt8]

    /// Names one.
    public init(database: Int, name: [UInt8]) {
        self.database = database
        self.name = name
    }
}

extension CommandKeys {
    /// By the table. `database` is the one that the command is executed in. Keys that are only read are among them.
    public init(_ command: StreamCommand, database: Int) {
        let arguments = command.arguments.dropFirst()
        func keys(_ names: some Sequence<[UInt8]>, in database: Int = database) -> Set<ReplayKey> {
            Set(names.map { ReplayKey(database: database, name: $0) })
        }
        let name = command.name
        if Self.first.contains(name) {
            self = .keys(keys(arguments.prefix(1)))
        } else if Self.firstTwo.contains(name) {
            self = .keys(keys(arguments.prefix(2)))
        } else if Self.all.contains(name) {
            self = .keys(keys(arguments))
        } else if Self.everySecond.contains(name) {
            self = .keys(keys(arguments.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)))
        } else if Self.afterOne.contains(name) {
            self = .keys(keys(arguments.dropFirst().prefix(1)))
        } else if name == "BITOP" {
            self = .keys(keys(arguments.dropFirst()))
        } else if name == "MOVE", let key = arguments.first, let other = Self.number(arguments.last) {
            self = .keys(keys([key]).union(keys([key], in: other)))
        } else if name == "COPY", arguments.count >= 2 {
            self = .keys(
                keys(arguments.prefix(2)).union(keys(arguments.prefix(2), in: Self.target(arguments, database))))
        } else {
            self = Self.other(name)
        }
    }

    private static func other(_ name: String) -> CommandKeys {
        if silent.contains(name) { return .none }
        if wholesale.contains(name) { return .everything }
        return scripts.contains(name) ? .script : .unlisted
    }

    /// `COPY source destination [DB number] [REPLACE]`.
    private static func target(_ arguments: ArraySlice<[UInt8]>, _ database: Int) -> Int {
        let options = Array(arguments.dropFirst(2))
        for (word, value) in zip(options, options.dropFirst()) where word.map(\.asciiUppercased) == Array("DB".utf8) {
            return number(value) ?? database
        }
        return database
    }

    private static func number(_ text: [UInt8]?) -> Int? {
        text.flatMap { Int32(String(decoding: $0, as: UTF8.self)) }.map { Int($0) }
    }

    private static func words(_ text: String) -> Set<String> {
        Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
    }

    private static let first = words(
        """
        SET SETEX PSETEX SETNX GETSET GETDEL GETEX SETRANGE APPEND INCR DECR INCRBY DECRBY INCRBYFLOAT SETBIT BITFIELD
        EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST RESTORE HSET HSETNX HMSET HDEL HINCRBY HINCRBYFLOAT HEXPIRE HPEXPIRE
        HEXPIREAT HPEXPIREAT HPERSIST HSETEX HGETDEL HGETEX LPUSH RPUSH LPUSHX RPUSHX LPOP RPOP LSET LREM LTRIM LINSERT
        SADD SREM SPOP ZADD ZREM ZINCRBY ZPOPMIN ZPOPMAX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREMRANGEBYLEX GEOADD PFADD
        XADD XDEL XTRIM XACK XCLAIM XAUTOCLAIM XSETID
        """)
    private static let firstTwo = words("RENAME RENAMENX RPOPLPUSH BRPOPLPUSH LMOVE BLMOVE SMOVE")
    private static let all = words("DEL UNLINK PFMERGE SINTERSTORE SUNIONSTORE SDIFFSTORE")
    private static let everySecond = words("MSET MSETNX")
    private static let afterOne = words("XGROUP")
    private static let silent = words("PUBLISH SPUBLISH SCRIPT FUNCTION")
    private static let wholesale = words("FLUSHALL FLUSHDB SWAPDB")
    private static let scripts = words("EVAL EVALSHA FCALL")
}
