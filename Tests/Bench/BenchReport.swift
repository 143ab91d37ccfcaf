import ArgumentParser
import Foundation

/// Rows of one part.
struct Table {
    var title: String
    var note: String
    var columns: [String]
    var rows: [[String]] = []
    /// The load average when its first measurement began, and after its last.
    var load = (before: Machine.load, after: "")
}

/// A figure to reach.
struct Target {
    var what: String
    var limit: String
    var measured: String
    var isMet: Bool
}

/// Everything that was measured in one run.
struct BenchReport {
    let machine = Machine.facts
    let loadAtStart = Machine.load
    var tables: [Table] = []
    var targets: [Target] = []
    /// Rows that only programs read: they stand in the JSON alone.
    var details: [Table] = []
    /// Runs that did not come to their end.
    var failures: [String] = []

    mutating func add(_ table: Table) {
        guard !table.rows.isEmpty else { return }
        var table = table
        table.load.after = Machine.load
        tables.append(table)
        print(Self.plain(table))
    }

    var isGood: Bool { failures.isEmpty && targets.allSatisfy(\.isMet) }

    private var targetTable: Table {
        Table(
            title: "Targets", note: "", columns: ["figure", "limit", "measured", ""],
            rows: targets.map { [$0.what, $0.limit, $0.measured, $0.isMet ? "met" : "MISSED"] })
    }

    /// Prints the end, writes the whole to a file, and fails where a target was missed or a run failed.
    func finish(output: String?) throws {
        print(tail, terminator: "")
        if let output {
            let data = output.hasSuffix(".json") ? try json() : Data(markdown.utf8)
            try data.write(to: URL(fileURLWithPath: output))
        }
        if !isGood { throw ExitCode(1) }
    }

    /// What stands above the tables.
    var head: String {
        let facts = machine + [("load average at the start", loadAtStart)]
        return facts.map { "\($0.name): \($0.value)\n" }.joined()
    }

    /// What stands below them.
    var tail: String {
        (targets.isEmpty ? "" : Self.plain(targetTable)) + failures.map { "FAILED: \($0)\n" }.joined()
    }

    private static func plain(_ table: Table) -> String {
        let widths = table.columns.indices.map { column in
            ([table.columns] + table.rows).map { $0[column].count }.max() ?? 0
        }
        // Words to the left, figures to the right.
        let isWords = table.columns.indices.map { column in
            table.rows.allSatisfy { $0[column].first?.isLetter ?? true } || column == 0
        }
        let line = { (cells: [String]) in
            let padded = cells.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - cells[column].count)
                return isWords[column] ? cells[column] + space : space + cells[column]
            }
            return padded.joined(separator: "  ") + "\n"
        }
        let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ") + "\n"
        return "\n== \(table.title)\(loads(table))\n" + (table.note.isEmpty ? "" : "\(table.note)\n") + "\n"
            + line(table.columns) + rule + table.rows.map(line).joined()
    }

    private static func loads(_ table: Table) -> String {
        table.load.after.isEmpty ? "" : " (load average \(table.load.before) before, \(table.load.after) after)"
    }

    private static func markdown(_ table: Table) -> String {
        let line = { (cells: [String]) in "| \(cells.joined(separator: " | ")) |\n" }
        return "\n### \(table.title)\n\n" + (table.note.isEmpty ? "" : "\(table.note)\n\n")
            + (table.load.after.isEmpty
                ? "" : "Load average \(table.load.before) before, \(table.load.after) after.\n\n")
            + line(table.columns) + line(table.columns.map { _ in "---" }) + table.rows.map(line).joined()
    }

    /// The whole report as Markdown.
    var markdown: String {
        machine.map { "- \($0.name): \($0.value)\n" }.joined() + "- load average at the start: \(loadAtStart)\n"
            + tables.map(Self.markdown).joined() + (targets.isEmpty ? "" : Self.markdown(targetTable))
            + failures.map { "\nFAILED: \($0)\n" }.joined()
    }

    /// The whole report as JSON.
    func json() throws -> Data {
        let tables = (tables + details).map { table in
            [
                "title": table.title, "note": table.note, "load_before": table.load.before,
                "load_after": table.load.after,
                "rows": table.rows.map { Dictionary(zip(table.columns, $0)) { $1 } },
            ] as [String: Any]
        }
        let targets = targets.map {
            ["what": $0.what, "limit": $0.limit, "measured": $0.measured, "met": $0.isMet] as [String: Any]
        }
        let all: [String: Any] = [
            "machine": Dictionary(uniqueKeysWithValues: machine.map { ($0.name, $0.value) }),
            "load_at_start": loadAtStart, "tables": tables, "targets": targets, "failures": failures,
        ]
        return try JSONSerialization.data(withJSONObject: all, options: [.prettyPrinted, .sortedKeys])
    }
}
