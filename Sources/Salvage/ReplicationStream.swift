// What a master sends after `+CONTINUE`:
//
//     *3\r\n  $3\r\nSET\r\n  $1\r\nk\r\n  $5\r\nvalue\r\n      an array of bulk strings: a command
//     PING\r\n                                                  an inline command (old masters; never a write)
//     \n                                                        a keep-alive: a byte of the stream, and no command;
//                                                               as the very first byte it is the end of a command that
//                                                               was cut off, and an error
//
// Offsets count bytes from 1. A server at `master_repl_offset` F has written the bytes 1 to F, and `PSYNC id P+1` asks for
// the bytes from P+1 on.

/// Reads the bytes of a replication stream as they come, in pieces of any size, and gives its commands.
///
/// `append` the bytes, then take commands from `next` until there is none. What comes out does not depend on how the bytes
/// were cut. Each byte is looked at once. What a remote server sends never traps: bytes that are no stream are an error,
/// after the commands before them; nothing is read beyond it. Memory goes with the bytes that came, not with the lengths
/// that they announce.
public struct ReplicationStream: Sendable {
    /// What comes next.
    private enum Expected: Sendable {
        case command
        case number(ReplicationStreamError.Number, value: Int64, digits: Int)
        case numberEnd(ReplicationStreamError.Number, value: Int64)
        case argument
        case data(left: Int)
        case dataReturn
        case dataEnd
        case inline
    }

    /// Offset of the first byte.
    public let start: Int64
    /// Offset of the next byte that `next` looks at.
    public private(set) var offset: Int64
    /// The database that is selected; `nil` where nobody said.
    public private(set) var database: Int?
    private var received: [UInt8] = []
    private var position = 0
    private var expected = Expected.command
    private var failure: ReplicationStreamError?
    // The command that is being read.
    private var commandStart: Int64
    private var arguments: [[UInt8]] = []
    private var argument: [UInt8] = []
    private var argumentsLeft: Int64 = 0
    // What was read.
    private var writes: Int64 = 0
    private var deletions: Int64 = 0
    private var bookkeeping: Int64 = 0
    private var firstDatabase: Int?
    private var transactionStart: Int64?
    private var transactionWrites: Int64 = 0
    private var beganInTransaction = false
    private var sawTransaction = false

    /// Begins at an offset (the one that `PSYNC` asked for, up to 2⁶²), in a database where that is known.
    public init(at offset: Int64, database: Int? = nil) {
        start = min(max(offset, 0), 1 << 62)
        self.offset = start
        commandStart = start
        self.database = database
    }

    /// Takes bytes as they came.
    public mutating func append(_ bytes: some Collection<UInt8>) {
        guard failure == nil else { return }
        if position == received.count {
            received.removeAll(keepingCapacity: true)
            position = 0
        } else if position >= 65_536, position > received.count / 2 {
            received.removeFirst(position)
            position = 0
        }
        received.append(contentsOf: bytes)
    }

    /// The next whole command; `nil` until more bytes come. Once it has thrown, it throws the same again.
    public mutating func next() throws(ReplicationStreamError) -> StreamCommand? {
        if let failure { throw failure }
        do throws(ReplicationStreamError) {
            while position < received.count {
                if let command = try advance() { return command }
            }
            return nil
        } catch {
            failure = error
            throw error
        }
    }

    /// What was read so far. Meant for when `next` has no more.
    public var tally: StreamTally {
        var tally = StreamTally(
            from: start, to: offset, writes: writes, bookkeeping: bookkeeping, firstDatabase: firstDatabase,
            ending: ending, beganInTransaction: beganInTransaction)
        tally.deletions = deletions
        return tally
    }

    private var ending: StreamTally.Ending {
        if let transactionStart {
            return .midTransaction(
                at: transactionStart, bytes: offset - transactionStart, writes: transactionWrites)
        }
        return commandStart == offset ? .whole : .midCommand(at: commandStart, bytes: offset - commandStart)
    }
}

// MARK: - Bytes

extension ReplicationStream {
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let lineFeed = UInt8(ascii: "\n")
    /// Redis's limit of an inline command, bytes.
    private static let longestInline = 65_536

    /// Takes one byte, or as much of an argument as there is.
    private mutating func advance() throws(ReplicationStreamError) -> StreamCommand? {
        let byte = received[position]
        switch expected {
        case .command:
            try beginCommand(byte)
        case .number(let number, let value, let digits):
            try takeDigit(byte, of: number, after: value, digits)
        case .numberEnd(let number, let value):
            guard byte == Self.lineFeed else { throw .missingLineEnd(byte: byte, at: offset) }
            endNumber(number, value)
        case .argument:
            guard byte == UInt8(ascii: "$") else { throw .notAnArgument(byte: byte, at: offset) }
            expected = .number(.argumentLength, value: 0, digits: 0)
        case .data(let left):
            takeData(left)
            return nil
        case .dataReturn:
            guard byte == Self.carriageReturn else { throw .missingLineEnd(byte: byte, at: offset) }
            expected = .dataEnd
        case .dataEnd:
            guard byte == Self.lineFeed else { throw .missingLineEnd(byte: byte, at: offset) }
            skip()
            return try endArgument()
        case .inline:
            return try takeInline(byte)
        }
        skip()
        return nil
    }

