import Daemon
import Operations
import Salvage

/// An entry of the salvage folder, as it is listed. Every key is there in every entry.
struct SalvageRow: Encodable {
    let file: String
    let kind: String
    @OrNull var node: String?
    @OrNull var writtenAfter: String?
    @OrNull var time: String?
    @OrNull var replid: String?
    @OrNull var from: Int64?
    @OrNull var to: Int64?
    @OrNull var bytes: Int64?
    @OrNull var commands: Int64?
    @OrNull var database: Int?
    @OrNull var epoch: UInt64?
    @OrNull var transition: Int?
    @OrNull var problem: String?

    init(_ entry: SalvageFolder.Entry) {
        file = entry.name
        kind = entry.kind.rawValue
        let header = entry.file?.header
        node = header?.node ?? entry.parts?.node
        time = header?.time ?? entry.parts.map { Self.date($0.time) }
        replid = header?.replicationID ?? entry.parts?.replicationID
        from = header?.from ?? entry.parts?.from
        to = header?.to ?? entry.parts?.to
        bytes = header?.bytes ?? (entry.kind == .snapshot ? entry.size : nil)
        commands = header?.commands
        database = header?.database
        (writtenAfter, transition) = (header?.writtenAfter, header?.transition)
        epoch = header?.epoch ?? entry.parts?.epoch
        problem = entry.problem
    }

    /// `20251122T101112.345Z`, as it stands in a name, as `2025-11-22T10:11:12.345Z`; anything else as it is.
    static func date(_ name: String) -> String {
        let digits = Array(name)
        guard digits.count >= 15, digits[8] == "T", digits[..<8].allSatisfy(\.isNumber),
            digits[9..<15].allSatisfy(\.isNumber)
        else { return name }
        func part(_ range: Range<Int>) -> String { String(digits[range]) }
        let day = "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))"
        return "\(day)T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))\(String(digits[15...]))"
    }
}

/// The list as a table; below it, what is wrong.
enum SalvageTable {
    private static let head = [
        "FILE", "KIND", "NODE", "WRITTEN AFTER", "READ", "BYTES", "COMMANDS", "DB", "PROMOTION",
    ]
    /// Numbers stand to the right.
    private static let numbers: Set = [5, 6, 7, 8]

    private static func cells(_ row: SalvageRow) -> [String] {
        let bytes = row.bytes.map { String($0) } ?? "-"
        let commands = row.commands.map { String($0) } ?? "-"
        let epoch = row.epoch.map { String($0) } ?? "-"
        return [
            row.file, row.kind, row.node ?? "-", row.writtenAfter ?? "-", row.time ?? "-", bytes, commands,
            database(row), epoch,
        ]
    }

    /// Of the first write; `?` where a whole file does not know it.
    private static func database(_ row: SalvageRow) -> String {
        row.database.map { String($0) } ?? (row.commands == nil ? "-" : "?")
    }

    static func text(_ rows: [SalvageRow], in folder: String) -> String {
        let cells = rows.map(Self.cells)
        let widths: [Int] = head.indices.map { column in ([head] + cells).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            let padded = cells.enumerated().map { column, cell in
                numbers.contains(column) ? cell.padding(from: widths[column]) : cell.padding(to: widths[column])
            }
            return "  " + padded.joined(separator: "  ")
        }
        var lines = [Output.colored(folder, .bold), line(head)]
        for (row, cells) in zip(rows, cells) {
            lines.append(row.problem == nil ? line(cells) : Output.colored(line(cells), .red))
            if row.problem == nil, Self.database(row) == "?" {
                lines.append("    " + Output.colored("! \(SalvageHeader.unplacedWords)", .yellow))
            }
            if let problem = row.problem { lines.append("    " + Output.colored("! \(problem)", .yellow)) }
        }
        let whole = rows.filter { $0.problem == nil && $0.commands != nil }
        let commands = whole.reduce(0) { $0 + ($1.commands ?? 0) }
        lines.append("  \(commands) commands in \(whole.count) whole salvage file\(whole.count == 1 ? "" : "s")")
        return lines.map { $0 + "\n" }.joined()
    }
}

/// A file's header as JSON.
struct SalvageHeaderJSON: Encodable {
    let file: String
    let node: String
    @OrNull var writtenAfter: String?
    let time: String
    let replid: String
    let from: Int64
    let to: Int64
    let bytes: Int64
    let commands: Int64
    @OrNull var database: Int?
    @OrNull var epoch: UInt64?
    @OrNull var transition: Int?

    init(_ path: String, _ header: SalvageHeader) {
        file = path
        (node, time, replid) = (header.node, header.time, header.replicationID)
        (from, to, bytes, commands) = (header.from, header.to, header.bytes, header.commands)
        (database, transition) = (header.database, header.transition)
        (epoch, writtenAfter) = (header.epoch, header.writtenAfter)
    }

    init(_ reader: SalvageFileReader) { self.init(reader.path, reader.file.header) }
}

/// A command as JSON: bytes that are no printable ASCII are `\xNN` in its arguments, a backslash is `\\`.
struct SalvageCommandJSON: Encodable {
    let offset: Int64
    let bytes: Int64
    @OrNull var database: Int?
    let transaction: Bool
    let arguments: [String]

    init(_ command: StreamCommand) {
        offset = command.offset
        bytes = command.length
        transaction = command.isInTransaction
        arguments = command.arguments.map { CommandText.escaped($0) }
        database = command.database
    }
}

/// Headers and commands as text.
enum SalvageText {
    /// What a file says of itself.
    static func head(_ reader: SalvageFileReader) -> String {
        let header = reader.file.header
        let database = header.database.map { "database \($0)" } ?? "database not known: replay needs --database N"
        let failover = header.epoch.map { "promotion \($0) of the pair" } ?? "not counted by a daemon"
        let written = header.writtenAfter.map { "after \($0), and before they were read" } ?? "before they were read"
        let facts = [
            ("node", header.node), ("written", written), ("read at", header.time), ("history", header.replicationID),
            ("offsets", "\(header.from) to \(header.to) (the first one after), \(header.bytes) bytes"),
            ("commands", "\(header.commands), the first for \(database)"), ("failover", failover),
        ]
        let lines = facts.map { "  \($0.0.padding(to: 9)) \($0.1)\n" }.joined()
        return Output.colored(reader.path, .bold) + "\n" + lines + "\n" + "      OFFSET  DB  COMMAND\n"
    }

    /// One line. Without `isFull`, long arguments and many of them are shortened.
    static func line(_ command: StreamCommand, isFull: Bool) -> String {
        let text = CommandText.line(
            command.arguments, limit: isFull ? nil : 80, arguments: isFull ? nil : 32)
        let database = command.database.map { "\($0)" } ?? "?"
        let indent = command.isInTransaction ? "  " : ""
        return "\(command.offset)".padding(from: 12) + "  " + database.padding(from: 2) + "  \(indent)\(text)\n"
    }
}
