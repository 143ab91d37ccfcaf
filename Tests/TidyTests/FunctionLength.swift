/// Functions, initializers and deinitializers with more lines than `limit`, from the declaration to its closing brace.
func tooLongFunctions(in file: SourceFile, limit: Int) -> [String] {
    guard file.isSource else { return [] }
    return functions(in: file.code).compactMap { function in
        function.lineCount > limit
            ? file.finding(function.line, "\(function.name) has \(function.lineCount) lines; the limit is \(limit)")
            : nil
    }
}

struct FunctionExtent: Equatable {
    var name: String
    var line: Int
    var lineCount: Int
}

/// Every function with a body in `code`, whose comments and strings are blanked out already.
func functions(in code: String) -> [FunctionExtent] {
    let tokens = tokenize(code)
    return tokens.indices.compactMap { start in
        guard let name = declaredFunction(at: start, in: tokens),
            let opening = bodyOpening(from: start + 1, in: tokens),
            let closing = matchingBrace(of: opening, in: tokens)
        else { return nil }
        let first = tokens[start].line
        return FunctionExtent(name: name, line: first, lineCount: tokens[closing].line - first + 1)
    }
}

/// A word, or one other character that is not blank.
private struct Token {
    var text: Substring
    var line: Int
}

private func tokenize(_ code: String) -> [Token] {
    var tokens: [Token] = []
    for (index, line) in code.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
        var rest = line
        while let first = rest.first {
            let isWord = first.isLetter || first.isNumber || first == "_"
            let length = isWord ? rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }.count : 1
            if !first.isWhitespace { tokens.append(Token(text: rest.prefix(length), line: index + 1)) }
            rest = rest.dropFirst(length)
        }
    }
    return tokens
}

private func declaredFunction(at index: Int, in tokens: [Token]) -> String? {
    let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
    let previous = index > 0 ? tokens[index - 1].text : ""
    switch tokens[index].text {
    case "func" where previous != "`": return String(next)
    case "init" where previous != "." && ["(", "?", "<", "!"].contains(next): return "init"
    case "deinit": return "deinit"
    default: return nil
    }
}

/// The body's opening brace; nil where there is none, as in a protocol.
private func bodyOpening(from start: Int, in tokens: [Token]) -> Int? {
    var depth = 0
    for index in start..<tokens.count {
        switch tokens[index].text {
        case "(", "[": depth += 1
        case ")", "]": depth -= 1
        case "{" where depth == 0: return index
        case "}" where depth == 0: return nil
        case "func", "var", "let", "case", "subscript", "associatedtype", "static", "mutating":
            if depth == 0 { return nil }
        case "init" where depth == 0 && index > start: return nil
        default: break
        }
    }
    return nil
}

private func matchingBrace(of opening: Int, in tokens: [Token]) -> Int? {
    var depth = 0
    for index in opening..<tokens.count {
        if tokens[index].text == "{" { depth += 1 }
        if tokens[index].text == "}" { depth -= 1 }
        if depth == 0 { return index }
    }
    return nil
}
