import SeededNumbers
import Testing

@testable import Replication

@Suite("SyncGate: what holds in every sequence of events")
struct SyncGatePropertyTests {
    @Test("3,500 random attempts, some 23,000 events, keep the promises")
    func invariants() {
        var (opened, openedWithoutLoss, refused, refusedFenced, steps) = (0, 0, 0, 0, 0)
        for seed in 0..<3500 as Range<UInt64> {
            var attempt = RandomAttempt(seed: seed)
            for _ in 0..<60 where !attempt.isOver {
                steps += 1
                if let broken = attempt.step() { return report(broken, seed: seed) }
            }
            if case .open(let opening) = attempt.gate.state {
                opened += 1
                openedWithoutLoss += opening.loss == .none ? 1 : 0
            }
            if case .refused = attempt.gate.state {
                refused += 1
                refusedFenced += attempt.isFenced ? 1 : 0
            }
        }
        #expect(steps > 20_000)
        #expect(opened > 200 && openedWithoutLoss > 50 && refused > 200 && refusedFenced > 50)
    }

    /// Plays the attempt again, with a transcript.
    private func report(_ broken: String, seed: UInt64) {
        var attempt = RandomAttempt(seed: seed)
        attempt.transcript = []
        while !attempt.isOver, attempt.step() == nil {}
        Issue.record("seed \(seed): \(broken)\n\(attempt.transcript?.joined(separator: "\n") ?? "")")
    }
}

