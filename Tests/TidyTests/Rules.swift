import Foundation

// Each rule is a function from text to findings (`path:line: what is wrong`), so that RuleTests can show it bad samples.

/// What a target's sources may import, beside what its own table line says: modules of the Swift toolchain that do no IO.
let alwaysImportable: Set = ["Synchronization"]

/// Who may import whom. The compiler's explicit-import check knows only targets of this package; this table also holds
/// the products of other packages, and keeps the pure targets free of clocks and IO.
let importable: [String: Set<String>] = [
    "VRRP": [],
    "Replication": [],
    "Salvage": ["Replication"],
    "CLinuxNet": [],
    "LinuxNet": ["VRRP", "CLinuxNet", "Glibc"],
    "Failover": ["VRRP", "Replication", "Salvage"],
    "FailoverSimulation": ["Failover", "VRRP", "Replication", "Salvage"],
    "RedisClient": ["Replication", "CHiredis", "NIOCore", "NIOPosix", "NIOSSL", "Glibc"],
    "Operations": ["RedisClient", "Replication", "Salvage", "FoundationEssentials", "Glibc"],
    "Daemon": [
        "Failover", "LinuxNet", "Operations", "RedisClient", "Replication", "Salvage", "VRRP", "NIOCore", "NIOPosix",
        "Logging", "TOMLKit", "Glibc", "FoundationEssentials",
    ],
    "syncgate": [
        "Daemon", "Failover", "LinuxNet", "Operations", "RedisClient", "Replication", "Salvage", "VRRP",
        "ArgumentParser", "FoundationEssentials", "Glibc", "Dispatch",
    ],
]

func undeclaredImports(in file: SourceFile) -> [String] {
    guard file.isSource else { return [] }
    guard let allowed = importable[file.target] else {
        return [file.finding(1, "the target \(file.target) has no line in the table of who may import whom")]
    }
    return file.codeLines.enumerated().compactMap { index, line in
        guard let module = importedModule(line), !allowed.contains(module), !alwaysImportable.contains(module) else {
            return nil
        }
        return file.finding(index + 1, "\(file.target) may not import \(module)")
    }
}

/// `NIOCore` for `@preconcurrency internal import struct NIOCore.ByteBuffer`; nil for a line that imports nothing.
func importedModule(_ line: String) -> String? {
    var words = line.split(whereSeparator: \.isWhitespace)
    guard let start = words.firstIndex(of: "import"),
        words[..<start].allSatisfy({ $0.hasPrefix("@") || accessLevels.contains(String($0)) })
    else { return nil }
    words = Array(words[(start + 1)...])
    let kinds = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
    if let first = words.first, kinds.contains(String(first)) { words.removeFirst() }
    return words.first.map { String($0.prefix { $0 != "." }) }
}

private let accessLevels: Set = ["public", "package", "internal", "fileprivate", "private"]

