internal import TOMLKit

/// A value of a TOML text.
enum ConfigurationValue: Sendable, Equatable {
    case text(String)
    case integer(Int)
    case fraction(Double)
    case truth(Bool)
    /// A date or a time, which no key takes.
    case moment
    case list([ConfigurationValue])
    case table([String: ConfigurationValue])

    /// What it is, for messages, without its content.
    var kind: String {
        switch self {
        case .text: "a text"
        case .integer, .fraction: "a number"
        case .truth: "true or false"
        case .moment: "a date or time"
        case .list: "a list"
        case .table: "a section"
        }
    }

    /// What it is, for messages.
    var shown: String {
        switch self {
        case .text(let text): ConfigurationProblem.quoted(text)
        case .integer(let number): "\(number)"
        case .fraction(let number): "\(number)"
        case .truth(let truth): "\(truth)"
        case .moment, .list, .table: kind
        }
    }
}

/// A TOML text as a tree of values, and the lines of its keys.
struct ConfigurationDocument {
    /// The largest file that is read, bytes.
    static let largest = 1_048_576

    let root: [String: ConfigurationValue]
    let lines: ConfigurationLines

    /// Parses a text; throws what is wrong with it.
    init(_ text: String) throws(ConfigurationProblem) {
        // A byte order mark is no part of the text.
        let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        if let problem = Self.problem(before: text) { throw problem }
        do {
            root = try Self.tree(of: TOMLTable(string: text), depth: 1)
        } catch let error as TOMLParseError {
            throw Self.problem(error, text)
        } catch let problem as ConfigurationProblem {
            throw problem
        } catch {
            throw ConfigurationProblem(key: "", kind: .syntax("\(error)", column: 1))
        }
        lines = ConfigurationLines(text)
    }

    /// The parser's words may show a part of the line, and that may be a password.
    private static func problem(_ error: TOMLParseError, _ text: String) -> ConfigurationProblem {
        let position = error.source.begin
        let all = text.split(separator: "\n", omittingEmptySubsequences: false)
        let line = all.indices.contains(position.line - 1) ? all[position.line - 1].lowercased() : ""
        let isDelicate = line.contains("pass") || line.contains("://")
        let words =
            isDelicate ? "this cannot be read; a text stands in quotes, on one line" : Self.onOneLine(error.description)
        return ConfigurationProblem(
            key: "", line: position.line, kind: .syntax(words, column: position.column))
    }

    private static func onOneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(200).map { $0.value < 0x20 ? " " : $0 }))
    }

    // MARK: - What the libraries below do not survive, or pass over

    /// The longest line, bytes. A key of thousands of parts would nest as deep, and that costs stack.
    private static let longestLine = 1024
    /// Three are needed.
    private static let deepest = 16

    private static func problem(before text: String) -> ConfigurationProblem? {
        for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            guard let words = problem(inLine: line) else { continue }
            return ConfigurationProblem(key: "", line: index + 1, kind: .syntax(words, column: 1))
        }
        guard let header = ConfigurationLines.firstBadHeader(in: text) else { return nil }
        // What stands above it may be wrong as well, and is the first thing to tell.
        do { _ = try TOMLTable(string: header.before) } catch let error as TOMLParseError {
            return problem(error, text)
        } catch {
            return ConfigurationProblem(key: "", line: header.line, kind: .syntax("\(error)", column: 1))
        }
        let words = "a section's header is [NAME], [NAME.NAME] or [[NAME]]"
        return ConfigurationProblem(key: "", line: header.line, kind: .syntax(words, column: 1))
    }

    private static func problem(inLine line: Substring.UTF8View) -> String? {
        // Both libraries below end a text where a zero byte is: what follows would be left out without a word.
        if line.contains(0) { return "a zero byte, which no text may contain" }
        if line.count > longestLine { return "a line of more than \(longestLine) bytes" }
        let text = Substring(line)
        return text.contains("\\u0000") || text.contains("\\U00000000")
            ? "a zero character, which no text may contain" : nil
    }

    private static func tree(
        of table: TOMLTable, depth: Int
    ) throws(ConfigurationProblem) -> [String: ConfigurationValue] {
        var tree: [String: ConfigurationValue] = [:]
        for key in table.keys {
            if let value = table[key] { tree[key] = try self.value(of: value, depth: depth) }
        }
        return tree
    }

    private static func value(
        of value: any TOMLValueConvertible, depth: Int
    ) throws(ConfigurationProblem) -> ConfigurationValue {
        guard depth < deepest else {
            throw ConfigurationProblem(key: "", kind: .syntax("sections or lists nested too deep", column: 1))
        }
        if let text = value.string { return .text(text) }
        if let truth = value.bool { return .truth(truth) }
        if let number = value.int { return .integer(number) }
        if let number = value.double { return .fraction(number) }
        if let table = value.table { return .table(try tree(of: table, depth: depth + 1)) }
        guard let array = value.array else { return .moment }
        var list: [ConfigurationValue] = []
        for index in array.indices { list.append(try self.value(of: array[index], depth: depth + 1)) }
        return .list(list)
    }
}
