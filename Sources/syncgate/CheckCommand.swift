import ArgumentParser
import Daemon
import Operations
import Replication
import Salvage
import VRRP

/// `syncgate check`: what a configuration file means, and whether all around it is right.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check the daemon's configuration file; with --live, what is around it as well.",
        discussion: """
            Changes nothing. Exit codes: 0 no error; 1 --live found an error; 2 the file cannot be used; 3 --live could \
            not reach a server. Warnings and notes change nothing about that.
            """)

    @Argument(help: ArgumentHelp("The file. The same as --config.", valueName: "file"))
    var file: String?

    @OptionGroup var named: ConfigurationOption

    @Flag(help: "Look at both servers, the network and the rights too: read-only, some seconds.")
    var live = false

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    func validate() throws {
        guard file == nil || named.config == nil else {
            throw ValidationError("give either a file or --config, not both")
        }
    }

    func run() async throws {
        let path = named.config ?? file ?? ConfigurationOption.standard
        let read: ConfigurationFile
        do throws(ConfigurationError) { read = try ConfigurationFile(reading: path) } catch {
            if format == .json { Output.write(Output.json(CheckReport(error, path: path)) + "\n") }
            for line in "\(error)".split(separator: "\n") { Output.error("syncgate: \(line)") }
            throw ExitCode(2)
        }
        if format == .pretty { showMeaning(of: read) }
        let findings = live ? await LiveCheck(read.configuration).run() : []
        let code: Int32 =
            findings.contains(where: \.isUnreachable) ? 3 : findings.contains { $0.severity == .error } ? 1 : 0
        switch format {
        case .json: Output.write(Output.json(CheckReport(read, findings: findings, exitCode: code)) + "\n")
        case .pretty: show(findings)
        }
        if code != 0 { throw ExitCode(code) }
    }

    // MARK: - For people

    private func showMeaning(of file: ConfigurationFile) {
        Output.write(Output.colored("\(file.path) is valid", .green) + "\n")
        for line in CheckMeaning.lines(of: file.configuration) { Output.write("  \(line)\n") }
        for warning in file.warnings {
            let place = warning.line.map { "line \($0): " } ?? ""
            Output.write(Output.colored("warning", .yellow) + "  \(place)\(warning)\n")
        }
    }

    private func show(_ findings: [LiveFinding]) {
        for finding in findings {
            let name = finding.router.map { "\($0) " } ?? ""
            Output.write(
                Self.label(finding.severity) + "  " + "\(name)\(finding.subject)".padding(to: 16) + " "
                    + finding.text + "\n")
            if let advice = finding.advice, finding.severity != .ok {
                Output.write(String(repeating: " ", count: 26) + "→ \(advice)\n")
            }
        }
        guard live else { return }
        let counts = [LiveFinding.Severity.error, .warning, .note].map { severity in
            (severity, findings.count { $0.severity == severity })
        }
        let told = counts.filter { $0.1 > 0 }.map { "\($0.1) \($0.0.rawValue)\($0.1 == 1 ? "" : "s")" }
        Output.write((told.isEmpty ? "all is well" : told.joined(separator: ", ")) + "\n")
    }

    private static func label(_ severity: LiveFinding.Severity) -> String {
        let text = severity.rawValue.padding(to: 7)
        return switch severity {
        case .ok: Output.colored(text, .green)
        case .note: text
        case .warning: Output.colored(text, .yellow)
        case .error: Output.colored(text, .red)
        }
    }
}

/// What a configuration means, in short.
enum CheckMeaning {
    static func lines(of configuration: DaemonConfiguration) -> [String] {
        let control = configuration.control
        let mode = String(control.mode, radix: 8)
        var lines = [
            "node \(configuration.nodeName), state in \(configuration.stateDirectory), salvage in \(configuration.salvageDirectory), "
                + "control socket \(control.socket) (0\(mode))"
        ]
        if let realTime = configuration.realTime {
            let priority = realTime.priority.map { "priority \($0)" } ?? "no priority"
            lines.append("real time: \(priority)\(realTime.locksMemory ? ", locked memory" : "")")
        }
        for router in configuration.virtualRouters { lines += Self.lines(of: router) }
        return lines
    }