/// Words that Sources do without. Those of the first table are looked for in code, of the second in comments as well.
private let forbiddenInCode: [(pattern: String, instead: String)] = [
    (#"@unchecked\s+Sendable"#, "let the compiler prove it, or list the file with its reason"),
    (#"nonisolated\s*\(\s*unsafe\s*\)"#, "let the compiler prove it, or list the file with its reason"),
    (#"\btry\?"#, "handle the error or say why it may be lost"),
    (#"\btry!"#, "handle the error"),
    (#"\bas!"#, "use as? and handle nil"),
    (#"\bfatalError\b"#, "make it an error or impossible"),
]
private let forbiddenAnywhere: [(pattern: String, instead: String)] = [
    (#"\b(TODO|FIXME|XXX)\b"#, "do it, or file an issue")
]

/// `excused` holds words (as found, spaces removed) that this file may use.
func forbiddenWords(in file: SourceFile, excused: Set<String> = []) -> [String] {
    guard file.isSource else { return [] }
    return matches(of: forbiddenInCode, lines: file.codeLines, in: file, excused: excused)
        + matches(of: forbiddenAnywhere, lines: file.lines, in: file, excused: excused)
}

private func matches(
    of table: [(pattern: String, instead: String)], lines: [String], in file: SourceFile, excused: Set<String>
) -> [String] {
    var findings: [String] = []
    for (index, line) in lines.enumerated() {
        for (pattern, instead) in table {
            guard let range = line.range(of: pattern, options: .regularExpression) else { continue }
            let word = line[range].filter { !$0.isWhitespace }
            if !excused.contains(word) { findings.append(file.finding(index + 1, "\(word): \(instead)")) }
        }
    }
    return findings
}

func tooLongFile(_ file: SourceFile, limit: Int) -> [String] {
    let count = file.text.hasSuffix("\n") ? file.lines.count - 1 : file.lines.count
    return count > limit ? [file.finding(count, "\(count) lines; the limit is \(limit)")] : []
}

func badTypeNames(in file: SourceFile) -> [String] {
    let declaration = #"\b(class|struct|enum|actor|protocol|typealias)\s+\w*(Manager|Helpers?|Utils?|Engine)\b"#
    return file.codeLines.enumerated().compactMap { index, line in
        line.range(of: declaration, options: .regularExpression)
            .map { file.finding(index + 1, "\(line[$0]): name it after what it is") }
    }
}

/// Sources/<Target>/<File>: no folders below that.
func tooDeep(_ path: String) -> [String] {
    path.hasPrefix("Sources/") && path.split(separator: "/").count > 3
        ? ["\(path): folders in Sources are one level deep"] : []
}

/// Public and package declarations without a `///` line above them (attributes may stand in between).
func undocumentedDeclarations(in file: SourceFile) -> [String] {
    guard file.isSource else { return [] }
    let declaration =
        #"^\s*(@\w+(\([^)]*\))?\s+)*(public|package)(\(set\))?\s+(?!import\b)(?!extension\b)"#
    return file.codeLines.indices.compactMap { index in
        guard file.codeLines[index].range(of: declaration, options: .regularExpression) != nil else { return nil }
        var above = index - 1
        while above >= 0, file.lines[above].trimmed.hasPrefix("@") { above -= 1 }
        if above >= 0, file.lines[above].trimmed.hasPrefix("///") { return nil }
        return file.finding(index + 1, "no doc comment above: \(file.lines[index].trimmed)")
    }
}

/// The first two commands in the README's fenced code blocks.
func readmeCommands(_ readme: String) -> [String] {
    var inside = false
    var commands: [String] = []
    for line in readme.components(separatedBy: "\n") {
        if line.hasPrefix("```") {
            inside.toggle()
        } else if inside, !line.trimmed.isEmpty, !line.trimmed.hasPrefix("#") {
            let withoutPrompt = line.hasPrefix("$ ") ? String(line.dropFirst(2)) : line
            commands.append(withoutPrompt.components(separatedBy: "#")[0].trimmed)
        }
    }
    return Array(commands.prefix(2))
}

/// What lies at the top of the repository.
let topLevel: Set = [
    "Package.swift", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", ".swift-format", ".gitignore", ".ci",
    "CHiredis", "Sources", "Tests", "docs", "scripts",
]
/// What may lie there; git does not keep an empty folder, and what it ignores is no part of the tree.
let optionalAtTop: Set = ["config", ".git", ".cache", "Package.resolved", "__pycache__"]

func misplacedAtTop(_ entries: [String]) -> [String] {
    let present = Set(entries)
    let unexpected = present.subtracting(topLevel).subtracting(optionalAtTop)
        .filter { !$0.hasPrefix(".build") && !$0.hasSuffix(".swp") }
    return unexpected.sorted().map { "\($0): not a part of the tree" }
        + topLevel.subtracting(present).sorted().map { "\($0): missing" }
}

extension String {
    var trimmed: String { trimmingCharacters(in: .whitespaces) }
}
