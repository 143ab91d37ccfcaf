import RedisClient
import Replication
import Salvage

/// What is decided before the first write is sent: where an earlier run was interrupted, and what is left out.
struct ReplayPlan {
    /// It ends before it began.
    struct Ended: Error {
        let report: ReplayReport
    }

    /// What the loop needs.
    struct Prepared {
        /// The marker as it was found, or made.
        var marker: ReplayMarker
        /// The last offset that the server holds of the file's history.
        var held: Int64
        /// Which units are left out; `nil` for none.
        var skips: ReplaySkips?
        /// Why, for the first of them, by their place in the file.
        var reasons: [Int: String] = [:]
        /// In words, how it was found what has changed.
        var rule: String?
        /// The markers of other replays that the file holds writes of, as they are on the server.
        var replays: [String: Int64] = [:]

        /// Whether the server has a unit already: from its replication, or from a replay.
        func has(_ unit: ReplayUnit, database: Int?) -> Bool {
            unit.end - 1 <= held || unit.isHeld(by: replays, database: database ?? 0)
        }
    }

    private let options: ReplayRun.Options
    private let connection: RedisConnection
    private let info: ReplicationInfo
    private let header: SalvageHeader
    private let marker: String
    private let held: Int64
    private let limit: Duration
    /// The markers of other replays that the file holds writes of.
    private let replays: [String]

    init(
        _ options: ReplayRun.Options, _ target: ReplayTarget, over connection: RedisConnection, info: ReplicationInfo,
        replays: Set<String>
    ) {
        self.options = options
        self.replays = replays.sorted()
        self.connection = connection
        self.info = info
        header = target.header
        marker = target.marker
        held = target.held(info)
        limit = target.limit()
    }

    /// Reads what an earlier run has left, and decides what is left out. Writes only the decisions, and those not in a
    /// dry run.
    func prepare(_ reader: SalvageFileReader) async -> Result<Prepared, Ended> {
        let outcomes = await connection.pipeline(
            [["SELECT", "0"], ["WATCH", marker], ["GET", marker], ["GET", ReplayMarker.skipsKey(marker)]],
            timeout: limit)
        var values: [[UInt8]?] = []
        for outcome in outcomes {
            switch outcome {
            case .success(.bulk(let bytes)): values.append(bytes)
            case .success: values.append(nil)
            case .failure(.server(let error)): return ended(.refused, .refused, "\(error)")
            case .failure(let error): return ended(.unreachable, .unreachable, "\(error)")
            }
        }
        guard values.count == 4 else { return ended(.unusable, .usage, "not a Redis server") }
        let found = ReplayMarker(value: values[2])
        var prepared = Prepared(marker: found, held: held)
        do throws(Ended) {
            prepared.replays = try await otherReplays()
            try lookForMixed(reader, prepared)
        } catch {
            return .failure(error)
        }
        guard found == .absent else { return goOn(prepared, skips: values[3]) }
        return options.onlyMissing ? await choose(reader, prepared) : .success(prepared)
    }

    /// How far other replays, of which the file holds batches, have come on this server.
    private func otherReplays() async throws(Ended) -> [String: Int64] {
        var found: [String: Int64] = [:]
        for (key, outcome) in zip(replays, await connection.pipeline(replays.map { ["GET", $0] }, timeout: limit)) {
            switch outcome {
            case .success(.bulk(let value)): found[key] = ReplayMarker(value: value).offset
            case .success: break
            case .failure(.server(let error)): throw end(.refused, .refused, "\(error)")
            case .failure(let error): throw end(.unreachable, .unreachable, "\(error)")
            }
        }
        return found
    }

    /// Refuses what can be neither sent nor left out.
    private func lookForMixed(_ reader: SalvageFileReader, _ prepared: Prepared) throws(Ended) {
        guard !prepared.replays.isEmpty else { return }
        let behind = max(prepared.marker.offset ?? 0, held + 1)
        reader.rewind()
        var units = ReplayUnits()
        while let command = try next(reader) {
            guard let unit = units.take(command), unit.end > behind,
                let key = unit.partlyHeld(by: prepared.replays, database: options.database ?? 0)
            else { continue }
            throw end(
                .refused, .refused,
                "the transaction at offset \(unit.start) holds writes of an earlier replay (\(key)) that the server has "
                    + "by itself, with writes that it lacks: the ones cannot be sent without the others; do by hand what "
                    + "is to be done ('syncgate salvage show')")
        }
    }

    private func next(_ reader: SalvageFileReader) throws(Ended) -> StreamCommand? {
        do throws(SalvageReadError) { return try reader.next() } catch { throw Ended(report: ReplayRun.report(error)) }
    }

    private func goOn(_ base: Prepared, skips: [UInt8]?) -> Result<Prepared, Ended> {
        let found = base.marker
        // All of it was applied: nothing is decided any more.
        if found == .at(header.to) { return .success(base) }
        let place = "a replay of this file is under way on \(options.target.url), at offset \(found.offset ?? 0)"
        switch (skips, options.onlyMissing) {
        case (nil, false): return .success(base)
        case (nil, true):
            return ended(.refused, .refused, "\(place), without --only-missing: go on without it")
        case (_?, false): return ended(.refused, .refused, "\(place), with --only-missing: go on with it")
        case (let skips?, true):
            guard let skips = ReplaySkips(skips) else {
                return ended(
                    .refused, .refused,
                    "\(place), and what it leaves out cannot be read: the key \(ReplayMarker.skipsKey(marker)) was changed"
                )
            }
            var prepared = base
            (prepared.skips, prepared.rule) = (skips, "as it was decided when the replay began")
            return .success(prepared)
        }
    }

    // MARK: - Only what is missing

