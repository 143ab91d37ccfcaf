import ArgumentParser
import Operations
import Replication

/// The formats of `lag`.
enum LagFormat: String, ExpressibleByArgument, CaseIterable {
    case pretty, json, tsv, nagios
}

/// `syncgate lag`.
struct LagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lag",
        abstract: "Report how far every replica is behind, in bytes and seconds, and whether it is safe to promote.",
        discussion: "Give any server of the pair: the master is found from it, and every replica from the master.")

    @Argument(help: ArgumentHelp("A server of the pair. The same as --local.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("A server of the pair. Default: redis://127.0.0.1:6379.", valueName: "url"))
    var local: String?

    @Option(help: ArgumentHelp("The master, if it is not the one that the local server follows.", valueName: "url"))
    var master: String?

    @Option(help: ArgumentHelp("Report again and again, every second or at this interval.", valueName: "interval"))
    var watch: DurationArgument?

    @Option(help: ArgumentHelp("Readings to take: per report, or reports in all with --watch.", valueName: "n"))
    var samples: Int?

    @Option(help: "Output format.")
    var format = LagFormat.pretty

    @Option(help: ArgumentHelp("WARNING from this lag on: 64KiB, 2s, …", valueName: "limit"))
    var warning: ThresholdArgument?

    @Option(help: ArgumentHelp("CRITICAL from this lag on: 1MiB, 10s, …", valueName: "limit"))
    var critical: ThresholdArgument?

    @OptionGroup
    var pair: PairOptions

    @OptionGroup(title: "Connection options")
    var connection: ConnectionOptions

    /// Between two readings of a single report: rates need two.
    private static let sampleInterval: Duration = .milliseconds(15)

    func validate() throws {
        guard url == nil || local == nil else { throw ValidationError("give either a URL or --local, not both") }
        guard (samples ?? 1) >= 1 else { throw ValidationError("--samples must be at least 1") }
        guard (watch?.duration ?? .seconds(1)) >= .milliseconds(10) else {
            throw ValidationError("--watch must be at least 10ms")
        }
        guard watch == nil || format != .nagios else { throw ValidationError("--watch and --format nagios do not mix") }
    }

    func run() async throws {
        let start = try connection.endpoint(
            url ?? local, option: url == nil ? "--local" : "URL", configured: try pair.pair()?.local)
        let given = try connection.otherEndpoint(master, option: "--master", like: start)
        let run = LagRun(url: start, master: given, timeout: connection.connectTimeout.duration)
        StopSignal.watch()
        if let watch { return try await self.watch(run, every: watch.duration) }
        do {
            var report = try await run.report()
            for _ in 1..<max(samples ?? 2, 1) {
                await Self.pause(Self.sampleInterval)
                report = try await run.report()
            }
            let output = LagOutput(format: format, warning: warning, critical: critical)
            Output.write(output.text(report, master: await run.masterAddress, isFirst: true, isWatching: false))
            if format == .nagios, output.nagios(report).code != 0 { throw ExitCode(output.nagios(report).code) }
        } catch let failure as LagRun.Failure {
            throw fail(failure)
        }
    }

    /// Reports until a signal comes, or `--samples` are made. A server that is away is said so, and looked for again.
    private func watch(_ run: LagRun, every interval: Duration) async throws {
        var left = samples ?? .max
        var isFirst = true
        while left > 0, !StopSignal.isReceived, !Output.isUnread {
            let next = ContinuousClock.now + interval
            do throws(LagRun.Failure) {
                let report = try await run.report()
                let isLive = format == .pretty && Output.usesColor
                if isLive { Output.clear() }
                let output = LagOutput(format: format, warning: nil, critical: nil)
                let address = await run.masterAddress
                Output.write(output.text(report, master: address, isFirst: isFirst, isWatching: true))
                isFirst = false
                if format == .pretty, !isLive { Output.write("\n") }
            } catch {
                Output.error("syncgate: \(error)")
            }
            left -= 1
            if left > 0 { await Self.pause(next - .now) }
        }
    }

    private static func pause(_ duration: Duration) async {
        let end = ContinuousClock.now + duration
        while !StopSignal.isReceived, ContinuousClock.now < end {
            do { try await Task.sleep(for: min(end - .now, .milliseconds(100)), tolerance: .zero) } catch { return }
        }
    }

    /// Says why there is no report. Plugins must say UNKNOWN on standard output, or CRITICAL when a server is away.
    private func fail(_ failure: LagRun.Failure) -> ExitCode {
        let (isAway, code): (Bool, Int32) =
            switch failure {
            case .unreachable: (true, 3)
            case .unsuitable: (false, 2)
            }
        guard format == .nagios else {
            Output.error("syncgate: \(failure)")
            return ExitCode(code)
        }
        Output.write("SYNCGATE \(isAway ? "CRITICAL" : "UNKNOWN") - \(failure)\n")
        return ExitCode(isAway ? 2 : 3)
    }
}
