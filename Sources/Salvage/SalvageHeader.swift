// A salvage file
//
//     *2\r\n$4\r\nECHO\r\n$<n>\r\n<words>\r\n     the header: a command that changes nothing, for RESP has no comments
//     *2\r\n$6\r\nSELECT\r\n$1\r\n<d>\r\n         the database of the first write; not there where it is `unknown`
//     *3\r\n$3\r\nSET\r\n…                        the old master's bytes [from, to), as they were: `bytes` of them
//
// <words>, on one line, with one blank between them:
//
//     syncgate-salvage format=1 node=a time=2025-11-22T10:11:12.345Z replid=8f3c… from=51 to=120 bytes=69 commands=2
//     database=0 transition=17 epoch=4 after=2025-11-22T10:09:58.101Z
//
// The last two only where they are known; and `origin=<id>:<offset>` behind them, where the history of `replid` is one that the
// old master began only when it was made a master again to be read: up to that offset its bytes are those of the history <id>,
// which the new master knows.
//
// So that `redis-cli --pipe < FILE` replays it. A file that is not as long as its header says is not whole.

/// What a salvage file says of itself in its first line.
public struct SalvageHeader: Sendable, Hashable {
    /// The node whose server the bytes come from.
    public var node: String
    /// When they were read, UTC, as in the history: `2025-11-22T10:11:12.345Z`.
    public var time: String
    /// The history that they are of: a replication id; before Redis 4 the old master's `run_id`.
    public var replicationID: String
    /// Offset of the first byte.
    public var from: Int64
    /// Offset of the byte after the last.
    public var to: Int64
    /// Writes among them.
    public var commands: Int64
    /// The database of the first write; `nil` where it is not known: replayed, it goes to database 0.
    public var database: Int?
    /// The number of the entry in the node's own history that its return was to lead to; `nil` where there is none.
    public var transition: Int?
    /// The history that this one continues; `nil` where the new master was promoted out of this one itself.
    public var origin: Origin?

    /// A history under another id, with the same offsets.
    public struct Origin: Sendable, Hashable {
        /// Its id.
        public var replicationID: String
        /// The last offset of it that the old master held.
        public var end: Int64

        /// Names one.
        public init(replicationID: String, end: Int64) {
            self.replicationID = replicationID
            self.end = end
        }
    }

    /// Which failover they were lost in: the number of the promotion by which the server was master that the node was made to
    /// follow, `epoch` in the history of both nodes; `nil` where nobody has counted it.
    public var epoch: UInt64?
    /// When none of them was there yet, UTC; `nil` where that was not seen.
    public var writtenAfter: String?

    /// The ids under which a server may know the history that the bytes are of.
    public var replicationIDs: [String] { [replicationID] + (origin.map { [$0.replicationID] } ?? []) }

    /// What a user is to know of a file whose `database` is not known.
    public static let unplacedWords =
        "for which database the first of them are meant is not known: replay asks for it (--database N)"

    /// Bytes after the header.
    public var bytes: Int64 { to - from }

    /// The only format there is.
    public static let format = 1
    /// No header with its `SELECT` is longer, bytes.
    public static let longest = 4096

    /// Makes one. Numbers are not negative, and `from` is not above `to`.
    public init(
        node: String, time: String, replicationID: String, from: Int64, to: Int64, commands: Int64, database: Int?,
        transition: Int?, origin: Origin? = nil
    ) {
        self.node = node
        self.time = time
        self.replicationID = replicationID
        self.from = from
        self.to = to
        self.commands = commands
        self.database = database
        self.transition = transition
        self.origin = origin
    }

    /// For the bytes that were read.
    public init(
        _ tally: StreamTally, of span: StreamSpan, origin: Origin? = nil, node: String, time: String, transition: Int?
    ) {
        self.init(
            node: node, time: time, replicationID: span.psyncID, from: tally.from, to: tally.to,
            commands: tally.writes, database: tally.firstDatabase, transition: transition, origin: origin)
    }

    /// What the file begins with: the header, and the `SELECT` where the database is known.
    public var encoded: [UInt8] {
        var bytes = Self.command(["ECHO", text])
        if let database { bytes += Self.command(["SELECT", String(database)]) }
        return bytes
    }

    private var text: String {
        let words: [(Word, String)] = [
            (.format, String(Self.format)), (.node, Escaping.word(node)), (.time, Escaping.word(time)),
            (.replid, Escaping.word(replicationID)), (.from, String(from)), (.to, String(to)),
            (.bytes, String(bytes)), (.commands, String(commands)),
            (.database, database.map { String($0) } ?? Self.unknown),
            (.transition, transition.map { String($0) } ?? Self.unknown),
        ]
        let origin = origin.map { "\(Escaping.word($0.replicationID)):\($0.end)" }
        let known = [
            (Word.epoch, epoch.map { String($0) }), (.after, writtenAfter.map(Escaping.word)), (.origin, origin),
        ]
        let added = known.compactMap { word, value in value.map { (word, $0) } }
        return ([Self.signature] + (words + added).map { "\($0.rawValue)=\($1)" }).joined(separator: " ")
    }

    private static func command(_ arguments: [String]) -> [UInt8] {
        let strings = arguments.map { "$\($0.utf8.count)\r\n\($0)\r\n" }
        return Array(("*\(arguments.count)\r\n" + strings.joined()).utf8)
    }

    static let signature = "syncgate-salvage"
    static let unknown = "unknown"

    /// The words of the header. New ones may come; a reader leaves those that it does not know.
    public enum Word: String, Sendable, Hashable, CaseIterable {
        /// Version of the format.
        case format
        /// Whose bytes.
        case node
        /// When they were read.
        case time
        /// Of which history.
        case replid
        /// The first byte.
        case from
        /// The byte after the last.
        case to
        /// How many bytes.
        case bytes
        /// How many writes.
        case commands
        /// The first write's database.
        case database
        /// Which entry of the node's history.
        case transition
        /// Which failover.
        case epoch
        /// When none of them was there yet.
        case after
        /// Of which history first; not in every header.
        case origin
    }
}

/// Text in words without blanks: every byte beyond letters, digits, `.`, `_`, `-` and a few more is `%` and two hex digits.
enum Escaping {
    /// For a word of the header.
    static func word(_ text: String) -> String { escape(text, plain: ".:_-+/@") }

    /// For a part of a file's name, of limited length.
    static func fileName(_ text: String) -> String { String(escape(text, plain: "._-").prefix(100)) }

    private static func escape(_ text: String, plain: String) -> String {
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            if byte.isASCIILetter || byte.isASCIIDigit || plain.utf8.contains(byte) {
                escaped.append(byte)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                escaped += Array("%\(digits.utf8.count == 1 ? "0" : "")\(digits)".utf8)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    /// The text of a word; `nil` where a `%` is not followed by two hex digits, or no UTF-8 comes out.
    static func text(_ word: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(word.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, rest.prefix(2).allSatisfy({ $0.isHexDigit }),
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    /// `0` to `9`, `A` to `F`, `a` to `f`.
    fileprivate var isHexDigit: Bool {
        isASCIIDigit || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(asciiUppercased)
    }
}
