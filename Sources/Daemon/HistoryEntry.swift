import Failover
import Operations
package import Replication

/// One transition as the history file and the control socket have it. Times within it count from `startedAt`.
package struct HistoryEntry: Codable, Sendable, Equatable {
    /// Ascending over restarts. A later entry of the same number takes the place of an earlier one.
    package var number: Int
    /// When it was written, UTC with milliseconds.
    package var at: String
    /// The virtual router.
    package var virtualRouter: String
    /// The node.
    package var node: String
    /// The state before.
    package var from: String
    /// The state after.
    package var to: String
    /// A stable word.
    package var cause: String
    /// One sentence.
    package var reason: String
    /// Where the election stood after it.
    package var vrrp: String
    /// What was lost; nil where nothing can have been.
    @OrNull package var loss: LossText?
    /// From the fence to the promotion.
    @OrNull package var writeGapMs: Double?
    /// Both positions at the gate.
    @OrNull package var evidence: EvidenceText?
    /// When it began, UTC with milliseconds.
    package var startedAt: String
    /// The timeline, in order.
    package var steps: [StepText]

    /// A loss.
    package struct LossText: Codable, Sendable, Equatable {
        /// `none`, `exact`, `at_most`, `unknown`.
        package var kind: String
        /// Bytes; nil where nobody knows.
        @OrNull package var bytes: Int64?
        /// How old the sample was that bounds it.
        @OrNull package var sampleAgeMs: Double?
        /// In words.
        package var detail: String
    }

    /// What the gate opened with.
    package struct EvidenceText: Codable, Sendable, Equatable {
        /// The history that both offsets are of.
        @OrNull package var replicationId: String?
        /// The old master's offset behind the fence.
        @OrNull package var targetOffset: Int64?
        /// What the new master had applied.
        package var appliedOffset: Int64
        /// Which fence held.
        @OrNull package var fence: String?
        /// From the reading of the one to the reading of the other.
        package var waitedMs: Double
    }

    /// One thing that was done, or seen.
    package struct StepText: Codable, Sendable, Equatable {
        /// From `startedAt`.
        package var atMs: Double
        /// A stable word.
        package var step: String
        /// A sentence.
        package var detail: String
    }
}

extension HistoryEntry {
    /// A transition of a node, written down now. `base`: the last number of earlier runs of the daemon.
    init(_ transition: Transition, router: String, node: String, base: Int) {
        self.init(
            number: base + transition.number, at: WallClock.now, virtualRouter: router, node: node,
            from: transition.from.rawValue, to: transition.to.rawValue, cause: transition.cause,
            reason: transition.reason, vrrp: transition.vrrp.rawValue, loss: transition.loss.map(LossText.init),
            writeGapMs: transition.writeGap?.inMilliseconds, evidence: transition.evidence.map(EvidenceText.init),
            startedAt: WallClock.text(transition.startedAt),
            steps: transition.steps.map(StepText.init))
    }
}

extension HistoryEntry.StepText {
    /// Of a step.
    package init(_ step: Step) {
        self.init(atMs: step.at.inMilliseconds, step: step.step, detail: step.detail)
    }
}

extension HistoryEntry.LossText {
    /// Of a loss.
    package init(_ loss: Loss) {
        self.init(
            kind: loss.kind.rawValue, bytes: loss.bytes, sampleAgeMs: loss.sampleAge?.inMilliseconds,
            detail: "\(loss)")
    }
}

extension HistoryEntry.EvidenceText {
    /// Of evidence.
    package init(_ evidence: Evidence) {
        self.init(
            replicationId: evidence.target?.replicationID, targetOffset: evidence.target?.offset,
            appliedOffset: evidence.appliedOffset, fence: evidence.fence?.rawValue,
            waitedMs: evidence.waited.inMilliseconds)
    }
}
