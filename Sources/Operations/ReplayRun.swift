import RedisClient
import Replication
import Salvage

/// Replays a salvage file to a server, so that each of its writes is applied once, however often it is interrupted.
///
/// The file is read twice: once to see that all of it can be replayed, and once to send it. Nothing is sent of a file that
/// cannot be.
public struct ReplayRun: Sendable {
    /// What was asked for.
    public struct Options: Sendable {
        /// The file's path.
        public var path: String
        /// The server to replay to: the master.
        public var target: Endpoint
        /// The database of the first writes, where the file does not know it.
        public var database: Int?
        /// Changes nothing; says what would be sent.
        public var isDryRun = false
        /// Leaves out writes to keys that the server has changed since.
        public var onlyMissing = false
        /// When the server was promoted, seconds since 1970: for `onlyMissing`, where its backlog does not tell.
        public var since: Int64?
        /// Goes on after a write that the server did not take.
        public var skipsErrors = false
        /// The most writes in one transaction.
        public var batchWrites = 64
        /// The limit for connecting.
        public var connectTimeout: Duration = .seconds(1)
        /// For how long a connection that was lost is tried again.
        public var patience: Duration = .seconds(30)
        /// Asked again and again: whether it shall end at a clean point.
        public var isStopping: @Sendable () -> Bool = { false }
        /// Told how far it has come, often; must not wait.
        public var progress: @Sendable (ReplayProgress) -> Void = { _ in }

        /// Makes options with the defaults.
        public init(path: String, target: Endpoint) {
            self.path = path
            self.target = target
        }
    }

    let options: Options

    /// Makes a run.
    public init(_ options: Options) { self.options = options }

    /// Runs to the end. Never throws: what goes wrong is in the report.
    public func run() async -> ReplayReport {
        let start = ContinuousClock.now
        var report: ReplayReport
        do throws(SalvageReadError) {
            report = await replay(try SalvageFileReader(path: options.path))
        } catch {
            report = Self.report(error)
        }
        report.duration = .now - start
        return report
    }

    private func replay(_ reader: SalvageFileReader) async -> ReplayReport {
        let header = reader.file.header
        var content = ReplayReport.Content()
        var report: ReplayReport
        do throws(SalvageReadError) {
            content = try read(reader)
            if let objection = objection(header, content) {
                report = objection
            } else if options.isStopping() {
                report = ReplayReport(.stopped, .refused, "a signal came before anything was sent")
            } else {
                report = await send(reader, content)
            }
        } catch {
            report = Self.report(error)
        }
        report.header = header
        report.content = content
        return report
    }

    static func report(_ error: SalvageReadError) -> ReplayReport {
        switch error {
        case .system, .snapshot: ReplayReport(.unusable, .usage, "\(error)")
        case .unusable, .damaged: ReplayReport(.refused, .refused, "\(error)", remedy: "nothing was sent")
        }
    }

    // MARK: - The file

    /// Reads all of it.
    private func read(_ reader: SalvageFileReader) throws(SalvageReadError) -> ReplayReport.Content {
        let header = reader.file.header
        var content = ReplayReport.Content()
        var units = ReplayUnits()
        var reported: Int64 = 0
        while let command = try reader.next() {
            guard let unit = units.take(command) else { continue }
            content.writes += Int64(unit.writes.count)
            if unit.end - unit.start > unit.bytes { content.transactions += 1 }
            content.replays.formUnion(unit.markers(database: options.database ?? 0).map(\.key))
            for write in unit.writes {
                if let database = write.database { content.databases.insert(database) } else { content.unplaced += 1 }
            }
            guard unit.end - reported >= 8 << 20 else { continue }
            reported = unit.end
            if options.isStopping() { break }
            options.progress(
                ReplayProgress(
                    phase: .checking, bytes: unit.end - header.from, totalBytes: header.bytes, writes: content.writes,
                    totalWrites: 0, sent: 0))
        }
        return content
    }

    private func objection(_ header: SalvageHeader, _ content: ReplayReport.Content) -> ReplayReport? {
        if options.isStopping() { return nil }
        guard content.writes == header.commands else {
            return ReplayReport(
                .refused, .refused,
                "\(options.path) says that it has \(header.commands) writes, and has \(content.writes): see whether it was edited"
            )
        }
        if content.unplaced > 0, options.database == nil {
            return ReplayReport(
                .unusable, .usage,
                "it is not known for which database the first \(content.unplaced) writes of \(options.path) are meant",
                remedy: "look at them with 'syncgate salvage show', and name it with --database N")
        }
        if content.unplaced == 0, let database = options.database {
            return ReplayReport(
                .unusable, .usage,
                "--database \(database): the file says itself where each of its writes goes; leave the option out")
        }
        return nil
    }

    // MARK: - The server

    private func send(_ reader: SalvageFileReader, _ content: ReplayReport.Content) async -> ReplayReport {
        var databases = content.databases
        if let database = options.database { databases.insert(database) }
        var target = ReplayTarget(
            options.target, timeout: options.connectTimeout, header: reader.file.header, databases: databases)
        var report: ReplayReport
        do throws(ReplayTarget.Trouble) {
            let (connection, info) = try await target.look()
            let plan = ReplayPlan(options, target, over: connection, info: info, replays: content.replays)
            switch await plan.prepare(reader) {
            case .failure(let ended): report = ended.report
            case .success(let prepared):
                if options.isDryRun {
                    report = plan.foretell(reader, prepared)
                } else {
                    await target.close()
                    report = await ReplayLoop(options, target, prepared, content).run(reader)
                }
                report.rule = prepared.rule
            }
        } catch {
            report = refusal(error)
        }
        await target.close()
        return report
    }

    private func refusal(_ trouble: ReplayTarget.Trouble) -> ReplayReport {
        let url = "\(options.target.url)"
        switch trouble {
        case .away(let reason): return ReplayReport(.unreachable, .unreachable, "\(url): \(reason)")
        case .unusable(let reason): return ReplayReport(.unusable, .usage, "\(url): \(reason)")
        case .unfit(let reason):
            return ReplayReport(.refused, .refused, "\(url): \(reason)", remedy: "nothing was sent")
        }
    }
}
