import Foundation

/// A file of the repository: its path from the top, its text, and its text with comments and strings blanked out.
struct SourceFile: Sendable {
    let path: String
    let text: String
    let lines: [String]
    /// The text in which every comment and every string literal is spaces; lines keep their numbers.
    let code: String
    let codeLines: [String]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.components(separatedBy: "\n")
        code = blankingCommentsAndStrings(text)
        codeLines = code.components(separatedBy: "\n")
    }

    var isSource: Bool { path.hasPrefix("Sources/") }

    /// The target that the file belongs to: `Replication` for `Sources/Replication/SyncGate.swift`.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

    func finding(_ line: Int, _ message: String) -> String { "\(path):\(line): \(message)" }
}

/// Replaces comments and string literals, quotes included, by spaces, and leaves every newline where it is.
func blankingCommentsAndStrings(_ text: String) -> String {
    var scanner = Blanker(input: Array(text.utf8))
    scanner.scanCode(untilClosingParenthesis: false)
    return String(decoding: scanner.output, as: UTF8.self)
}

private struct Blanker {
    let input: [UInt8]
    var output: [UInt8] = []
    var position = 0

    init(input: [UInt8]) {
        self.input = input
        output.reserveCapacity(input.count)
    }

    private func starts(with literal: StaticString) -> Bool {
        let end = position + literal.utf8CodeUnitCount
        guard end <= input.count else { return false }
        return literal.withUTF8Buffer { $0.elementsEqual(input[position..<end]) }
    }

    private mutating func keep() {
        output.append(input[position])
        position += 1
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<min(count, input.count - position) {
            output.append(input[position] == UInt8(ascii: "\n") ? UInt8(ascii: "\n") : UInt8(ascii: " "))
            position += 1
        }
    }

    /// Code outside of literals, or, inside of a string, the code of one interpolation.
    mutating func scanCode(untilClosingParenthesis: Bool) {
        var parentheses = 0
        while position < input.count {
            if starts(with: "//") {
                while position < input.count, input[position] != UInt8(ascii: "\n") { blank() }
            } else if starts(with: "/*") {
                scanBlockComment()
            } else if let pounds = poundsOfString() {
                scanString(pounds: pounds)
            } else {
                let byte = input[position]
                if byte == UInt8(ascii: "(") { parentheses += 1 }
                if byte == UInt8(ascii: ")") {
                    parentheses -= 1
                    if untilClosingParenthesis, parentheses < 0 { return blank() }
                }
                keep()
            }
        }
    }

    private mutating func scanBlockComment() {
        var depth = 0
        repeat {
            if starts(with: "/*") {
                depth += 1
                blank(2)
            } else if starts(with: "*/") {
                depth -= 1
                blank(2)
            } else {
                blank()
            }
        } while depth > 0 && position < input.count
    }

    /// How many `#` precede the quote of a string that begins here; nil where none begins.
    private func poundsOfString() -> Int? {
        var index = position
        while index < input.count, input[index] == UInt8(ascii: "#") { index += 1 }
        guard index < input.count, input[index] == UInt8(ascii: "\"") else { return nil }
        return index - position
    }

    private mutating func scanString(pounds: Int) {
        blank(pounds)
        let quotes = starts(with: "\"\"\"") ? 3 : 1
        blank(quotes)
        let closing = Array(repeating: UInt8(ascii: "\""), count: quotes) + poundSigns(pounds)
        let escape = [UInt8(ascii: "\\")] + poundSigns(pounds)
        while position < input.count {
            if input[position...].starts(with: closing) { return blank(closing.count) }
            if input[position...].starts(with: escape) {
                blank(escape.count)
                let isInterpolation = starts(with: "(")
                blank()
                if isInterpolation { scanCode(untilClosingParenthesis: true) }
            } else if quotes == 1, input[position] == UInt8(ascii: "\n") {
                return
            } else {
                blank()
            }
        }
    }

    private func poundSigns(_ count: Int) -> [UInt8] { Array(repeating: UInt8(ascii: "#"), count: count) }
}
