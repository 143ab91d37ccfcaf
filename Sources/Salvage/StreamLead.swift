// Why a little more is read than what is missing
//
//     ┌ first_byte, perhaps inside a command        ┌ target = P+1          ┌ F+1
//     …lue\r\n│*2 SELECT 3│*3 SET …│*3 SET a …│*3 SET b … │*3 SET c … │
//             └ the first place from which all parses     └ whole to the end
//
// The bytes before P+1 tell for which database the first write is meant: there is a SELECT only where it changes. And
// before Redis 4 they tell where the command begins that P lies in: a replica counts what it has received, and throws away
// the half of a command, or of a transaction, when it is promoted.

/// What the bytes before a stretch say of it.
public struct StreamLead: Sendable, Hashable {
    /// Where the command, or the transaction, begins that holds the byte that was asked for: that byte itself where
    /// nothing is cut.
    public var start: Int64
    /// The database that is selected there; `nil` where no `SELECT` came before.
    public var database: Int?

    /// Makes one of its parts.
    public init(start: Int64, database: Int?) {
        self.start = start
        self.database = database
    }

    /// How often the bytes are gone through in all: a value may hold what looks like the beginning of a command, and
    /// hold it many times.
    static let mostPasses = 16

    /// Looks for the first place from which `bytes` are commands up to their end. `first` is the offset of their first
    /// byte, and `target` one of theirs, or the one after the last. `nil`: there is no such place before the target, or the
    /// target lies in a transaction that began before them.
    public init?(_ bytes: [UInt8], at first: Int64, target: Int64) {
        guard first >= 0, target >= first, target - first <= bytes.count else { return nil }
        var left = bytes.count * Self.mostPasses
        for place in 0...Int(target - first) where left > 0 && Self.mayBegin(bytes, place) {
            var walk = Walk(target: target)
            let isWhole = walk.reaches(bytes[place...], at: first + Int64(place))
            left -= walk.length
            if isWhole {
                guard let start = walk.start else { return nil }
                (self.start, database) = (start, walk.database)
                return
            }
        }
        return nil
    }

    /// Whether an array begins there, at the beginning of a line.
    private static func mayBegin(_ bytes: [UInt8], _ place: Int) -> Bool {
        guard place < bytes.count, bytes[place] == UInt8(ascii: "*") else { return false }
        return place == 0 || bytes[place - 1] == UInt8(ascii: "\n")
    }
}

/// The commands from one place on, until the target is passed, and to the end.
private struct Walk {
    let target: Int64
    /// Where what holds the target begins.
    private(set) var start: Int64?
    /// What is selected there.
    private(set) var database: Int?
    private var selected: Int?
    private var transaction: (start: Int64, database: Int?)?
    private var isPassed = false
    private var isInsideUnknown = false

    init(target: Int64) { self.target = target }

    /// Bytes gone through.
    private(set) var length = 0

    /// Whether all bytes are commands, and the last one is whole.
    mutating func reaches(_ bytes: ArraySlice<UInt8>, at first: Int64) -> Bool {
        var stream = ReplicationStream(at: first)
        var rest = bytes
        do throws(ReplicationStreamError) {
            while !rest.isEmpty {
                let piece = rest.prefix(Self.pieceLength)
                rest = rest.dropFirst(piece.count)
                length += piece.count
                stream.append(piece)
                while let command = try stream.next() { take(command) }
            }
        } catch {
            return false
        }
        if !isPassed { (start, database) = (target, selected) }
        if isInsideUnknown { start = nil }
        return stream.tally.isWhole
    }

    /// So that a place which leads nowhere costs little.
    private static let pieceLength = 4096

    private mutating func take(_ command: StreamCommand) {
        if !isPassed, command.offset + command.length > target {
            isPassed = true
            settle(command)
        }
        // The target was passed inside a transaction that began before these bytes.
        if command.kind == .exec, transaction == nil, isPassed { isInsideUnknown = true }
        follow(command)
    }

    private mutating func settle(_ command: StreamCommand) {
        if let transaction {
            (start, database) = (transaction.start, transaction.database)
        } else {
            // Beyond the target where a keep-alive lies before it.
            (start, database) = (min(command.offset, target), selected)
        }
    }

    private mutating func follow(_ command: StreamCommand) {
        switch command.kind {
        case .multi: transaction = (command.offset, selected)
        case .exec: transaction = nil
        case .select(let number): selected = number
        case .ping, .replconf, .write: break
        }
    }
}
