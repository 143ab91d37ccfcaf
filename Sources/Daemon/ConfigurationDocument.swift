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
        // Both libraries below end a text where a zero byte is: what follows would be left out without a word.
        if let zero = text.utf8.firstIndex(of: 0) {
            let line = text.utf8[..<zero].count { $0 == UInt8(ascii: "\n") } + 1
            throw ConfigurationProblem(
                key: "", line: line, kind: .syntax("a zero byte, which no text may contain", column: 1))
        }
        if let escape = text.firstRange(of: "\\u0000") ?? text.firstRange(of: "\\U00000000") {
            let line = text.utf8[..<escape.lowerBound].count { $0 == UInt8(ascii: "\n") } + 1
            throw ConfigurationProblem(
                key: "", line: line, kind: .syntax("a zero character, which no text may contain", column: 1))
        }
        do {
            root = try Self.tree(of: TOMLTable(string: text))
        } catch let error as TOMLParseError {
            throw Self.problem(error, text)
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
        let words = isDelicate ? "this cannot be read; a text stands in quotes, on one line" : error.description
        return ConfigurationProblem(
            key: "", line: position.line, kind: .syntax(String(words.prefix(200)), column: position.column))
    }

    private static func tree(of table: TOMLTable) -> [String: ConfigurationValue] {
        var tree: [String: ConfigurationValue] = [:]
        for key in table.keys {
            if let value = table[key] { tree[key] = self.value(of: value) }
        }
        return tree
    }

    private static func value(of value: any TOMLValueConvertible) -> ConfigurationValue {
        if let text = value.string { return .text(text) }
        if let truth = value.bool { return .truth(truth) }
        if let number = value.int { return .integer(number) }
        if let number = value.double { return .fraction(number) }
        if let table = value.table { return .table(tree(of: table)) }
        if let array = value.array { return .list(array.indices.map { self.value(of: array[$0]) }) }
        return .moment
    }
}
