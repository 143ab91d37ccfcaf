import ArgumentParser
import Daemon
import LinuxNet
import Replication
import VRRP

/// `syncgate vrrp watch`: what an operator would otherwise read out of a packet dump.
struct VRRPWatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Listen, and show every virtual router heard on a segment.",
        discussion: "Sends nothing. Hears both families, both versions, unicast, and what this machine sends itself.")

    @Option(help: ArgumentHelp("The interface to listen on.", valueName: "name"))
    var interface: String

    @Option(help: ArgumentHelp("Between two reports.", valueName: "time"))
    var every = DurationArgument(.seconds(1))

    @Option(name: .customLong("for"), help: ArgumentHelp("End after so long. Default: never.", valueName: "time"))
    var limit: DurationArgument?

    @Option(help: "Output format; json is one line per report.")
    var format = OutputFormat.pretty

    func validate() throws {
        guard every.duration >= .milliseconds(100) else { throw ValidationError("--every must be at least 100ms") }
    }

    func run() async throws {
        StopSignal.watch()
        let survey: SegmentWatch
        do throws(SystemCallError) { survey = try SegmentWatch(interface: interface) } catch {
            throw error.exit
        }
        let start = ContinuousClock.now
        let end = limit.map { start + $0.duration }
        var next = start
        while !StopSignal.isReceived, !Output.isUnread, !survey.isFinished, end.map({ next < $0 }) ?? true {
            // Who was suspended, or waited for the terminal, does not catch up.
            next = max(next + every.duration, .now)
            if let end { next = min(next, end) }
            SignalPipe.wait(upTo: next - .now)
            show(survey.snapshot)
        }
        survey.stop()
        if let failure = survey.join() { throw failure.exit }
    }

    private func show(_ survey: SegmentSurvey) {
        let report = VRRPSurveyReport(survey, interface: interface, now: .now)
        switch format {
        case .json: Output.write(Output.json(report, pretty: false) + "\n")
        case .pretty:
            if Output.usesColor { Output.clear() }
            Output.write(report.table + (Output.usesColor ? "" : "\n"))
        }
    }
}

/// What was heard, for printing.
struct VRRPSurveyReport: Encodable {
    /// One sender of one virtual router.
    struct Router: Encodable {
        @OrNull var vrid: Int?
        @OrNull var version: Int?
        let family: String
        let sender: String
        @OrNull var priority: Int?
        @OrNull var authentication: String?
        @OrNull var intervalMs: Double?
        @OrNull var measuredIntervalMs: Double?
        @OrNull var jitterMs: Double?
        @OrNull var maxJitterMs: Double?
        let packets: Int
        let heardMsAgo: Double
        let addresses: [String]
        let problems: [String]
    }

    let interface: String
    let routers: [Router]

    init(_ survey: SegmentSurvey, interface: String, now: ContinuousClock.Instant) {
        self.interface = interface
        routers = survey.routers.map { router in
            let advertisement = router.advertisement
            let regularity = router.regularity
            return Router(
                vrid: advertisement.map { Int($0.virtualRouterID.rawValue) },
                version: advertisement.map { Int($0.version.rawValue) },
                family: router.sender.family == .ipv4 ? "ipv4" : "ipv6", sender: "\(router.sender)",
                priority: advertisement.map { Int($0.priority.rawValue) },
                authentication: advertisement.map { $0.authentication == .none ? "none" : "password" },
                intervalMs: advertisement?.interval.inMilliseconds,
                measuredIntervalMs: regularity.meanInterval?.inMilliseconds,
                jitterMs: regularity.meanDeviation?.inMilliseconds,
                maxJitterMs: regularity.maxDeviation?.inMilliseconds, packets: router.packets,
                heardMsAgo: (now - router.lastHeard).inMilliseconds,
                addresses: advertisement?.addresses.map(\.description) ?? [],
                problems: survey.problems(of: router, now: now).map(\.description))
        }
    }

    /// A table of at most 100 columns, where addresses and problems that need more stand below their router.
    var table: String {
        guard !routers.isEmpty else { return "no VRRP heard on \(interface) yet\n" }
        let head = Output.colored(
            "VRID VER PRIO SENDER                    INTERVAL    JITTER mean/max  ADDRESSES", .bold)
        return ([head] + routers.flatMap(\.lines)).joined(separator: "\n") + "\n"
    }
}

extension VRRPSurveyReport.Router {
    fileprivate var lines: [String] {
        let numbers = [
            (vrid.map(String.init) ?? "-").padding(from: 4), (version.map(String.init) ?? "-").padding(from: 3),
            (priority.map(String.init) ?? "-").padding(from: 4),
        ]
        let jitter =
            jitterMs.map { Quantity.decimal($0, 2) + "/" + Quantity.decimal(maxJitterMs ?? 0, 2) + " ms" } ?? "-"
        let interval = intervalMs.map { Quantity.decimal($0, 0) + " ms" } ?? "-"
        let start =
            numbers.joined(separator: " ") + " " + sender.padding(to: 25) + " " + interval.padding(to: 11) + " "
            + jitter.padding(to: 16) + " "
        let more = addresses.dropFirst().map { String(repeating: " ", count: 69) + $0 }
        return [start + (addresses.first ?? "")] + more
            + problems.map { "     " + Output.colored("! " + $0, .yellow) }
    }
}
