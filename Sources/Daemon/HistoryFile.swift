import Failover
import Glibc
import Logging
import Operations
import Replication

/// The history of one virtual router: `history-<router>.jsonl` in the state folder, one `HistoryEntry` per line, each synced.
/// What is found out later is a line of its own behind the entry that it amends, which stays as it was written. Bounded:
/// when it has grown beyond a quarter more than it keeps, the oldest go. Belongs to one thread at a time; its calls may block.
struct HistoryFile {
    /// How much is kept.
    struct Limit: Sendable {
        var entries = 1000
        var bytes = 4 << 20
    }

    let path: String
    private let router: String
    private let node: String
    private let limit: Limit
    /// The last number of earlier runs.
    private(set) var base = 0
    private var lines = 0
    private var bytes = 0
    /// What was wrong with the file when it was opened; nil where nothing was.
    private(set) var complaint: String?

    /// A line that amends an entry.
    private struct AmendmentLine: Codable {
        var amends: Int
        var at: String
        var bytes: Int64
        @OrNull var commands: Int64?
        var detail: String
        var kept: [String]
    }

    /// What a file has in its lines.
    private struct Content {
        var entries: [HistoryEntry] = []
        var amendments: [Int: HistoryEntry.Amendment] = [:]
        var unreadable = 0
    }

    /// Opens it, and repairs what a crash left: half a line at the end is left out.
    init(folder: String, router: String, node: String, limit: Limit = Limit()) {
        path = "\(folder)/history-\(router).jsonl"
        (self.router, self.node, self.limit) = (router, node, limit)
        let text = load()
        let content = Self.parse(text)
        base = content.entries.map(\.number).max() ?? 0
        (lines, bytes) = (content.entries.count, text.count)
        guard content.unreadable > 0 || text.last.map({ $0 != UInt8(ascii: "\n") }) ?? false else { return }
        if content.unreadable > 0 {
            complaint = "\(path): \(content.unreadable) lines that cannot be read were left out"
        }
        rewrite(Self.merged(content))
    }

    /// The next transition.
    mutating func record(_ transition: Transition) throws(FileTrouble) {
        let line = Self.line(HistoryEntry(transition, router: router, node: node, base: base))
        try Files.append(line, to: path)
        (lines, bytes) = (lines + 1, bytes + line.count)
        guard lines > limit.entries * 5 / 4 || bytes > limit.bytes * 5 / 4 else { return }
        rewrite(try entries())
    }

    /// Amends the entry of the last promotion of this number, and returns it. nil where there is nothing to add: no such
    /// promotion is kept, it was amended so before, or nothing was lost and nothing said to be.
    mutating func amend(
        _ settled: Settlement, by node: String, kept: [String]
    ) throws(FileTrouble) -> HistoryEntry? {
        guard var entry = try entries().last(where: { $0.epoch == settled.epoch && $0.loss != nil }) else { return nil }
        let isWorthALine = settled.lost.loss.isPossible || entry.loss?.kind != Loss.Kind.none.rawValue
        guard isWorthALine, entry.amendment?.lost != settled.lost else { return nil }
        let amendment = HistoryEntry.Amendment(settled.lost, by: node, kept: kept)
        let line = Self.line(amendment, of: entry.number)
        try Files.append(line, to: path)
        bytes += line.count
        entry.amendment = amendment
        return entry
    }

    /// All that is kept, the oldest first, each as it was amended; of entries of the same number, the last one.
    func entries() throws(FileTrouble) -> [HistoryEntry] {
        guard let text = try Files.read(path, limit: limit.bytes * 4) else { return [] }
        return Self.merged(Self.parse(text))
    }

    /// An unreadable file is put aside: recording goes on.
    private mutating func load() -> [UInt8] {
        do throws(FileTrouble) { return try Files.read(path, limit: limit.bytes * 4) ?? [] } catch {
            complaint = "\(error); a new one is begun"
            _ = rename(path, path + ".unusable")
            return []
        }
    }

    private mutating func rewrite(_ entries: [HistoryEntry]) {
        var kept: [[UInt8]] = []
        var size = 0
        for var entry in entries.reversed().prefix(limit.entries) {
            let amendment = entry.amendment.map { Self.line($0, of: entry.number) } ?? []
            entry.amendment = nil
            let line = Self.line(entry) + amendment
            guard size + line.count <= limit.bytes else { break }
            size += line.count
            kept.append(line)
        }
        do throws(FileTrouble) {
            try Files.replace(path, with: kept.reversed().flatMap(\.self))
            (lines, bytes) = (kept.count, size)
        } catch {
            complaint = "\(error)"
        }
    }

    private static func line(_ entry: HistoryEntry) -> [UInt8] { Array((JSONText.encode(entry) + "\n").utf8) }

    private static func line(_ amendment: HistoryEntry.Amendment, of number: Int) -> [UInt8] {
        let line = AmendmentLine(
            amends: number, at: amendment.at, bytes: amendment.bytes, commands: amendment.commands,
            detail: amendment.detail, kept: amendment.kept)
        return Array((JSONText.encode(line) + "\n").utf8)
    }

    private static func parse(_ text: [UInt8]) -> Content {
        var content = Content()
        for line in text.split(separator: UInt8(ascii: "\n")) {
            do { content.entries.append(try JSONText.decode(HistoryEntry.self, from: line)) } catch {
                do {
                    let line = try JSONText.decode(AmendmentLine.self, from: line)
                    content.amendments[line.amends] = HistoryEntry.Amendment(
                        at: line.at, bytes: line.bytes, commands: line.commands, detail: line.detail, kept: line.kept)
                } catch {
                    content.unreadable += 1
                }
            }
        }
        return content
    }

    private static func merged(_ content: Content) -> [HistoryEntry] {
        var places: [Int: Int] = [:]
        var merged: [HistoryEntry] = []
        for var entry in content.entries {
            entry.amendment = content.amendments[entry.number]
            if let place = places[entry.number] {
                merged[place] = entry
            } else {
                places[entry.number] = merged.count
                merged.append(entry)
            }
        }
        return merged
    }
}
