public import Replication
public import Salvage
import Synchronization

/// What a promotion or demotion came to: everything that the command prints.
public struct OperationReport: Sendable, Equatable {
    /// How it ended.
    public enum Result: String, Sendable, Equatable {
        /// The local server is master now.
        case promoted
        /// It was before.
        case alreadyMaster = "already_master"
        /// The local server follows the peer now.
        case demoted
        /// It did before.
        case alreadyReplica = "already_replica"
        /// Nothing was changed.
        case refused
        /// A server could not be reached, or failed on the way.
        case failed
    }

    /// The exit codes, as docs/operations.md has them.
    public enum ExitCode: Int32, Sendable, Equatable {
        /// Done.
        case done = 0
        /// Refused; nothing was changed.
        case refused = 1
        /// Usage or configuration error.
        case usage = 2
        /// A server could not be reached.
        case unreachable = 3
        /// Done, but writes may have been lost.
        case lossPossible = 4
    }

    /// How it ended.
    public var result: Result
    /// The exit code.
    public var exitCode: ExitCode
    /// One sentence: why, or what is the case now.
    public var reason: String
    /// The refusal's stable word, e.g. `lag`; `nil` for everything else.
    public var reasonCode: String?
    /// What to do next; `nil` where nothing is to be done.
    public var remedy: String?
    /// What the gate opened with; `nil` where there was no gate.
    public var evidence: Evidence?
    /// What was lost, or would have been.
    public var loss: Loss
    /// What following has discarded, and what was kept of it; `nil` where nothing was made to follow by a rejoin.
    public var account: Rejoin.Account?
    /// From the fence's raising to the promotion's reply; `nil` where there was no fence.
    public var writeGap: Duration?
    /// Nothing was changed, because `--dry-run` was given.
    public var isDryRun: Bool
    /// What was done, in order.
    public var steps: [Step]
}

/// Records steps and hands each on as it happens. `report` must not wait: it is called while writes are fenced.
final class StepRecorder: Sendable {
    private let start = ContinuousClock.now
    private let tell: @Sendable (Step) -> Void
    private let recorded = Mutex<[Step]>([])

    init(report: @escaping @Sendable (Step) -> Void) { tell = report }

    /// The steps so far.
    var steps: [Step] { recorded.withLock { $0 } }

    /// Records a step that happened at `time`, by default now.
    func record(_ step: String, _ detail: String, at time: Instant = .now) {
        let entry = Step(at: time - start, step: step, detail: detail)
        recorded.withLock { $0.append(entry) }
        tell(entry)
    }

    /// A report with the steps so far.
    func report(
        _ result: OperationReport.Result, _ code: OperationReport.ExitCode, _ reason: String, remedy: String? = nil,
        loss: Loss = .none, isDryRun: Bool
    ) -> OperationReport {
        OperationReport(
            result: result, exitCode: code, reason: reason, remedy: remedy, loss: loss, isDryRun: isDryRun, steps: steps
        )
    }
}
