import ArgumentParser
import Daemon
import FoundationEssentials
import Glibc
import Operations
import Replication
import Salvage
import Synchronization

/// `syncgate salvage replay`.
struct SalvageReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract:
            "Apply the writes of a salvage file to the new master, each of them once, however often it is interrupted.",
        discussion: """
            Run it again after an interruption, with the same file and server: it goes on behind the last write that was \
            applied. The server remembers for a day that all of it was: move the file away. Exit codes: 0 done; \
            1 refused, stopped, or a write failed; 2 the file, an option or a password cannot be used; 3 the server could \
            not be reached, or was lost.
            """)

    @Argument(help: ArgumentHelp("A name in the salvage folder, or a path.", valueName: "file"))
    var file: String

    @Option(help: ArgumentHelp("The server to replay to: the master.", valueName: "url"))
    var to: String

    @Flag(help: "Show what would be sent, and change nothing.")
    var dryRun = false

    @Flag(help: "Leave out writes to keys that the server has changed since it was promoted.")
    var onlyMissing = false

    @Option(
        help: ArgumentHelp(
            "For --only-missing, where the server's backlog does not tell: when it was promoted (2025-11-22T10:11:12Z).",
            valueName: "time"))
    var since: TimeArgument?

    @Flag(help: "Go on after a write that the server does not take, and list it.")
    var skipErrors = false

    @Option(
        help: ArgumentHelp("Where the first writes go, if the file does not know their database.", valueName: "n"))
    var database: Int?

    @Option(help: ArgumentHelp("So many writes at most in one round trip, and one transaction.", valueName: "n"))
    var batch = 64

    @Option(help: ArgumentHelp("How long a lost connection is tried again.", valueName: "time"))
    var retry = DurationArgument(.seconds(30))

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    @OptionGroup(title: "Salvage folder")
    var folder: SalvageFolderOptions

    @OptionGroup(title: "Connection options")
    var connection: ConnectionOptions

    func validate() throws {
        guard (1...10_000).contains(batch) else { throw ValidationError("--batch must be 1 to 10000") }
        guard database.map({ (0...Int(Int32.max)).contains($0) }) ?? true else {
            throw ValidationError("--database must be the number of a database")
        }
        guard since == nil || onlyMissing else { throw ValidationError("--since needs --only-missing") }
    }

    func run() async throws {
        var options = ReplayRun.Options(
            path: try folder.path(of: file), target: try connection.endpoint(to, option: "--to"))
        options.database = database
        options.isDryRun = dryRun
        options.onlyMissing = onlyMissing
        options.since = since?.seconds
        options.skipsErrors = skipErrors
        options.batchWrites = batch
        options.connectTimeout = connection.connectTimeout.duration
        options.patience = retry.duration
        StopSignal.watch()
        options.isStopping = { StopSignal.isReceived }
        let display = ReplayDisplay(isTerminal: isatty(2) == 1)
        options.progress = { display.show($0) }
        let report = await ReplayRun(options).run()
        display.clear()
        try ReplayOutput(format: format, path: options.path).finish(report)
    }
}

/// A point in time as an argument.
struct TimeArgument: ExpressibleByArgument {
    /// Since 1970, rounded down.
    var seconds: Int64

    init?(argument: String) {
        for style in [Date.ISO8601FormatStyle(), Date.ISO8601FormatStyle(includingFractionalSeconds: true)] {
            do {
                seconds = Int64(try style.parse(argument).timeIntervalSince1970.rounded(.down))
                return
            } catch {
                // Perhaps it is in the other style.
            }
        }
        return nil
    }
}

/// The progress on standard error: a bar that is drawn anew on a terminal, elsewhere a line every few seconds.
final class ReplayDisplay: Sendable {
    private let isTerminal: Bool
    private let start = ContinuousClock.now
    private let shown = Mutex<ContinuousClock.Instant?>(nil)

    init(isTerminal: Bool) { self.isTerminal = isTerminal }

    /// Shows it, unless it was shown a moment ago.
    func show(_ progress: ReplayProgress) {
        let interval: Duration = isTerminal ? .milliseconds(100) : .seconds(5)
        let now = ContinuousClock.now
        let isDue = shown.withLock { shown in
            guard now - (shown ?? start) >= interval else { return false }
            shown = now
            return true
        }
        guard isDue else { return }
        let text = line(progress, after: now - start)
        Output.write(isTerminal ? "\r\(text)\u{1B}[K" : "syncgate: \(text)\n", to: 2)
    }

    /// Removes the bar.
    func clear() {
        if isTerminal, shown.withLock({ $0 != nil }) { Output.write("\r\u{1B}[K", to: 2) }
    }

    private func line(_ progress: ReplayProgress, after time: Duration) -> String {
        let share = progress.totalBytes > 0 ? Double(progress.bytes) / Double(progress.totalBytes) : 1
        let done = min(max(Int(share * 30), 0), 30)
        let bar = String(repeating: "#", count: done) + String(repeating: ".", count: 30 - done)
        let percent = Quantity.decimal(share * 100, 0).padding(from: 3)
        let head = "\(progress.phase.rawValue) [\(bar)] \(percent) %"
        guard progress.phase == .replaying else { return head }
        let rate = Quantity.decimal(Double(progress.sent) / max(time.inSeconds, 0.001), 0)
        return "\(head)  \(progress.writes) of \(progress.totalWrites) commands, \(rate)/s"
    }
}

