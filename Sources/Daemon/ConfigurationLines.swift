/// In which line of a TOML text a key stands: TOMLKit does not say. One pass over a text that has been parsed before, so
/// anything goes that no TOML is.
struct ConfigurationLines {
    private var lines: [String: Int] = [:]

    /// The line of a key such as `virtual_router[0].local.url`, or of what it is in; nil where it is in nothing.
    func line(of key: String) -> Int? {
        var path = key[...]
        while !path.isEmpty {
            if let line = lines[String(path)] { return line }
            guard let dot = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
            path = path[..<dot]
        }
        return nil
    }

    /// Reads the text.
    init(_ text: String) {
        var scanner = Scanner(bytes: Array(text.utf8))
        var section: [String] = []
        var counts: [String: Int] = [:]
        while let (name, isHeader, isElement, line) = scanner.next() {
            guard isHeader else {
                note(section + name, line)
                continue
            }
            section = Self.resolved(name, counts)
            if isElement, let last = section.popLast() {
                let base = (section + [last]).joined(separator: ".")
                let index = counts[base, default: 0]
                counts[base] = index + 1
                section.append("\(last)[\(index)]")
            }
            note(section, line)
        }
    }

    /// The first header that no TOML has, such as `[=`: its line, and the text above it. The parser does not survive them.
    static func firstBadHeader(in text: String) -> (line: Int, before: String)? {
        var scanner = Scanner(bytes: Array(text.utf8))
        while let (_, isHeader, _, line) = scanner.next() {
            guard isHeader, !scanner.isHeaderPossible else { continue }
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            return (line, lines.prefix(line - 1).map { $0 + "\n" }.joined())
        }
        return nil
    }

    private mutating func note(_ path: [String], _ line: Int) {
        // A key that is a table by its dots has the line of its first one.
        for length in path.indices {
            let key = path[...length].joined(separator: ".")
            if lines[key] == nil { lines[key] = line }
        }
    }

    /// `virtual_router.local` means the last element of `virtual_router`.
    private static func resolved(_ name: [String], _ counts: [String: Int]) -> [String] {
        var path: [String] = []
        for (index, part) in name.enumerated() {
            let base = (path + [part]).joined(separator: ".")
            let isLast = index == name.count - 1
            path.append(counts[base].map { isLast ? part : "\(part)[\($0 - 1)]" } ?? part)
        }
        return path
    }

    /// Finds headers and keys, and skips values.
    private struct Scanner {
        let bytes: [UInt8]
        var position = 0
        var line = 1
        /// Whether the last header begins as one can.
        private(set) var isHeaderPossible = true

        private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

        private mutating func advance() {
            if byte == UInt8(ascii: "\n") { line += 1 }
            position += 1
        }

        private mutating func skip(while condition: (UInt8) -> Bool) {
            while let byte, condition(byte) { advance() }
        }

        private mutating func skipLine() { skip { $0 != UInt8(ascii: "\n") } }

        /// The next key or header; nil at the end.
        mutating func next() -> (name: [String], isHeader: Bool, isElement: Bool, line: Int)? {
            while true {
                skip { $0 <= 0x20 }
                guard let first = byte else { return nil }
                if first == UInt8(ascii: "#") {
                    skipLine()
                    continue
                }
                let start = line
                let isHeader = first == UInt8(ascii: "[")
                if isHeader { advance() }
                let isElement = isHeader && byte == UInt8(ascii: "[")
                if isElement { advance() }
                isHeaderPossible = isNamePossible(at: position)
                let name = self.name(endingAt: isHeader ? UInt8(ascii: "]") : UInt8(ascii: "="))
                if isHeader { skipLine() } else { skipValue() }
                return (name, isHeader, isElement, start)
            }
        }

        /// Behind the brackets stands a letter, digit, dash, underscore or quote.
        private func isNamePossible(at start: Int) -> Bool {
            let rest = bytes[min(start, bytes.count)...].drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            guard let first = rest.first else { return false }
            return switch first {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "\""),
                UInt8(ascii: "'"):
                true
            default: false
            }
        }

        private mutating func name(endingAt end: UInt8) -> [String] {
            var parts: [String] = []
            var part: [UInt8] = []
            while let byte, byte != end, byte != UInt8(ascii: "\n") {
                advance()
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "'"):
                    while let inner = self.byte, inner != byte, inner != UInt8(ascii: "\n") {
                        if inner == UInt8(ascii: "\\"), byte == UInt8(ascii: "\"") { advance() }
                        part.append(inner)
                        advance()
                    }
                    advance()
                case UInt8(ascii: "."):
                    parts.append(String(decoding: part, as: UTF8.self))
                    part = []
                case 0...0x20: break
                default: part.append(byte)
                }
            }
            if self.byte == end { advance() }
            return parts + [String(decoding: part, as: UTF8.self)]
        }

        private mutating func skipValue() {
            var depth = 0
            while let byte {
                switch byte {
                case UInt8(ascii: "\n") where depth <= 0: return
                case UInt8(ascii: "#"): skipLine()
                case UInt8(ascii: "\""), UInt8(ascii: "'"): skipString(byte)
                case UInt8(ascii: "["), UInt8(ascii: "{"):
                    depth += 1
                    advance()
                case UInt8(ascii: "]"), UInt8(ascii: "}"):
                    depth -= 1
                    advance()
                default: advance()
                }
            }
        }

        private mutating func skipString(_ quote: UInt8) {
            let isLong = bytes[position...].starts(with: [quote, quote, quote])
            let end = isLong ? [quote, quote, quote] : [quote]
            for _ in end { advance() }
            while let byte, !bytes[position...].starts(with: end) {
                if byte == UInt8(ascii: "\n"), !isLong { return }
                if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") { advance() }
                advance()
            }
            // A long one may end in up to two quotes of its own.
            skip { $0 == quote }
        }
    }
}
