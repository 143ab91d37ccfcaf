public import Salvage

/// What a replay came to: everything that the command prints.
public struct ReplayReport: Sendable, Equatable {
    /// How it ended.
    public enum Result: String, Sendable, Equatable {
        /// Everything was sent.
        case replayed
        /// Nothing was sent, because of `--dry-run`.
        case dryRun = "dry_run"
        /// A write failed.
        case failed
        /// It was not begun, or not gone on with: the reason says why.
        case refused
        /// The file, or an option, cannot be used.
        case unusable
        /// By a signal.
        case stopped
        /// The server could not be reached, or was lost.
        case unreachable
    }

    /// What the file holds.
    public struct Content: Sendable, Equatable {
        /// Its writes.
        public var writes: Int64 = 0
        /// How many of its units are transactions.
        public var transactions: Int64 = 0
        /// The databases that it writes to.
        public var databases: Set<Int> = []
        /// Writes before the first `SELECT`, where the header does not know their database either.
        public var unplaced: Int64 = 0
        /// The markers of other replays whose writes are among them.
        var replays: Set<String> = []
    }

    /// A write that was left out.
    public struct Skipped: Sendable, Equatable {
        /// Its offset in the file.
        public var offset: Int64
        /// The database.
        public var database: Int
        /// The command as redis-cli prints it, shortened.
        public var command: String
        /// Why.
        public var reason: String
    }

    /// How it ended.
    public var result: Result
    /// The exit code: 0 all was sent, or nothing was to be; 1 refused, stopped, or a write failed; 2 the file, an option or
    /// a password cannot be used; 3 the server was not reached.
    public var exitCode: OperationReport.ExitCode
    /// One sentence.
    public var reason: String
    /// What to do next; `nil` where nothing is to be done.
    public var remedy: String?
    /// The file's header; `nil` where it could not be read.
    public var header: SalvageHeader?
    /// What the file holds; all zero where it was not read.
    public var content = Content()
    /// How `--only-missing` found what has changed; `nil` without it.
    public var rule: String?
    /// What was counted; with `--dry-run`, `applied` is what would be sent.
    public var tally = Replay.Tally()
    /// Where an earlier run was interrupted, and this one went on: an offset of the file.
    public var resumedAt: Int64?
    /// Where a further run goes on; `nil` where there is nothing to go on with.
    public var position: Int64?
    /// The first thousand of the writes that the server did not take.
    public var failures: [ReplayFailure] = []
    /// The first thousand of the writes that were left out.
    public var skipped: [Skipped] = []
    /// From start to end.
    public var duration: Duration = .zero

    /// The most entries of `skipped`.
    public static let mostSkipped = 1000

    init(_ result: Result, _ exitCode: OperationReport.ExitCode, _ reason: String, remedy: String? = nil) {
        self.result = result
        self.exitCode = exitCode
        self.reason = reason
        self.remedy = remedy
    }
}

/// How far a replay has come.
public struct ReplayProgress: Sendable, Equatable {
    /// What is being done.
    public enum Phase: String, Sendable, Equatable {
        /// The file is read, to see that all of it can be replayed.
        case checking
        /// It is found out what the server has changed.
        case comparing
        /// Writes are sent.
        case replaying
    }

    /// What is being done.
    public var phase: Phase
    /// How much of the file is behind, bytes.
    public var bytes: Int64
    /// How much there is.
    public var totalBytes: Int64
    /// Writes that are behind: sent, left out, failed.
    public var writes: Int64
    /// How many there are; 0 while they are being counted.
    public var totalWrites: Int64
    /// Writes that were sent by this run.
    public var sent: Int64
}
