import ArgumentParser
import Daemon
import Operations
import Replication

/// Prints the report of a promotion or demotion, and ends the command with its exit code.
struct OperationOutput {
    let format: OutputFormat

    /// Prints the end. Refusals and failures go to standard error as one line as well, so that scripts' logs have them.
    func finish(_ report: OperationReport) throws {
        if format == .json { Output.write(Output.json(OperationJSON(report)) + "\n") }
        let isDone = report.result != .refused && report.result != .failed
        let word = report.result.rawValue.split(separator: "_").joined(separator: " ")
        let line = "\(word): \(report.reason)"
        if !isDone {
            Output.error("syncgate: \(line)" + (report.remedy.map { "; \($0)" } ?? ""))
        } else if format == .pretty {
            let color: Output.Color = report.exitCode == .done ? .green : .yellow
            Output.write(Output.colored(line, color) + "\n")
            for (name, value) in facts(report) { Output.write("  \(name.padding(to: 10)) \(value)\n") }
            if let remedy = report.remedy { Output.write("  next       \(remedy)\n") }
        }
        if report.exitCode != .done { throw ExitCode(report.exitCode.rawValue) }
    }

    private func facts(_ report: OperationReport) -> [(String, String)] {
        var facts: [(String, String)] = []
        if let evidence = report.evidence {
            let target = evidence.target.map { "target \($0)" } ?? "target unknown"
            let fence = evidence.fence.map { ", fence \($0.rawValue)" } ?? ", no fence"
            let waited = Quantity.decimal(evidence.waited.inMilliseconds, 1)
            facts.append(("evidence", "\(target), applied \(evidence.appliedOffset)\(fence), waited \(waited) ms"))
        }
        if let gap = report.writeGap { facts.append(("write gap", "\(Quantity.decimal(gap.inMilliseconds, 1)) ms")) }
        facts.append(("loss", "\(report.loss)"))
        return facts + (report.account.map { HistoryEntry.AccountText($0).lines } ?? [])
    }
}

/// The report as JSON.
struct OperationJSON: Encodable {
    var result: String
    var exitCode: Int32
    var reason: String
    @OrNull var reasonCode: String?
    @OrNull var next: String?
    @OrNull var evidence: HistoryEntry.EvidenceText?
    var loss: HistoryEntry.LossText
    @OrNull var account: HistoryEntry.AccountText?
    @OrNull var writeGapMs: Double?
    var dryRun: Bool
    var steps: [HistoryEntry.StepText]

    init(_ report: OperationReport) {
        result = report.result.rawValue
        exitCode = report.exitCode.rawValue
        reason = report.reason
        reasonCode = report.reasonCode
        next = report.remedy
        evidence = report.evidence.map(HistoryEntry.EvidenceText.init)
        loss = HistoryEntry.LossText(report.loss)
        account = report.account.map(HistoryEntry.AccountText.init)
        writeGapMs = report.writeGap?.inMilliseconds
        dryRun = report.isDryRun
        steps = report.steps.map(HistoryEntry.StepText.init)
    }
}

extension HistoryEntry.AccountText {
    /// For people; nothing where nothing was missing.
    var lines: [(name: String, value: String)] {
        guard bytes != 0 || !kept.isEmpty else { return [] }
        let missing = bytes.map { "\(LossAmendment(bytes: $0, commands: commands))" } ?? "not known: no common history"
        return [("missing", discarded ? "\(missing); discarded" : missing)] + kept.map { ("kept", $0) }
    }
}
