extension StandaloneRouter {
    /// What an operator is told. What repeats itself is told once, and again after a while of quiet.
    public enum Report: Sendable, Equatable {
        /// The election went on.
        case transition(from: VirtualRouter.StateName, to: VirtualRouter.StateName, cause: VirtualRouter.Cause)
        /// How the interface is now.
        case link(LinkState)
        /// A packet was rejected: the first of its kind from this sender. All are counted.
        case rejected(PacketRejection, from: IPAddress)
        /// An accepted advertisement differs from our configuration.
        case discrepancy(Discrepancy, from: IPAddress)
        /// A second Active router was heard, and lost the election; our addresses were announced again.
        case secondActive(Priority, from: IPAddress)
        /// An advertisement came from our own address.
        case ownAddress(IPAddress)
        /// More was remarkable than this router remembers; what is new is only counted for the time being.
        case manyRemarks
        /// A virtual address was gone, and was added again.
        case addressRestored(VirtualAddress)
        /// Something fails, or fails for another reason than before.
        case trouble(Undertaking, reason: String)
        /// It works again, and failed so many times.
        case recovered(Undertaking, failures: Int)
    }
}

extension StandaloneRouter.Report {
    /// A word for programs: `transition`, `link`, …
    public var code: String {
        switch self {
        case .transition: "transition"
        case .link: "link"
        case .rejected: "rejected"
        case .discrepancy: "discrepancy"
        case .secondActive: "second_active"
        case .ownAddress: "own_address"
        case .manyRemarks: "many_remarks"
        case .addressRestored: "address_restored"
        case .trouble: "trouble"
        case .recovered: "recovered"
        }
    }
}

extension StandaloneRouter.Report: CustomStringConvertible {
    /// `backup → active: no advertisement from 198.51.100.2 for 3.61 s`
    public var description: String {
        switch self {
        case .transition(let old, let new, let cause): "\(old) → \(new): \(cause)"
        case .link(let link): "the interface \(link)"
        case .rejected(let rejection, let sender): "packet from \(sender) rejected: \(rejection)"
        case .discrepancy(let discrepancy, let sender): "advertisement from \(sender): \(discrepancy)"
        case .secondActive(.resigning, let sender):
            "\(sender) was Active as well, and gave up; addresses announced again"
        case .secondActive(let priority, let sender):
            "\(sender) is Active as well, with priority \(priority), and loses; addresses announced again"
        case .ownAddress(let address):
            "an advertisement came from our own address \(address): "
                + "a second machine has it, or the segment sends packets back"
        case .manyRemarks:
            "too many senders with something to remark: from now on only those known are, the others are counted"
        case .addressRestored(let address): "\(address) was removed, not by this router; added again"
        case .trouble(let task, let reason): "\(reason)\(task.consequence)"
        case .recovered(let task, let failures):
            "\(task.recovery), after \(failures) \(failures == 1 ? "failure" : "failures")"
        }
    }
}

extension StandaloneRouter.LinkState: CustomStringConvertible {
    /// `is up, with 198.51.100.1`
    public var description: String {
        guard isUp else { return "is down" }
        if let primaryAddress { return "is up, with \(primaryAddress)" }
        return source.map { "does not have \($0), which is to be sent from" } ?? "has no address to send from"
    }
}

extension StandaloneRouter.Undertaking {
    /// What it means that this fails.
    fileprivate var consequence: String {
        switch self {
        case .send: "; the others take over if they hear nothing"
        case .announce: "; hosts may go on sending to the former Active router"
        case .add: "; this router is Active without it, and tries again"
        case .remove: "; the kernel drops it when its lifetime ends"
        }
    }

    fileprivate var recovery: String {
        switch self {
        case .send: "advertisements leave again"
        case .announce: "announcements leave again"
        case .add(let address): "\(address) is there"
        case .remove(let address): "\(address) is gone"
        }
    }
}

/// Which remarks were made lately. Bounded: a flood from invented senders fills it, and then nothing new is told until
/// entries have been quiet long enough to be forgotten.
struct Remarks: Sendable, Equatable {
    /// What a remark is about.
    enum Key: Hashable {
        case rejected(PacketRejection.Kind, IPAddress)
        case discrepancy(Discrepancy, IPAddress)
        case secondActive(IPAddress)
        case restored(VirtualAddress)
        case ownAddress

        /// After how long without it, it is worth telling again.
        var quiet: Duration {
            switch self {
            case .rejected, .discrepancy, .ownAddress: .seconds(600)
            case .secondActive, .restored: .seconds(10)
            }
        }
    }

    enum Answer {
        /// Tell it.
        case new
        /// Told before, or no room for it.
        case known
        /// No room, for the first time in a while: tell that.
        case full
    }

    static let capacity = 64

    /// How many are remembered.
    var count: Int { lastSeen.count }

    private var lastSeen: [Key: Instant] = [:]
    private var fullSince: Instant?
    private var lastSweep: Instant?

    mutating func note(_ key: Key, now: Instant) -> Answer {
        if let last = lastSeen[key] {
            lastSeen[key] = now
            return now - last >= key.quiet ? .new : .known
        }
        if lastSeen.count >= Self.capacity { sweep(now) }
        guard lastSeen.count < Self.capacity else {
            if let since = fullSince, now - since < .seconds(600) { return .known }
            fullSince = now
            return .full
        }
        lastSeen[key] = now
        return .new
    }

    /// Forgets what has been quiet; at most once a second, whatever arrives.
    private mutating func sweep(_ now: Instant) {
        if let last = lastSweep, now - last < .seconds(1) { return }
        lastSweep = now
        lastSeen = lastSeen.filter { now - $0.value < $0.key.quiet }
    }
}

/// What fails at present. As many entries at most as there are tasks.
struct Troubles: Sendable, Equatable {
    private struct Trouble: Equatable {
        var reason: String
        var failures: Int
        var lastReport: Instant
        var lastFailure: Instant
    }

    /// What comes and goes faster than this is one trouble.
    static let pause = Duration.seconds(1)

    private var current: [StandaloneRouter.Undertaking: Trouble] = [:]

    /// Whether it is news: the first failure, or one for another reason.
    mutating func failed(_ task: StandaloneRouter.Undertaking, _ reason: String, now: Instant) -> Bool {
        guard var trouble = current[task] else {
            current[task] = Trouble(reason: reason, failures: 1, lastReport: now, lastFailure: now)
            return true
        }
        trouble.failures += 1
        trouble.lastFailure = now
        let isNews = reason != trouble.reason && now - trouble.lastReport >= Self.pause
        if isNews { (trouble.reason, trouble.lastReport) = (reason, now) }
        current[task] = trouble
        return isNews
    }

    /// How many times it had failed, if that is over now.
    mutating func worked(_ task: StandaloneRouter.Undertaking, now: Instant) -> Int? {
        guard let trouble = current[task], now - trouble.lastFailure >= Self.pause else { return nil }
        current[task] = nil
        return trouble.failures
    }
}
