/// The name of a salvage file: `<time>-<node>-<replid>-<from>-<to>.resp`.
///
///     20251122T101112.345Z-redis-a-8f3c1d2e…-51-120.resp
///
/// The time has no `-` and no `:`, so that names sort by time, are taken apart without doubt, and are names everywhere.
/// What a node's name has beyond letters, digits, `.`, `_` and `-` stands as `%` and two hex digits.
public struct SalvageFileName: Sendable, Hashable, CustomStringConvertible {
    /// When the bytes were read, UTC: digits, `T`, `.` and `Z`.
    public var time: String
    /// The node, as it stands in the name; at most 100 bytes of it.
    public var node: String
    /// The history, as it stands in the name.
    public var replicationID: String
    /// Offset of the first byte.
    public var from: Int64
    /// Offset of the byte after the last.
    public var to: Int64
    /// Of a snapshot, which has no header: `SalvageHeader.epoch`.
    public var epoch: UInt64?

    /// How every one ends.
    public static let suffix = ".resp"
    /// How the name of a snapshot ends, which is made like this one otherwise.
    public static let snapshotSuffix = ".rdb"
    /// What is added while a file is being written: nobody takes it for a whole one.
    public static let partialSuffix = ".partial"

    /// Of the file with this header.
    public init(_ header: SalvageHeader) {
        time = Escaping.fileName(header.time.filter { $0 != "-" && $0 != ":" })
        node = Escaping.fileName(header.node)
        replicationID = Escaping.fileName(header.replicationID.filter { $0 != "-" })
        (from, to, epoch) = (header.from, header.to, header.epoch)
    }

    /// Reads a name; `nil` where it is none: another file, or one that is still being written.
    public init?(_ name: String) {
        guard name.hasSuffix(Self.suffix) else { return nil }
        let parts = name.dropLast(Self.suffix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 5, let from = Int64(parts[parts.count - 2]), let to = Int64(parts[parts.count - 1]),
            from >= 0, from <= to, !parts[0].isEmpty, !parts[parts.count - 3].isEmpty
        else { return nil }
        time = String(parts[0])
        node = parts[1..<(parts.count - 3)].joined(separator: "-")
        replicationID = String(parts[parts.count - 3])
        (self.from, self.to) = (from, to)
    }

    /// Reads the name of a snapshot; `nil` where it is none.
    public init?(snapshot name: String) {
        guard name.hasSuffix(Self.snapshotSuffix) else { return nil }
        let stem = name.dropLast(Self.snapshotSuffix.count)
        if let whole = Self(stem + Self.suffix) {
            self = whole
            return
        }
        guard let mark = stem.lastIndex(of: "-"), case let word = stem[mark...].dropFirst(), word.first == "p",
            let epoch = UInt64(word.dropFirst()), let rest = Self(stem[..<mark] + Self.suffix)
        else { return nil }
        self = rest
        self.epoch = epoch
    }

    /// The name.
    public var description: String { "\(stem)\(Self.suffix)" }

    /// The name of a snapshot with these parts: `from` is the first byte that the new master lacked, 0 where nobody can tell.
    /// It ends in `-p` and the number of the promotion, where that is known: `…-51-120-p4.rdb`.
    public var snapshot: String { "\(stem)\(epoch.map { "-p\($0)" } ?? "")\(Self.snapshotSuffix)" }

    private var stem: String { "\(time)-\(node)-\(replicationID)-\(from)-\(to)" }
}
