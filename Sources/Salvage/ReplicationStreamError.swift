/// Why bytes are not a replication stream. Every case has the offset of the byte at which reading stopped.
public enum ReplicationStreamError: Error, Sendable, Equatable {
    /// A number of the protocol.
    public enum Number: Sendable, Equatable {
        /// After `*`: how many arguments a command has, 1 to 1,048,576.
        case argumentCount
        /// After `$`: how long an argument is, 0 to 536,870,912 bytes.
        case argumentLength

        /// The least and the most that Redis accepts of a client.
        public var range: ClosedRange<Int64> {
            switch self {
            case .argumentCount: 1...1_048_576
            case .argumentLength: 0...536_870_912
            }
        }
    }

    /// A byte that begins neither an array nor an inline command, where a command should begin.
    case notACommand(byte: UInt8, at: Int64)
    /// A byte that is not `$`, where an argument should begin.
    case notAnArgument(byte: UInt8, at: Int64)
    /// A byte that is no digit, in a number, or a digit after a zero in front.
    case notADigit(byte: UInt8, in: Number, at: Int64)
    /// A number below or above what it can be; `value` is what was read of it until then.
    case outOfRange(Number, value: Int64, at: Int64)
    /// A byte where the carriage return or the line feed after a number or an argument should be.
    case missingLineEnd(byte: UInt8, at: Int64)
    /// A byte that an inline command of a master does not hold: a control character, a quote, beyond ASCII.
    case strangeInlineByte(byte: UInt8, at: Int64)
    /// An inline command that is a write: masters send those as arrays, so that it is the rest of one. The offset is the
    /// command's.
    case inlineWrite(at: Int64)
    /// An inline command of more than 65,536 bytes.
    case inlineTooLong(at: Int64)
    /// A `SELECT` that does not name a database; the offset is the command's.
    case badSelect(at: Int64)
    /// A `MULTI` inside a transaction; the offset is the command's.
    case nestedTransaction(at: Int64)
    /// An `EXEC` without `MULTI`, where the transaction cannot have begun before the stream; the offset is the command's.
    case execWithoutMulti(at: Int64)

    /// Where reading stopped: the offset of that byte, as `PSYNC` counts.
    public var offset: Int64 {
        switch self {
        case .notACommand(_, let offset), .notAnArgument(_, let offset), .notADigit(_, _, let offset),
            .outOfRange(_, _, let offset), .missingLineEnd(_, let offset), .strangeInlineByte(_, let offset),
            .inlineWrite(let offset), .inlineTooLong(let offset), .badSelect(let offset),
            .nestedTransaction(let offset),
            .execWithoutMulti(let offset):
            offset
        }
    }
}

extension ReplicationStreamError: CustomStringConvertible {
    /// What is wrong, where, and what remains to be done.
    public var description: String {
        "the replication stream cannot be read at offset \(offset): \(fault); "
            + "keep a snapshot of the server that sent it (on_divergence = \"snapshot\")"
    }

    private var fault: String {
        switch self {
        case .notACommand(let byte, _): "byte \(byte) does not begin a command"
        case .notAnArgument(let byte, _): "byte \(byte) stands where '$' begins an argument"
        case .notADigit(let byte, let number, _): "byte \(byte) does not go on with \(number)"
        case .outOfRange(let number, let value, _): "\(value) is not \(number) of \(number.range)"
        case .missingLineEnd(let byte, _): "byte \(byte) stands where a line ends (CR LF)"
        case .strangeInlineByte(let byte, _): "byte \(byte) does not belong in an inline command of a master"
        case .inlineWrite: "the line there is no command of a master, but perhaps the end of one"
        case .inlineTooLong: "an inline command goes beyond 65536 bytes"
        case .badSelect: "a SELECT does not name a database"
        case .nestedTransaction: "a MULTI stands inside a transaction"
        case .execWithoutMulti: "an EXEC has no MULTI"
        }
    }
}

extension ReplicationStreamError.Number: CustomStringConvertible {
    /// `a number of arguments`.
    public var description: String {
        switch self {
        case .argumentCount: "a number of arguments"
        case .argumentLength: "an argument's length"
        }
    }
}
