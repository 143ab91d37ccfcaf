extension SnapshotReason: CustomStringConvertible {
    /// Why not the bytes.
    public var description: String {
        switch self {
        case .byPolicy(let bytes): "\(Counted.bytes(bytes)) beyond the new master, and on_divergence is \"snapshot\""
        case .notCovered(let span, let gap):
            "\(span.count) bytes beyond the new master, from offset \(span.from): \(gap)"
        case .attached(let span):
            "\(span.count) bytes beyond the new master, which a replica without a link does not give"
        case .unrelated: "its data set has no history in common with the new master's"
        case .unknown(let doubt): "what it holds beyond the new master is not known: \(doubt)"
        case .salvageFailed(let failure): "its writes could not be saved: \(failure)"
        case .noRoom(let needed, let free): "its writes need \(needed) bytes on the disk, and \(free) are free"
        }
    }
}

extension SalvageFailure: CustomStringConvertible {
    /// Which step, and why.
    public var description: String {
        switch self {
        case .detach(let words): "SLAVEOF NO ONE before reading the backlog failed: \(words)"
        case .read(let words): "reading the backlog failed: \(words)"
        case .stream(let error): "\(error)"
        case .notWhole(let asked, let got): Self.notWhole(asked, got)
        case .file(let words): "the salvage file could not be written: \(words)"
        case .snapshot(let words): "no snapshot could be kept: \(words)"
        }
    }

    private static func notWhole(_ asked: StreamSpan, _ got: StreamTally) -> String {
        let read = "the offsets \(got.from) to \(got.to - 1) were read, of \(asked.from) to \(asked.to - 1)"
        return switch got.ending {
        case .whole: read
        case .midCommand(let offset, let bytes):
            "\(read); they end with \(bytes) bytes of the command at offset \(offset)"
        case .midTransaction(let offset, _, let writes):
            "\(read); the transaction at offset \(offset) has \(writes) writes and no EXEC"
        }
    }
}

extension SalvageRefusal: CustomStringConvertible {
    /// Why it is left, with the numbers.
    public var description: String {
        switch self {
        case .byPolicy(let bytes): "\(Counted.bytes(bytes)) beyond the new master, and on_divergence is \"refuse\""
        case .unreachable(let server, let reason): "the \(server.rawValue) master cannot be asked: \(reason)"
        case .loading: "it is loading its data set, and what it holds is not known yet"
        case .fenceFailed(let words): "its writes could not be fenced: \(words)"
        case .diskFull(let needed, let free):
            "saving what it holds beyond the new master needs \(needed) bytes on the disk, and \(free) are free"
        case .failed(let failure): "\(failure)"
        case .keepsMoving(let bytes):
            "it went on writing while it was being saved: \(Counted.bytes(bytes)) not saved yet"
        }
    }

    /// What the operator can do, as one sentence.
    public var remedy: String {
        switch self {
        case .byPolicy: "set on_divergence to \"salvage\" or \"snapshot\", or to \"discard\" to let them go"
        case .unreachable, .loading: "try again when the server answers"
        case .fenceFailed: "see that the user may run CLIENT PAUSE or CONFIG SET, then try again"
        case .diskFull: "make room, or move the salvage folder to a larger disk, then try again"
        case .failed: "see to the cause, then try again"
        case .keepsMoving: "stop its clients, then try again"
        }
    }

    /// A stable word for programs.
    public var code: String {
        switch self {
        case .byPolicy: "divergence"
        case .unreachable(.old, _): "old_unreachable"
        case .unreachable(.new, _): "new_unreachable"
        case .loading: "loading"
        case .fenceFailed: "fence_failed"
        case .diskFull: "disk_full"
        case .failed: "salvage_failed"
        case .keepsMoving: "keeps_moving"
        }
    }
}

/// Numbers that may not be known.
private enum Counted {
    static func bytes(_ count: Int64?) -> String {
        count.map { "it holds \($0) bytes" } ?? "it holds what nobody has counted"
    }
}