    private static func lines(of router: VirtualRouterConfiguration) -> [String] {
        let node = router.node
        let parameters = node.router
        let preempts = parameters.preempts ? "preempts after \(parameters.preemptDelay.text)" : "no preemption"
        let way =
            node.unicastPeers.isEmpty
            ? "multicast" : "unicast to \(node.unicastPeers.map(\.description).joined(separator: ", "))"
        let loss = node.policy.maxLossBytes.map { "at most \(Quantity.bytes(Double($0)))" } ?? "unlimited"
        let late = node.policy.promotesAfterTimeout ? "promotes it with what it has" : "refuses, and tries again"
        var lines = [
            "virtual router \(node.name): \(node.virtualAddresses.map(place).joined(separator: ", "))",
            "  VRID \(parameters.virtualRouterID) on \(router.interface), version \(parameters.version.rawValue), "
                + "priority \(parameters.priority), every \(parameters.advertisementInterval.text), \(preempts), \(way)",
            "  local \(router.local.url), peer \(router.peer.url)",
            "  a hung Redis counts as down after \(node.timing.downAfter.text); a node whose machine died is replaced after "
                + takeover(parameters),
            "  a failover waits \(node.timing.promoteTimeout.text) for a lagging replica, then \(late); loss allowed: \(loss)",
        ]
        lines.append("  writes that the new master lacks are \(router.divergence.meaning)")
        if !router.witnesses.isEmpty {
            lines.append("  witnesses \(router.witnesses.map(\.description).joined(separator: ", "))")
        }
        if node.policy.fencesIsolatedMaster { lines.append("  a master that is cut off stops acknowledging writes") }
        let hooks = router.hooks.keys.map(\.rawValue).sorted()
        if !hooks.isEmpty { lines.append("  hooks \(hooks.joined(separator: ", "))") }
        return lines
    }

    private static func place(_ address: VirtualAddress) -> String {
        "\(address)" + (address.interface.map { " dev \($0)" } ?? "")
    }

    /// Active_Down_Interval of the standby, by the priority of this file (RFC 9568 §6.1, RFC 3768 §6.1).
    private static func takeover(_ parameters: VirtualRouterParameters) -> String {
        let interval = parameters.advertisementInterval
        let unit: Duration = parameters.version == .v2 ? .seconds(1) : interval
        let skew = unit * Double(256 - Int(parameters.priority.rawValue)) / 256
        return "\(Quantity.decimal((interval * 3 + skew).inMilliseconds, 0)) ms"
    }
}

extension DivergencePolicy {
    /// What becomes of the writes that a server holds beyond its new master, before it follows.
    fileprivate var meaning: String {
        switch self {
        case .salvage: "saved before a server follows it: the writes, else a snapshot, else it does not follow"
        case .snapshot: "saved before a server follows it: a snapshot, else it does not follow"
        case .refuse: "left where they are: a server that has some does not follow"
        case .discard: "counted and discarded when a server follows it"
        }
    }
}

/// The result as JSON.
struct CheckReport: Encodable {
    /// A problem or a warning of the file.
    struct Problem: Encodable {
        let key: String
        @OrNull var router: String?
        @OrNull var line: Int?
        let text: String
    }
    /// A finding of `--live`.
    struct Finding: Encodable {
        let severity: String
        @OrNull var router: String?
        let subject: String
        let code: String
        let text: String
        @OrNull var advice: String?
    }

    let file: String
    let isValid: Bool
    let exitCode: Int32
    let problems: [Problem]
    let warnings: [Problem]
    let findings: [Finding]

    init(_ error: ConfigurationError, path: String) {
        file = path
        isValid = false
        exitCode = 2
        if case .unreadable(_, let reason) = error {
            problems = [Problem(key: "", router: nil, line: nil, text: reason)]
        } else {
            problems = error.problems.map(Self.problem)
        }
        warnings = []
        findings = []
    }

    init(_ read: ConfigurationFile, findings: [LiveFinding], exitCode: Int32) {
        file = read.path
        isValid = true
        self.exitCode = exitCode
        problems = []
        warnings = read.warnings.map(Self.problem)
        self.findings = findings.map {
            Finding(
                severity: $0.severity.rawValue, router: $0.router, subject: $0.subject, code: $0.code, text: $0.text,
                advice: $0.advice)
        }
    }

    private static func problem(_ problem: ConfigurationProblem) -> Problem {
        Problem(key: problem.key, router: problem.router, line: problem.line, text: "\(problem.kind)")
    }
}
