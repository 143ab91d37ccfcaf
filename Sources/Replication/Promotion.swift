// The order of a promotion, and why
//
// gate opens → old master follows (read-only from now on) → `SLAVEOF NO ONE` here → old master's clients are
// disconnected → fence released.
//
// The old master is demoted *before* the local server is promoted. Under the fence, with the replica caught up, that
// costs one round trip and nothing else, and there is no moment in which both would take writes: not when we are
// killed in between, not when the network is cut in between, not when a fence runs out because we were frozen. What can
// be left behind instead is two servers that follow each other, which loses nothing, and which the next run finishes.

/// The whole sequence of one promotion: the gate, and the steps after it. Decides what comes next and where each failure
/// leads to; the caller executes the actions in order and reports one event for each that asks for one.
public struct Promotion: Sendable, Equatable {
    /// What the operator wants, beyond the gate's policy.
    public struct Request: Sendable, Equatable {
        /// The gate's policy.
        public var policy: SyncGate.Policy
        /// Leave the old master as it is: it stays a master, writable.
        public var keepMaster: Bool

        /// Makes a request.
        public init(policy: SyncGate.Policy, keepMaster: Bool = false) {
            self.policy = policy
            self.keepMaster = keepMaster
        }
    }

    /// What the old master is told.
    public enum Demotion: Sendable, Equatable {
        /// `SLAVEOF <new master>`: it has nothing that the new master lacks.
        case follow
        /// `SLAVEOF 127.0.0.1 1`: it turns read-only and keeps its data set, which holds more than the new master's.
        case park
    }

    /// What became of the old master.
    public enum OldMaster: Sendable, Equatable {
        /// It was told to follow, or to keep its data read-only.
        case demoted(Demotion)
        /// It was left a master, as requested.
        case kept
        /// It could not be told.
        case lost(SyncGate.Contact)
    }

    /// How it ended.
    public enum Outcome: Sendable, Equatable {
        /// The local server is master.
        case promoted(SyncGate.Opening, oldMaster: OldMaster)
        /// It was master before.
        case alreadyMaster
        /// Nothing was changed.
        case refused(Refusal)
        /// A server failed us in the middle.
        case failed(Failure)
    }

    /// Which server failed, and what that leaves.
    public enum Failure: Sendable, Equatable {
        /// The local server refused `SLAVEOF NO ONE`: its words. The old master is master again.
        case localRefused(String)
        /// The local server died. The old master, if it had been demoted, is master again.
        case localDied
        /// The local server does not answer; it may still execute `SLAVEOF NO ONE`, so the old master stays as it is.
        case localSilent(masterDemoted: Bool)
        /// The old master fell silent when it was told to follow; the local server was not promoted.
        case masterSilent
    }

    /// What happened.
    public enum Event: Sendable, Equatable {
        /// For the gate.
        case gate(SyncGate.Event)
        /// The old master was demoted; its offset as a master was read in the same write, just before. `nil` when it was
        /// a replica already: another run was quicker, and what it holds since comes from its new master.
        case masterDemoted(offset: Int64?)
        /// The old master answered with an error and is still master.
        case masterRefused(String)
        /// The old master did not answer.
        case masterLost(SyncGate.Contact)
        /// The local server is master.
        case localPromoted
        /// It answered with an error and is still a replica.
        case localRefused(String)
        /// It did not answer, and asking again did not help. Also while the gate is at work.
        case localLost(SyncGate.Contact)
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// `sample`, `fenceMaster` or `releaseFence` of the gate.
        case gate(SyncGate.Action)
        /// `INFO` and `SLAVEOF` to the old master in one write.
        case demoteMaster(Demotion)
        /// `SLAVEOF NO ONE` to the local server.
        case promoteLocal
        /// `SLAVEOF NO ONE` to the old master: it is needed again. Not if the local server turns out to be master.
        case restoreMaster
        /// Close the old master's client connections, so that their pools look for the new one.
        case disconnectClients
        /// Undo the fence.
        case releaseFence
        /// The end.
        case finish(Outcome)
    }

    /// Where the sequence stands.
    public enum State: Sendable, Equatable {
        /// Leaves to `demoting` or `promoting` when the gate opens, to `finished` when it refuses.
        case gating(SyncGate)
        /// Leaves to `promoting` when the old master follows or is dead, to `finished` when it refuses or falls silent.
        case demoting(SyncGate.Opening, Demotion)
        /// Leaves to `finished`.
        case promoting(SyncGate.Opening, OldMaster)
        /// Final.
        case finished(Outcome)
    }

    /// The state.
    public private(set) var state: State
    private let request: Request
    /// The local server's `run_id` when it was first read: one that was restarted is another.
    private var localRunID: String?

    /// Makes a sequence that waits for `.gate(.requested(…))`, which `start` gives.
    public init(_ request: Request) {
        self.request = request
        state = .gating(SyncGate())
    }

    /// When `.gate(.deadlineReached)` is due.
    public var deadline: Instant? {
        if case .gating(let gate) = state { gate.deadline } else { nil }
    }

    /// The refusal that is being overridden while the fence is raised.
    public var overridden: Refusal? {
        guard case .gating(let gate) = state, case .fencing(_, let refusal, _) = gate.state else { return nil }
        return refusal
    }

    /// Begins.
    public mutating func start(now: Instant) -> [Action] {
        handle(.gate(.requested(request.policy)), now: now)
    }

