import Failover
import Glibc
import Logging
import Operations

/// The history of one virtual router: `history-<router>.jsonl` in the state folder, one `HistoryEntry` per line, each synced.
/// Bounded: when it has grown beyond a quarter more than it keeps, the oldest go. Belongs to one thread at a time; its calls
/// may block.
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

    /// Opens it, and repairs what a crash left: half a line at the end is left out.
    init(folder: String, router: String, node: String, limit: Limit = Limit()) {
        path = "\(folder)/history-\(router).jsonl"
        (self.router, self.node, self.limit) = (router, node, limit)
        let text = load()
        let (entries, unreadable) = Self.parse(text)
        base = entries.map(\.number).max() ?? 0
        (lines, bytes) = (text.count { $0 == UInt8(ascii: "\n") }, text.count)
        guard unreadable > 0 || text.last.map({ $0 != UInt8(ascii: "\n") }) ?? false else { return }
        if unreadable > 0 { complaint = "\(path): \(unreadable) lines that cannot be read were left out" }
        rewrite(Self.merged(entries))
    }

    /// The next transition.
    mutating func record(_ transition: Transition) throws(FileTrouble) {
        let entry = HistoryEntry(transition, router: router, node: node, base: base)
        let line = Array((JSONText.encode(entry) + "\n").utf8)
        try Files.append(line, to: path)
        (lines, bytes) = (lines + 1, bytes + line.count)
        guard lines > limit.entries * 5 / 4 || bytes > limit.bytes * 5 / 4 else { return }
        rewrite(try entries())
    }

    /// All that is kept, the oldest first; of entries of the same number, the last one.
    func entries() throws(FileTrouble) -> [HistoryEntry] {
        guard let text = try Files.read(path, limit: limit.bytes * 4) else { return [] }
        return Self.merged(Self.parse(text).entries)
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
        for entry in entries.reversed().prefix(limit.entries) {
            let line = Array((JSONText.encode(entry) + "\n").utf8)
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

    private static func parse(_ text: [UInt8]) -> (entries: [HistoryEntry], unreadable: Int) {
        var entries: [HistoryEntry] = []
        var unreadable = 0
        for line in text.split(separator: UInt8(ascii: "\n")) {
            do { entries.append(try JSONText.decode(HistoryEntry.self, from: line)) } catch { unreadable += 1 }
        }
        return (entries, unreadable)
    }

    private static func merged(_ entries: [HistoryEntry]) -> [HistoryEntry] {
        var places: [Int: Int] = [:]
        var merged: [HistoryEntry] = []
        for entry in entries {
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