    private func choose(_ reader: SalvageFileReader, _ base: Prepared) async -> Result<Prepared, Ended> {
        do throws(ReplaySelection.Trouble) {
            var selection = ReplaySelection(over: connection, timeout: limit, database: options.database ?? 0)
            if let span = ReplaySelection.span(info, header: header) {
                try await selection.readBacklog(
                    span, slack: ReplaySelection.slack(of: info.backlog), of: options.target, header: header,
                    isStopping: options.isStopping)
            } else {
                try await selection.askForKeys(of: reader, since: options.since, isStopping: options.isStopping)
            }
            var prepared = base
            (prepared.skips, prepared.rule) = (ReplaySkips(), selection.rule)
            if let reason = selection.everything {
                prepared.rule = "\(selection.rule); everything counts as changed: \(reason)"
            }
            try await decide(reader, &selection, &prepared)
            if !options.isDryRun, let skips = prepared.skips {
                if let trouble = await keep(skips) { return ended(.refused, .refused, trouble) }
                prepared.marker = .at(header.from)
            }
            return .success(prepared)
        } catch {
            switch error {
            case .away(let reason): return ended(.unreachable, .unreachable, reason)
            case .impossible(let reason):
                return ended(.refused, .refused, "--only-missing cannot be decided: \(reason)")
            case .unreadable(let error): return .failure(Ended(report: ReplayRun.report(error)))
            case .stopped: return ended(.stopped, .refused, "a signal came before anything was sent")
            }
        }
    }

    private func decide(
        _ reader: SalvageFileReader, _ selection: inout ReplaySelection, _ prepared: inout Prepared
    ) async throws(ReplaySelection.Trouble) {
        reader.rewind()
        var units = ReplayUnits()
        var skips = ReplaySkips()
        while let command = try ReplaySelection.next(reader) {
            guard let unit = units.take(command) else { continue }
            switch prepared.has(unit, database: options.database) ? .send : try await selection.decide(unit) {
            case .send: skips.append(false)
            case .skip(let reason):
                if prepared.reasons.count < ReplayReport.mostSkipped { prepared.reasons[skips.count] = reason }
                skips.append(true)
            }
            if skips.count.isMultiple(of: 4096) {
                if options.isStopping() { throw .stopped }
                options.progress(
                    ReplayProgress(
                        phase: .comparing, bytes: unit.end - header.from, totalBytes: header.bytes, writes: 0,
                        totalWrites: header.commands, sent: 0))
            }
        }
        prepared.skips = skips
    }

    /// Keeps the decisions, unless somebody else has begun meanwhile: the marker is watched. Why not; `nil` where they are
    /// kept.
    private func keep(_ skips: ReplaySkips) async -> String? {
        let text = ["MULTI", "SELECT", "SET", "EXEC", "0", marker, ReplayMarker.skipsKey(marker), String(header.from)]
        let words = text.map { Array($0.utf8) }
        let outcomes = await connection.pipeline(bytes: [[words[0]]], timeout: limit)
        if case .failure(let error) = outcomes[0] { return "\(error)" }
        let commands = [
            [words[1], words[4]], [words[2], words[6], skips.encoded], [words[2], words[5], words[7]], [words[3]],
        ]
        let kept = await connection.pipeline(bytes: commands, timeout: limit + .seconds(skips.count >> 20))
        for case .failure(let error) in kept { return "\(error)" }
        guard case .success(.array(let replies)) = kept[3] else {
            return "another replay of this file was begun at this moment"
        }
        for case .error(let error) in replies { return "\(error)" }
        return nil
    }

    // MARK: - Without doing it

    /// What would be sent.
    func foretell(_ reader: SalvageFileReader, _ prepared: Prepared) -> ReplayReport {
        var report = ReplayReport(.dryRun, .done, "nothing was sent")
        reader.rewind()
        var units = ReplayUnits()
        var index = 0
        do throws(SalvageReadError) {
            while let command = try reader.next() {
                guard let unit = units.take(command) else { continue }
                defer { index += 1 }
                let count = Int64(unit.writes.count)
                if let offset = prepared.marker.offset, unit.end <= offset {
                    report.tally.earlier += count
                } else if prepared.has(unit, database: options.database) {
                    report.tally.held += count
                } else if prepared.skips?[index] ?? false {
                    report.tally.skipped += count
                    report.note(unit, prepared.reasons[index], database: options.database)
                } else {
                    report.tally.applied += count
                    report.tally.bytes += unit.bytes
                }
            }
        } catch {
            return ReplayRun.report(error)
        }
        report.reason = "\(report.tally.applied) writes would be sent to \(options.target.url)"
        report.position = prepared.marker.offset
        if let offset = prepared.marker.offset, offset > header.from { report.resumedAt = offset }
        return report
    }

    private func ended(
        _ result: ReplayReport.Result, _ code: OperationReport.ExitCode, _ reason: String
    ) -> Result<Prepared, Ended> {
        .failure(end(result, code, reason))
    }

    private func end(_ result: ReplayReport.Result, _ code: OperationReport.ExitCode, _ reason: String) -> Ended {
        let prefix = reason.contains("\(options.target.url)") ? "" : "\(options.target.url): "
        return Ended(report: ReplayReport(result, code, prefix + reason))
    }
}

extension ReplayReport {
    /// Writes down what is left out, as long as there is room.
    mutating func note(_ unit: ReplayUnit, _ reason: String?, database: Int?) {
        for write in unit.writes {
            guard skipped.count < Self.mostSkipped else { return }
            skipped.append(
                Skipped(
                    offset: write.offset, database: write.database ?? database ?? 0,
                    command: CommandText.line(write.arguments, limit: 64, arguments: 8),
                    reason: reason ?? "decided when the replay began"))
        }
    }
}