    /// Takes an event and returns what to do.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        let (next, actions): (State, [Action])
        switch state {
        case .gating(let gate): (next, actions) = gating(gate, event, now)
        case .demoting(let opening, let demotion): (next, actions) = demoting(opening, demotion, event, now)
        case .promoting(let opening, let oldMaster): (next, actions) = promoting(opening, oldMaster, event)
        case .finished: return []
        }
        state = next
        return actions
    }

    private mutating func gating(_ gate: SyncGate, _ event: Event, _ now: Instant) -> (State, [Action]) {
        if case .localLost(let contact) = event {
            let failure: Failure = contact == .dead ? .localDied : .localSilent(masterDemoted: false)
            return finish(.failed(failure), after: [.releaseFence])
        }
        guard case .gate(let gateEvent) = event else { return (.gating(gate), []) }
        if case .replica(let observation) = gateEvent, let id = observation.info.server?.runID {
            if let first = localRunID, first != id { return finish(.failed(.localDied), after: [.releaseFence]) }
            localRunID = id
        }
        if case .replica(let observation) = gateEvent, observation.info.masterLink == nil {
            // Somebody else promoted it: the peer's own run, or the operator.
            return finish(.alreadyMaster, after: [.releaseFence])
        }
        var gate = gate
        var actions: [Action] = []
        for action in gate.handle(gateEvent, now: now) {
            switch action {
            case .open(let opening):
                let (next, steps) = opened(opening)
                return (next, actions + steps)
            case .refuse(let refusal):
                return finish(.refused(refusal), after: actions)
            case .sample, .fenceMaster, .releaseFence:
                actions.append(.gate(action))
            }
        }
        return (.gating(gate), actions)
    }

    private func opened(_ opening: SyncGate.Opening) -> (State, [Action]) {
        // A known master is not asked, and not told: what the replica holds has to be saved first.
        let isReachable =
            (opening.master == .answering || opening.master == .restarted) && request.policy.goneMaster == nil
        guard isReachable, opening.overridden?.isAboutUnusableMaster != true else {
            return (.promoting(opening, .lost(opening.master)), [.promoteLocal])
        }
        guard !request.keepMaster else { return (.promoting(opening, .kept), [.promoteLocal]) }
        // Whatever the old master has that the new one lacks must survive (docs/guarantees.md, promise 7).
        let demotion: Demotion = opening.loss == .none ? .follow : .park
        return (.demoting(opening, demotion), [.demoteMaster(demotion)])
    }

    private func demoting(
        _ opening: SyncGate.Opening, _ demotion: Demotion, _ event: Event, _ now: Instant
    ) -> (State, [Action]) {
        switch event {
        case .masterDemoted(nil):
            return (.promoting(opening, .demoted(demotion)), [.promoteLocal])
        case .masterDemoted(let offset?):
            let surplus = offset - opening.evidence.appliedOffset
            if let bytes = leak(opening, upTo: offset, now) {
                return finish(.refused(.fenceBroken(bytes: bytes)), after: [.restoreMaster, .releaseFence])
            }
            var opening = opening
            if case .atMost = opening.loss { opening.loss = surplus > 0 ? .exact(bytes: surplus) : .none }
            return (.promoting(opening, .demoted(demotion)), [.promoteLocal])
        case .masterRefused where request.policy.force:
            return (.promoting(opening, .lost(.answering)), [.promoteLocal])
        case .masterRefused(let words):
            let refusal = Refusal.masterUnusable(reason: "it refused SLAVEOF: \(words)")
            return finish(.refused(refusal), after: [.releaseFence])
        case .masterLost(.silent) where !SyncGate.accepts(.contactLost, request.policy):
            return finish(.failed(.masterSilent), after: [])
        case .masterLost(let contact):
            return (.promoting(opening, .lost(contact)), [.promoteLocal])
        case .gate, .localPromoted, .localRefused, .localLost:
            return (.demoting(opening, demotion), [])
        }
    }

    /// Bytes that clients wrote behind the fence; `nil` when it held. Only an opening without loss is held to it.
    private func leak(_ opening: SyncGate.Opening, upTo offset: Int64, _ now: Instant) -> Int64? {
        guard opening.loss == .none, let until = opening.fencedUntil, let fence = opening.evidence.fence else {
            return nil
        }
        return FenceHold(fence: fence, until: until, offset: opening.evidence.appliedOffset).leak(upTo: offset, at: now)
    }

    private func promoting(
        _ opening: SyncGate.Opening, _ oldMaster: OldMaster, _ event: Event
    ) -> (State, [Action]) {
        let isDemoted = if case .demoted = oldMaster { true } else { false }
        switch event {
        case .localPromoted:
            let settling: [Action] =
                switch oldMaster {
                case .demoted: [.disconnectClients, .releaseFence]
                case .kept: [.releaseFence]
                // Its fence ends by itself, or is undone by the guard; nobody helps it to take writes again.
                case .lost: []
                }
            return finish(.promoted(opening, oldMaster: oldMaster), after: settling)
        case .localRefused(let words):
            return finish(.failed(.localRefused(words)), after: (isDemoted ? [.restoreMaster] : []) + [.releaseFence])
        case .localLost(.dead):
            return finish(.failed(.localDied), after: (isDemoted ? [.restoreMaster] : []) + [.releaseFence])
        case .localLost:
            return finish(.failed(.localSilent(masterDemoted: isDemoted)), after: isDemoted ? [.releaseFence] : [])
        case .gate, .masterDemoted, .masterRefused, .masterLost:
            return (.promoting(opening, oldMaster), [])
        }
    }

    private func finish(_ outcome: Outcome, after actions: [Action]) -> (State, [Action]) {
        (.finished(outcome), actions + [.finish(outcome)])
    }
}

extension Refusal {
    /// Whether the master lives but cannot be told anything.
    fileprivate var isAboutUnusableMaster: Bool {
        switch self {
        case .masterUnusable, .replicaOfReplica: true
        default: false
        }
    }
}
