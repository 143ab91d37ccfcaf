/// Why a file is not a whole salvage file.
public enum SalvageHeaderError: Error, Sendable, Equatable {
    /// It does not begin with the header's command.
    case notASalvageFile
    /// Its beginning is not all there.
    case cutOff
    /// It is of a format that this program does not know.
    case unknownFormat(String)
    /// A word is missing.
    case missing(SalvageHeader.Word)
    /// A word stands there twice.
    case twice(SalvageHeader.Word)
    /// A word has a value that it cannot have.
    case malformed(SalvageHeader.Word, value: String)
    /// The numbers of the header contradict each other.
    case contradiction(from: Int64, to: Int64, bytes: Int64)
    /// The `SELECT` after the header is not the one that it announces.
    case wrongSelect(database: Int)
    /// It has more or fewer bytes after the header than that says.
    case wrongSize(expected: Int64, found: Int64)
}

extension SalvageHeaderError: CustomStringConvertible {
    /// What is wrong, and what can be done.
    public var description: String {
        switch self {
        case .notASalvageFile:
            "it does not begin with a salvage header: give a file from the salvage folder"
        case .cutOff:
            "it ends inside its header, so it holds nothing: it can be removed"
        case .unknownFormat(let format):
            "its format is \(format), and this program knows \(SalvageHeader.format): use the program that wrote it"
        case .missing(let word): "its header has no word '\(word.rawValue)': see whether the file was edited"
        case .twice(let word): "its header has the word '\(word.rawValue)' twice: see whether the file was edited"
        case .malformed(let word, let value):
            "its header has \(word.rawValue)=\(value.prefix(60)), which cannot be: see whether the file was edited"
        case .contradiction(let from, let to, let bytes):
            "its header says from=\(from) to=\(to) and bytes=\(bytes): see whether the file was edited"
        case .wrongSelect(let database):
            "its header is not followed by SELECT \(database), which it announces: see whether the file was edited"
        case .wrongSize(let expected, let found):
            "it has \(found) bytes after its header, which says \(expected): it is not whole, look for another file "
                + "of the same range"
        }
    }
}

/// A salvage file, as its beginning and its size tell.
public struct SalvageFile: Sendable, Hashable {
    /// Its header.
    public var header: SalvageHeader
    /// Where the old master's bytes begin in it: the length of the header and its `SELECT`.
    public var payloadStart: Int

    /// Reads the beginning of a file: `prefix` is its first `SalvageHeader.longest` bytes, or all of a shorter one;
    /// `size` is how long it is, bytes.
    public init(prefix: [UInt8], size: Int64) throws(SalvageHeaderError) {
        // What is longer than any header and holds none is no cut-off file.
        guard zip(prefix, Self.opening).allSatisfy(==), prefix.count >= Self.opening.count || size <= prefix.count
        else { throw .notASalvageFile }
        var stream = ReplicationStream(at: 0)
        stream.append(prefix.prefix(SalvageHeader.longest))
        let echo = try Self.command(&stream)
        guard echo.arguments.count == 2, echo.name == "ECHO" else { throw .notASalvageFile }
        header = try SalvageHeader(text: echo.arguments[1])
        if let database = header.database {
            guard try Self.command(&stream).kind == .select(database) else { throw .wrongSelect(database: database) }
        }
        payloadStart = Int(stream.offset)
        let found = max(size, 0) - stream.offset
        guard found == header.bytes else { throw .wrongSize(expected: header.bytes, found: found) }
    }

    private static let opening = Array("*2\r\n$4\r\nECHO\r\n$".utf8)

    private static func command(_ stream: inout ReplicationStream) throws(SalvageHeaderError) -> StreamCommand {
        let command: StreamCommand?
        do throws(ReplicationStreamError) {
            command = try stream.next()
        } catch {
            throw .notASalvageFile
        }
        guard let command else { throw .cutOff }
        return command
    }
}

extension SalvageHeader {
    /// Reads the header's line.
    init(text: [UInt8]) throws(SalvageHeaderError) {
        guard let line = String(validating: text, as: UTF8.self) else { throw .notASalvageFile }
        let parts = line.split(separator: " ")
        guard parts.first.map({ $0 == Self.signature }) == true else { throw .notASalvageFile }
        let words = try Self.words(parts.dropFirst())
        guard let format = words[.format] else { throw .missing(.format) }
        guard format == String(Self.format) else { throw .unknownFormat(String(format.prefix(20))) }
        try self.init(words)
    }

    private init(_ words: [Word: Substring]) throws(SalvageHeaderError) {
        func value(_ word: Word) throws(SalvageHeaderError) -> Substring {
            guard let value = words[word] else { throw .missing(word) }
            return value
        }
        func text(_ word: Word) throws(SalvageHeaderError) -> String {
            let written = try value(word)
            guard let text = Escaping.text(written), !text.isEmpty else {
                throw .malformed(word, value: String(written))
            }
            return text
        }
        func number(_ word: Word) throws(SalvageHeaderError) -> Int64 {
            let written = try value(word)
            guard let number = Int64(written), (0...(1 << 62) + 1).contains(number), written.first != "+" else {
                throw .malformed(word, value: String(written))
            }
            return number
        }
        func optional(_ word: Word) throws(SalvageHeaderError) -> Int? {
            try value(word) == Self.unknown ? nil : Int(try number(word))
        }
        self.init(
            node: try text(.node), time: try text(.time), replicationID: try text(.replid), from: try number(.from),
            to: try number(.to), commands: try number(.commands), database: try optional(.database),
            transition: try optional(.transition), origin: try Self.origin(words[.origin]))
        // Not in older files.
        if words[.epoch] != nil { epoch = UInt64(try number(.epoch)) }
        if words[.after] != nil { writtenAfter = try text(.after) }
        let said = try number(.bytes)
        guard bytes == said else { throw .contradiction(from: from, to: to, bytes: said) }
    }

    private static func origin(_ word: Substring?) throws(SalvageHeaderError) -> Origin? {
        guard let word else { return nil }
        guard let colon = word.lastIndex(of: ":"), let end = Int64(word[word.index(after: colon)...]),
            (0...1 << 62).contains(end), let id = Escaping.text(word[..<colon]), !id.isEmpty
        else { throw .malformed(.origin, value: String(word)) }
        return Origin(replicationID: id, end: end)
    }

    private static func words(_ parts: ArraySlice<Substring>) throws(SalvageHeaderError) -> [Word: Substring] {
        var words: [Word: Substring] = [:]
        for part in parts {
            guard let equals = part.firstIndex(of: "="), let word = Word(rawValue: String(part[..<equals])) else {
                continue
            }
            guard words.updateValue(part[part.index(after: equals)...], forKey: word) == nil else {
                throw .twice(word)
            }
        }
        return words
    }
}
