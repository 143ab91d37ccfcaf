public import Replication

/// What was read of an old master's backlog, taken apart: which bytes go into the salvage file, and what they are.
public struct BacklogReading: Sendable, Equatable {
    /// The bytes that are to be kept: those of the span; before Redis 4 from where the command begins that its first byte
    /// lies in.
    public let payload: ArraySlice<UInt8>
    /// What they hold.
    public let tally: StreamTally

    /// `bytes` were read from `lead` bytes before the span to its end. `old` and `new` are what both servers said then.
    ///
    /// The database of the first write is the one that was selected last before it. Where the lead has no `SELECT`, because
    /// all writes have gone to the same database for long, it is the only one that has keys on both servers, if there is
    /// only one.
    public init(
        _ bytes: [UInt8], of span: StreamSpan, lead: Int64, old: ReplicationInfo, new: ReplicationInfo
    ) throws(SalvageFailure) {
        let first = span.from - lead
        guard lead >= 0, first >= 0, Int64(bytes.count) == span.count + lead else {
            throw .read("\(bytes.count) bytes were read, of \(span.count) and \(lead) before them")
        }
        let context = StreamLead(bytes, at: first, target: span.from)
        var start = span.from
        var database = context?.database
        if old.identity == nil {
            // P may lie inside of a command that the new master has thrown away: it begins earlier.
            guard let context else { throw .read("no command begins in the \(lead) bytes before what is missing") }
            start = context.start
        } else if let context, context.start != span.from {
            database = nil
        }
        payload = bytes[Int(start - first)...]
        var stream = ReplicationStream(at: start, database: database ?? Self.onlyDatabase(old, new))
        do throws(ReplicationStreamError) {
            for begin in stride(from: payload.startIndex, to: payload.endIndex, by: Self.pieceLength) {
                stream.append(payload[begin..<min(begin + Self.pieceLength, payload.endIndex)])
                while try stream.next() != nil {}
            }
        } catch {
            throw .stream(error)
        }
        tally = stream.tally
    }

    /// The same, as a value.
    public static func result(
        _ bytes: [UInt8], of span: StreamSpan, lead: Int64, old: ReplicationInfo, new: ReplicationInfo
    ) -> Result<BacklogReading, SalvageFailure> {
        Result { () throws(SalvageFailure) in try BacklogReading(bytes, of: span, lead: lead, old: old, new: new) }
    }

    /// So that the parser holds little.
    private static let pieceLength = 1 << 20

    private static func onlyDatabase(_ old: ReplicationInfo, _ new: ReplicationInfo) -> Int? {
        let databases = Set((old.databases ?? []) + (new.databases ?? []))
        return databases.count == 1 ? databases.first : nil
    }
}