/// Prints the report of a replay, and ends the command with its exit code.
struct ReplayOutput {
    let format: OutputFormat
    let path: String

    /// How many of the writes that failed or were left out are printed; JSON has a thousand.
    private static let mostLines = 20

    func finish(_ report: ReplayReport) throws {
        if format == .json { Output.write(Output.json(ReplayJSON(report, path: path)) + "\n") }
        let isDone = report.exitCode == .done
        let word = report.result.rawValue.split(separator: "_").joined(separator: " ")
        let line = "\(word): \(report.reason)"
        if !isDone { Output.error("syncgate: \(line)" + (report.remedy.map { "; \($0)" } ?? "")) }
        if format == .pretty {
            if isDone { Output.write(Output.colored(line, .green) + "\n") }
            if report.content.writes > 0 { Output.write(facts(report)) }
            if isDone, let remedy = report.remedy { Output.write("  next       \(remedy)\n") }
        }
        if !isDone { throw ExitCode(report.exitCode.rawValue) }
    }

    private func facts(_ report: ReplayReport) -> String {
        let tally = report.tally
        let content = report.content
        var facts: [(String, String)] = [
            ("file", "\(content.writes) writes, \(content.transactions) transactions among them")
        ]
        if let offset = report.resumedAt {
            facts.append(("went on", "at offset \(offset), where an earlier run had ended"))
        }
        if let rule = report.rule { facts.append(("changed", rule)) }
        let counts: [(String, Int64, String)] = [
            (report.result == .dryRun ? "to send" : "applied", tally.applied, ""),
            ("unseen", tally.unconfirmed, "applied while the connection was lost: whether one failed was not seen"),
            ("earlier", tally.earlier, "by an earlier run"),
            ("held", tally.held, "the server had them from its replication, or from a replay of their own file"),
            ("skipped", tally.skipped, ""), ("failed", tally.failed, ""),
        ]
        for (name, count, remark) in counts where count > 0 || name == "applied" || name == "to send" {
            facts.append((name, remark.isEmpty ? "\(count)" : "\(count)  \(remark)"))
        }
        facts.append(("bytes", Quantity.bytes(Double(tally.bytes)) + ", in \(Quantity.time(report.duration))"))
        var lines = facts.map { "  \($0.0.padding(to: 10)) \($0.1)\n" }
        lines += report.failures.prefix(Self.mostLines).map {
            "  failed at \($0.offset), database \($0.database): \($0.command)\n      \($0.error)\n"
        }
        lines += more(tally.failed, report.failures.count)
        lines += report.skipped.prefix(Self.mostLines).map {
            "  skipped at \($0.offset), database \($0.database): \($0.command)\n      \($0.reason)\n"
        }
        lines += more(tally.skipped, report.skipped.count)
        return lines.joined()
    }

    private func more(_ count: Int64, _ listed: Int) -> [String] {
        let left = count - Int64(min(listed, Self.mostLines))
        return left > 0 && listed > 0 ? ["  … and \(left) more; --format json lists a thousand\n"] : []
    }
}

/// The report as JSON.
struct ReplayJSON: Encodable {
    struct Write: Encodable {
        let offset: Int64
        let database: Int
        let command: String
        let reason: String
    }

    let result: String
    let exitCode: Int32
    let reason: String
    @OrNull var next: String?
    let dryRun: Bool
    @OrNull var header: SalvageHeaderJSON?
    let writes: Int64
    let transactions: Int64
    let applied: Int64
    let unconfirmed: Int64
    let earlier: Int64
    let held: Int64
    let skipped: Int64
    let failed: Int64
    let bytes: Int64
    let reconnects: Int
    @OrNull var rule: String?
    @OrNull var resumedAt: Int64?
    @OrNull var position: Int64?
    let failures: [Write]
    let skips: [Write]
    let durationMs: Double

    init(_ report: ReplayReport, path: String) {
        result = report.result.rawValue
        exitCode = report.exitCode.rawValue
        (reason, next, rule) = (report.reason, report.remedy, report.rule)
        dryRun = report.result == .dryRun
        header = report.header.map { SalvageHeaderJSON(path, $0) }
        (writes, transactions) = (report.content.writes, report.content.transactions)
        let tally = report.tally
        (applied, unconfirmed, earlier, held) = (tally.applied, tally.unconfirmed, tally.earlier, tally.held)
        (skipped, failed, bytes, reconnects) = (tally.skipped, tally.failed, tally.bytes, tally.reconnects)
        (resumedAt, position) = (report.resumedAt, report.position)
        failures = report.failures.map {
            Write(offset: $0.offset, database: $0.database, command: $0.command, reason: $0.error)
        }
        skips = report.skipped.map {
            Write(offset: $0.offset, database: $0.database, command: $0.command, reason: $0.reason)
        }
        durationMs = report.duration.inMilliseconds
    }
}
