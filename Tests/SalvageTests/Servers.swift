@testable import Replication
@testable import Salvage

// Readings made of literal values: what an old and a new master say.

/// The beginning of every scenario.
let start: Instant = .now

/// So many milliseconds after the beginning.
func at(_ milliseconds: Int) -> Instant { start + .milliseconds(milliseconds) }

let oldID = "aaaa000000000000000000000000000000000000"
let newID = "bbbb000000000000000000000000000000000000"
let otherID = "cccc000000000000000000000000000000000000"
let oldRunID = "1111000000000000000000000000000000000000"
let newRunID = "2222000000000000000000000000000000000000"

/// A master at an offset, whose backlog holds all from `first` on; `id` is nil before Redis 4.
func master(
    _ id: String?, at offset: Int64, previous: String? = nil, secondOffset: Int64 = 0, first: Int64? = 1,
    length: Int64? = nil, runID: String = oldRunID, keys: Int64? = 10, isLoading: Bool = false
) -> ReplicationInfo {
    var backlog = ReplicationInfo.Backlog(firstByte: first, upTo: offset)
    if let length { backlog.length = length }
    return ReplicationInfo(
        playing: .master, offset: offset,
        identity: id.map { id in
            ReplicationIdentity(id: id, previous: previous.map { .init(id: $0, end: secondOffset - 1) })
        }, replicas: [], backlog: backlog, server: .init(runID: runID, port: 6379, uptime: 60), isLoading: isLoading,
        keys: keys)
}

/// The same server after `SLAVEOF 127.0.0.1 1`.
func parked(_ info: ReplicationInfo) -> ReplicationInfo {
    var info = info
    info.role = .replica(
        .init(
            to: "127.0.0.1", port: 1, applied: info.identity == nil ? 1 : info.masterReplicationOffset,
            downtime: .neverConnected, quietSeconds: nil, isCopying: false))
    if info.identity == nil { info.masterReplicationOffset = 0 }
    return info
}

/// The new master, promoted at P of the old history, which it remembers; it has written since.
func promoted(at promotion: Int64, offset: Int64? = nil) -> ReplicationInfo {
    master(
        newID, at: offset ?? promotion + 5000, previous: oldID, secondOffset: promotion + 1, runID: newRunID)
}

let remembered100 = RememberedPromotion(masterRunID: oldRunID, replicationID: oldID, offset: 100)
/// Before Redis 4 the process is the history.
let remembered100ByProcess = RememberedPromotion(masterRunID: oldRunID, replicationID: oldRunID, offset: 100)

/// The bytes [from, to) of the old history.
func span(_ from: Int64, _ to: Int64, _ id: String = oldID) -> StreamSpan {
    StreamSpan(psyncID: id, from: from, to: to)
}
