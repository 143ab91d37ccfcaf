import SeededNumbers

@testable import Replication
@testable import Salvage

/// An old master for the random driver: what it holds, what it says, and what of it is on a disk of ours.
struct OldMaster {
    /// A piece of its stream: a PING, or a write that a client saw acknowledged.
    struct Piece {
        var from: Int64
        var to: Int64
        /// nil for a PING.
        var write: Int?
    }

    static let promotedAt: Int64 = 100
    var random: SeededGenerator
    let isAncient: Bool
    let backlogSize: Int64
    var now: Instant = start
    // The server.
    var id = oldID
    var previous: ReplicationIdentity.Previous?
    var processes = 0
    var offset = Self.promotedAt
    var pieces: [Piece] = []
    /// Of the backlog; nil: there is none, and nothing is counted.
    var firstByte: Int64? = 1
    var isParked = false
    var isFollowing = false
    var fencedUntil: Instant?
    /// Writes that it has beyond the new master.
    var held: Set<Int> = []
    var lastWrite = 0
    // Our disk.
    var files: [Rejoin.SavedFile] = []
    var safe: Set<Int> = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed &* 7919 &+ 1)
        isAncient = UInt8.random(in: 0..<4, using: &random) == 0
        backlogSize = Bool.random(using: &random) ? 1 << 20 : 150
        for _ in 0..<Int.random(in: 0...8, using: &random) { write() }
        isParked = !isAncient && UInt8.random(in: 0..<4, using: &random) == 0
    }

    var runID: String { String(repeating: "\(processes % 10)", count: 40) }
    var historyID: String { isAncient ? runID : id }
    var takesWrites: Bool { !isParked && !isFollowing && fencedUntil.map { now >= $0 } ?? true }

    var info: ReplicationInfo {
        var info = master(
            isAncient ? nil : id, at: offset, previous: previous?.id, secondOffset: (previous?.end ?? 0) + 1,
            first: firstByte, runID: runID)
        if isParked { info = SalvageTests.parked(info) }
        return info
    }

    mutating func percent(_ chance: Int) -> Bool { Int.random(in: 0..<100, using: &random) < chance }

    mutating func write() {
        lastWrite += 1
        held.insert(lastWrite)
        grow(27, lastWrite)
    }

    mutating func grow(_ bytes: Int64, _ write: Int?) {
        guard let first = firstByte else { return }
        pieces.append(Piece(from: offset + 1, to: offset + bytes + 1, write: write))
        offset += bytes
        firstByte = max(first, offset - backlogSize + 1)
    }

    /// Time goes by; clients write where they can.
    mutating func pass() {
        let longest = percent(10) ? 6000 : 400
        for _ in 0..<3 {
            now += .milliseconds(Int.random(in: 0...(longest / 3), using: &random))
            if !isParked, !isFollowing, percent(5) { grow(14, nil) }
            if takesWrites, percent(40) { write() }
        }
        if percent(2), !isFollowing { restart() }
    }

    /// It comes back without its fence: from an append-only file, with all it had; or from an older snapshot.
    mutating func restart() {
        processes += 1
        (fencedUntil, isParked) = (nil, percent(30) && !isAncient)
        if isAncient || percent(50) {
            // Nothing is known of its history, and nothing is counted.
            (id, previous, firstByte, pieces) = (String(repeating: "d", count: 39) + "\(processes % 10)", nil, nil, [])
            if isAncient { offset = 0 }
            return
        }
        if percent(50), firstByte != nil, let piece = pieces.randomElement(using: &random) {
            offset = piece.to - 1
            for lost in pieces where lost.from > offset { if let write = lost.write { held.remove(write) } }
            pieces.removeAll { $0.from > offset }
        }
        if !isParked { shift() }
        firstByte = firstByte == nil ? nil : offset + 1
    }

    /// What `SLAVEOF NO ONE` does to the ids.
    mutating func shift() {
        previous = .init(id: id, end: offset)
        id = String(repeating: "e", count: 38) + "\(processes % 10)\(lastWrite % 10)"
    }

    /// What `PSYNC` gives; nil for a full resync.
    mutating func tally(of span: StreamSpan) -> StreamTally? {
        let isKnown =
            historyID == span.psyncID || previous.map { $0.id == span.psyncID && span.from <= $0.end + 1 } ?? false
        guard isKnown, !isParked, let firstByte, firstByte <= span.from else { return nil }
        let inside = pieces.filter { $0.from >= span.from && $0.to <= span.to }
        return StreamTally(
            from: span.from, to: percent(5) ? span.to - 1 : span.to,
            writes: Int64(inside.count { $0.write != nil }))
    }

    func writes(in span: StreamSpan) -> [Int] {
        pieces.filter { $0.from >= span.from && $0.to <= span.to }.compactMap(\.write)
    }
}
