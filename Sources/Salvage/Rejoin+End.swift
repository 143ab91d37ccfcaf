import Replication

// How a rejoining ends: it follows, or it is left as it was.

extension Rejoin {
    mutating func follow(_ account: Account) -> [Action] {
        state = .following(account)
        // A replica takes no writes, whatever fence it once had as a master.
        let isMaster = memory.reading?.old.masterLink == nil
        return [.follow(account, before: isMaster ? memory.fencedUntil : nil)]
    }

    mutating func following(_ account: Account, _ event: Event, _ now: Instant) -> [Action] {
        switch event {
        case .followed(let offset):
            state = .finished(.followed(account, leaked: account.isDiscarded ? nil : leak(upTo: offset, now)))
        case .followFailed(let words), .unreachable(_, reason: let words):
            return finish(.failed(words, account))
        default:
            return []
        }
        guard case .finished(let outcome) = state else { return [] }
        return [.releaseFence, .finish(outcome)]
    }

    private func leak(upTo offset: Int64?, _ now: Instant) -> Int64? {
        guard let offset, let last = memory.reading?.old.dataOffset else { return nil }
        // Without a fence that ended, every byte since the last look is one too many.
        let hold = FenceHold(fence: memory.fence ?? .password, until: memory.fencedUntil ?? now, offset: last)
        return hold.leak(upTo: offset, at: now)
    }

    mutating func refuse(_ refusal: SalvageRefusal) -> [Action] { finish(.refused(refusal)) }

    mutating func finish(_ outcome: Outcome) -> [Action] {
        let cleaning: [Action] = hasPartialFile ? [.discardPartialFile] : []
        state = .finished(outcome)
        return cleaning + leaving + [.finish(outcome)]
    }

    /// The old master goes back to what it was.
    private var leaving: [Action] { memory.hasDetached ? [.park, .releaseFence] : [.releaseFence] }
}

extension ReplicationInfo {
    /// Its history and how far it goes; before Redis 4 by the process.
    var lastPosition: ReplicationPosition {
        ReplicationPosition(replicationID: identity?.id ?? server?.runID ?? "", offset: dataOffset)
    }

    /// The offset after the last byte that this server holds of a history.
    func end(of id: String) -> Int64 {
        if let previous = identity?.previous, identity?.id != id, previous.id == id { return previous.end + 1 }
        return dataOffset + 1
    }
}