/// A caller that answers the gate's actions with random readings, and sometimes says what it was not asked.
private struct RandomAttempt {
    var random: SeededGenerator
    var gate = SyncGate()
    let policy: Gate.Policy
    var now = 0
    var pending: [Gate.Event]
    /// The gate accepted a fence.
    var isFenced = false
    var target: Int64?
    /// The last readings that the gate was given where it looks at them.
    var master: ReplicationInfo?
    var replica: ReplicationInfo?
    /// Filled where it is not nil.
    var transcript: [String]?

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed &* 7919 &+ 1)
        policy = ReplicationTests.policy(
            timeout: .milliseconds([50, 1000, 10_000].randomElement(using: &random) ?? 50),
            onTimeout: Bool.random(using: &random) ? .refuse : .promote,
            maxLossBytes: Bool.random(using: &random) ? nil : Int64.random(in: 0...2000, using: &random),
            force: UInt8.random(in: 0..<4, using: &random) == 0)
        pending = [.requested(policy)]
    }

    var isOver: Bool {
        switch gate.state {
        case .open, .refused: true
        default: false
        }
    }

    private mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    /// Gives the gate one event. Returns the promise that was broken.
    mutating func step() -> String? {
        now += Int.random(in: 0...20, using: &random)
        let event = nextEvent()
        let before = gate
        note(event)
        let actions = gate.handle(event, now: at(now))
        transcript?.append("\(now) ms \(before.stateName) \(event) → \(actions)")
        if before.stateName == "fencing", gate.stateName == "waiting" { isFenced = true }
        if case .fenced = event, before.stateName == "fencing", gate.stateName == "open" { isFenced = true }
        for action in actions { answer(action) }
        if isOver {
            var after = gate
            for late in AnyEvent.all where after.handle(late, now: at(now)) != [] {
                return "\(late) is answered after the end"
            }
        }
        return broken(actions)
    }

    private mutating func nextEvent() -> Gate.Event {
        if gate.state == .closed { return pending.removeFirst() }
        if oneIn(60) { return .aborted }
        if oneIn(20) {
            return [AnyEvent.requested, AnyEvent.fenceFailed, AnyEvent.dead, AnyEvent.silent].randomElement(
                using: &random) ?? .aborted
        }
        if let deadline = gate.deadline, deadline <= at(now) || oneIn(25) {
            now = max(now, Int((deadline - start) / .milliseconds(1)))
            return .deadlineReached
        }
        return pending.isEmpty ? .replica(seen(randomReplica(), at: now)) : pending.removeFirst()
    }

    private mutating func answer(_ action: Gate.Action) {
        switch action {
        case .sample(let servers, _):
            if servers == .both { pending.append(randomMasterEvent()) }
            pending.append(.replica(seen(randomReplica(), at: now)))
        case .fenceMaster:
            pending = [
                oneIn(6)
                    ? .fenceFailed("no")
                    : oneIn(8)
                        ? .masterUnreachable(.silent)
                        : oneIn(8)
                            ? .masterUnreachable(.dead)
                            : .fenced(seen(randomMaster(), at: now), .clientPause, until: at(now + 6000))
            ]
        case .releaseFence, .open, .refuse:
            break
        }
    }

    private mutating func randomMasterEvent() -> Gate.Event {
        if oneIn(15) { return .masterUnreachable(.silent) }
        if oneIn(25) { return .masterUnreachable(.dead) }
        if oneIn(40) { return .masterUnusable("BUSY") }
        return .master(seen(randomMaster(), at: now))
    }

    private mutating func randomMaster() -> ReplicationInfo {
        if oneIn(30) { return replicaInfo(host: oneIn(2) ? "10.0.0.2" : "10.0.0.9", runID: masterRunID) }
        return masterInfo(
            offset: Int64.random(in: 0...1500, using: &random) + (oneIn(5) ? 1_000_000 : 0),
            id: oneIn(30) ? otherID : historyID,
            runID: oneIn(40) ? "cccc" : masterRunID, isBacklogActive: !oneIn(20),
            listed: oneIn(20) ? [] : [listedReplica()],
            persistence: persistence(loading: oneIn(30)))
    }

    private mutating func randomReplica() -> ReplicationInfo {
        let resync: ReplicationInfo.FullResync? = oneIn(20) ? .init(leftBytes: 5) : nil
        return replicaInfo(
            applied: Int64.random(in: 0...1500, using: &random), isUp: !oneIn(6), fullResync: resync,
            isReadOnly: !oneIn(30),
            id: oneIn(20) ? otherID : historyID, persistence: persistence(loading: oneIn(20)))
    }

    /// Remembers the readings in the states that look at them.
    private mutating func note(_ event: Gate.Event) {
        switch (event, gate.stateName) {
        case (.replica(let observation), "approaching"), (.replica(let observation), "waiting"),
            (.replica(let observation), "draining"):
            replica = observation.info
        case (.master(let observation), "approaching"): master = observation.info
        case (.fenced(let observation, _, _), "fencing"):
            master = observation.info
            target = observation.info.masterReplicationOffset
        default: break
        }
    }

    /// The five-line model of the gate.
    private func broken(_ actions: [Gate.Action]) -> String? {
        let ends = actions.filter { if case .open = $0 { true } else if case .refuse = $0 { true } else { false } }
        if ends.count > 1 || !ends.isEmpty && actions.last != ends.first { return "the end is not the last action" }
        if case .refuse? = ends.first, isFenced, actions.first != .releaseFence { return "the fence is left behind" }
        guard case .open(let opening)? = ends.first else { return nil }
        let isResumed = opening.evidence.fence == .readOnlyReplica
        let applied = replica?.dataOffset ?? 0
        if opening.loss == .none, !isResumed, applied < target ?? .max { return "opened without loss at \(applied)" }
        if isResumed, applied < master?.dataOffset ?? .max { return "resumed behind" }
        if opening.loss == .none, opening.overridden == nil, replica?.identity != master?.identity {
            return "another history"
        }
        if let limit = policy.maxLossBytes, !policy.force, !opening.loss.isWithin(limit) { return "above the limit" }
        // A loading master has not told its history yet; the policy may stop waiting for it.
        if case .masterLoading? = opening.overridden { return nil }
        guard !policy.force, let replica else { return nil }
        if replica.isLoading || replica.masterLink?.fullResync != nil { return "promoted an unsound replica" }
        if let master, replica.identity?.id != master.identity?.id { return "promoted another history" }
        return nil
    }
}