    private mutating func skip(_ bytes: Int = 1) {
        position += bytes
        offset += Int64(bytes)
    }

    private mutating func beginCommand(_ byte: UInt8) throws(ReplicationStreamError) {
        if byte == UInt8(ascii: "*") {
            expected = .number(.argumentCount, value: 0, digits: 0)
        } else if byte.isASCIILetter {
            argument.append(byte)
            expected = .inline
        } else if byte == Self.lineFeed, offset > start {
            commandStart = offset + 1
        } else {
            throw .notACommand(byte: byte, at: offset)
        }
    }

    private mutating func takeDigit(
        _ byte: UInt8, of number: ReplicationStreamError.Number, after value: Int64, _ digits: Int
    ) throws(ReplicationStreamError) {
        if byte == Self.carriageReturn, digits > 0 {
            guard value >= number.range.lowerBound else { throw .outOfRange(number, value: value, at: offset) }
            expected = .numberEnd(number, value: value)
            return
        }
        // As in Redis, a number does not begin with a zero, but for 0 itself.
        guard byte.isASCIIDigit, digits == 0 || value > 0 else {
            throw .notADigit(byte: byte, in: number, at: offset)
        }
        // Nothing overflows: the value was in range, which ends far below.
        let next = value * 10 + Int64(byte - UInt8(ascii: "0"))
        guard next <= number.range.upperBound else { throw .outOfRange(number, value: next, at: offset) }
        expected = .number(number, value: next, digits: digits + 1)
    }

    private mutating func endNumber(_ number: ReplicationStreamError.Number, _ value: Int64) {
        switch number {
        case .argumentCount:
            argumentsLeft = value
            expected = .argument
        case .argumentLength:
            expected = value == 0 ? .dataReturn : .data(left: Int(value))
        }
    }

    private mutating func takeData(_ left: Int) {
        let taken = min(left, received.count - position)
        argument.append(contentsOf: received[position..<(position + taken)])
        skip(taken)
        expected = taken == left ? .dataReturn : .data(left: left - taken)
    }

    private mutating func endArgument() throws(ReplicationStreamError) -> StreamCommand? {
        arguments.append(argument)
        argument = []
        argumentsLeft -= 1
        expected = .argument
        return argumentsLeft == 0 ? try endCommand() : nil
    }

    private mutating func takeInline(_ byte: UInt8) throws(ReplicationStreamError) -> StreamCommand? {
        guard byte != Self.lineFeed else {
            skip()
            if argument.last == Self.carriageReturn { argument.removeLast() }
            arguments = argument.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.map(Array.init)
            argument = []
            return try endCommand()
        }
        guard argument.last != Self.carriageReturn else { throw .missingLineEnd(byte: byte, at: offset) }
        guard argument.count < Self.longestInline else { throw .inlineTooLong(at: offset) }
        // Quotes would have to be taken apart as redis-cli does; no master sends them.
        let isPlain =
            (0x20..<0x7f).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "'")
        guard isPlain || byte == Self.carriageReturn || byte == UInt8(ascii: "\t") else {
            throw .strangeInlineByte(byte: byte, at: offset)
        }
        argument.append(byte)
        skip()
        return nil
    }
}

// MARK: - Commands

extension ReplicationStream {
    private mutating func endCommand() throws(ReplicationStreamError) -> StreamCommand {
        guard let kind = StreamCommand.Kind(arguments) else { throw .badSelect(at: commandStart) }
        if case .inline = expected, kind == .write { throw .inlineWrite(at: commandStart) }
        let wasInTransaction = transactionStart != nil
        try note(kind)
        let command = StreamCommand(
            offset: commandStart, length: offset - commandStart, arguments: arguments, kind: kind, database: database,
            isInTransaction: wasInTransaction && kind != .exec)
        if command.isDeletion { deletions += 1 }
        arguments = []
        expected = .command
        commandStart = offset
        return command
    }

    /// Keeps the books.
    private mutating func note(_ kind: StreamCommand.Kind) throws(ReplicationStreamError) {
        switch kind {
        case .multi:
            guard transactionStart == nil else { throw .nestedTransaction(at: commandStart) }
            transactionStart = commandStart
            transactionWrites = 0
            sawTransaction = true
        case .exec:
            if transactionStart == nil {
                guard !sawTransaction else { throw .execWithoutMulti(at: commandStart) }
                beganInTransaction = true
            }
            sawTransaction = true
            transactionStart = nil
        case .select(let selected):
            database = selected
        case .write:
            if writes == 0 { firstDatabase = database }
            writes += 1
            if transactionStart != nil { transactionWrites += 1 }
        case .ping, .replconf:
            break
        }
        if kind != .write { bookkeeping += 1 }
    }
}
