import Salvage

/// Executes the actions of `Replay` until it has ended.
struct ReplayLoop {
    private let options: ReplayRun.Options
    private var target: ReplayTarget
    private let prepared: ReplayPlan.Prepared
    private let content: ReplayReport.Content
    private var units = ReplayUnits()
    private var index = 0
    private var report = ReplayReport(.replayed, .done, "")

    init(
        _ options: ReplayRun.Options, _ target: ReplayTarget, _ prepared: ReplayPlan.Prepared,
        _ content: ReplayReport.Content
    ) {
        self.options = options
        self.target = target
        self.prepared = prepared
        self.content = content
    }

    /// Replays the whole file.
    func run(_ reader: SalvageFileReader) async -> ReplayReport {
        var loop = self
        return await loop.replay(reader)
    }

    private mutating func replay(_ reader: SalvageFileReader) async -> ReplayReport {
        var request = Replay.Request(marker: target.marker, from: target.header.from, to: target.header.to)
        request.held = prepared.held
        request.replays = prepared.replays
        request.database = options.database ?? 0
        request.skipsErrors = options.skipsErrors
        request.batchWrites = options.batchWrites
        request.patience = options.patience
        var replay = Replay(request)
        reader.rewind()
        var action = Replay.Action.connect(after: .zero)
        var hasStopped = false
        while true {
            if !hasStopped, options.isStopping() {
                hasStopped = true
                _ = replay.handle(.stopRequested, now: .now)
            }
            let event: Replay.Event
            do throws(SalvageReadError) {
                guard let answer = try await execute(action, reader) else { break }
                event = answer
            } catch {
                report = ReplayRun.report(error)
                break
            }
            guard let next = replay.handle(event, now: .now).first else { break }
            if case .send = action { tell(replay) }
            if case .end(let outcome) = next { report.end(outcome, replay, options) }
            action = next
        }
        await target.close()
        report.tally = replay.tally
        report.failures = replay.failures
        report.resumedAt = replay.resumedAt
        report.position = report.result == .replayed ? nil : replay.position
        return report
    }

    /// What came of it; `nil` at the end.
    private mutating func execute(
        _ action: Replay.Action, _ reader: SalvageFileReader
    ) async throws(SalvageReadError) -> Replay.Event? {
        switch action {
        case .connect(let delay):
            do { try await Task.sleep(for: delay) } catch {
                // Cancelled: the connection is tried at once.
            }
            return await target.connect()
        case .read: return try nextUnit(reader)
        case .send(let batch): return await target.send(batch)
        case .conclude: return await target.conclude()
        case .end: return nil
        }
    }

    private mutating func nextUnit(_ reader: SalvageFileReader) throws(SalvageReadError) -> Replay.Event {
        while let command = try reader.next() {
            guard let unit = units.take(command) else { continue }
            defer { index += 1 }
            let isSkipped = prepared.skips?[index] ?? false
            let isBehind =
                (prepared.marker.offset.map { unit.end <= $0 } ?? false)
                || prepared.has(unit, database: options.database)
            if isSkipped, !isBehind { report.note(unit, prepared.reasons[index], database: options.database) }
            return .unit(unit, isSkipped: isSkipped)
        }
        return .fileEnded
    }

    private func tell(_ replay: Replay) {
        let tally = replay.tally
        let sent = tally.applied + tally.unconfirmed
        let from = target.header.from
        options.progress(
            ReplayProgress(
                phase: .replaying, bytes: (replay.position ?? from) - from, totalBytes: target.header.bytes,
                writes: sent + tally.failed + tally.skipped + tally.held + tally.earlier, totalWrites: content.writes,
                sent: sent))
    }
}

extension ReplayReport {
    /// What an outcome means to the one who asked for it.
    fileprivate mutating func end(_ outcome: Replay.Outcome, _ replay: Replay, _ options: ReplayRun.Options) {
        let url = "\(options.target.url)"
        let again =
            replay.position.map { "run the same command again: it goes on at offset \($0)" }
            ?? "nothing was applied; run the same command again"
        let sent = replay.tally.applied + replay.tally.unconfirmed
        switch outcome {
        case .done where replay.tally.failed > 0:
            set(.failed, .refused, "\(replay.tally.failed) writes were not taken by \(url), and \(sent) were", nil)
        case .done:
            set(.replayed, .done, "\(sent) writes were applied to \(url)", nil)
            if sent == 0, replay.tally.earlier > 0 {
                reason = "an earlier run has applied it to \(url); nothing was sent"
            }
            if replay.position != nil {
                remedy =
                    "move the file away: for a day the key \(replay.request.marker) tells that it was replayed, then nothing does"
            }
        case .failed:
            let failure = replay.failures.first
            let isBehind = failure.map { replay.position ?? 0 > $0.offset } ?? false
            let next =
                isBehind
                ? "see to that write by hand; \(again), behind it"
                : "\(again), with that write (or without, by --skip-errors)"
            set(.failed, .refused, "\(url) did not take a write: \(failure.map { $0.error } ?? "")", next)
        case .refused(let words): set(.refused, .refused, "\(url) takes no writes: \(words)", again)
        case .stopped: set(.stopped, .refused, "stopped by a signal", again)
        case .unreachable(let words): set(.unreachable, .unreachable, "\(url) was lost: \(words)", again)
        case .lostMarker(let expected, let found): lose(expected, found, url)
        }
    }

    private mutating func lose(_ expected: Int64?, _ found: ReplayMarker, _ url: String) {
        let ours = expected.map { ", where this replay had left it at \($0)" } ?? ""
        switch found {
        case .absent:
            set(
                .refused, .refused,
                "the marker of this replay is gone from \(url)\(ours): the data set was emptied or replaced, "
                    + "the key was evicted, or another replay of this file has ended",
                "look which it was; a further run begins at the beginning of the file, and applies all of it")
        case .at(let offset):
            set(
                .refused, .refused,
                "the marker of this replay is at \(offset) on \(url)\(ours): the server came back with older "
                    + "data, or another replay of this file is under way",
                "when no other one is, run the same command again: it goes on at offset \(offset)")
        case .strange(let value):
            set(
                .refused, .refused,
                "the marker of this replay on \(url) has the value \(value), which no replay writes",
                "look who uses that key, and remove it")
        }
    }

    private mutating func set(_ result: Result, _ code: OperationReport.ExitCode, _ reason: String, _ remedy: String?) {
        (self.result, exitCode, self.reason, self.remedy) = (result, code, reason, remedy)
    }
}
