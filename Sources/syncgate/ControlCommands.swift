import ArgumentParser
import Daemon

/// Where the daemon is asked, and about which virtual router.
struct ControlOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's control socket.", valueName: "path"))
    var control = "/run/syncgate/control.sock"

    @Option(help: ArgumentHelp("The virtual router; not needed where there is just one.", valueName: "name"))
    var router: String?

    /// Asks, and ends the command where there is no answer: 3 where the daemon cannot be reached, 2 for a wrong request.
    func ask(_ command: String, limit: Int? = nil, wait: Duration = .seconds(10)) throws -> ControlAnswer {
        let request = ControlRequest(command: command, virtualRouter: router, limit: limit)
        let answer: ControlAnswer
        do throws(ControlClient.Trouble) {
            answer = try ControlClient.ask(request, socket: control, limit: wait)
        } catch {
            Output.error("syncgate: \(error)")
            throw ExitCode(3)
        }
        guard let failure = answer.error else { return answer }
        Output.error("syncgate: \(failure.text)")
        throw ExitCode(failure.code == "no_answer" || failure.code == "too_many_clients" ? 3 : 2)
    }
}

/// `syncgate status`.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show both nodes: election, Redis roles, lag, health, and who has the virtual addresses.")

    @OptionGroup var control: ControlOptions

    @Option(help: ArgumentHelp("Show it again and again, every second or at this interval.", valueName: "interval"))
    var watch: DurationArgument?

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    func validate() throws {
        guard (watch?.duration ?? .seconds(1)) >= .milliseconds(10) else {
            throw ValidationError("--watch must be at least 10ms")
        }
    }

    func run() async throws {
        guard let watch else { return try show() }
        StopSignal.watch()
        while !StopSignal.isReceived, !Output.isUnread {
            do { try show(isWatching: true) } catch is ExitCode {
                // Said already: the daemon may come back.
            }
            SignalPipe.wait(upTo: watch.duration)
        }
    }

    private func show(isWatching: Bool = false) throws {
        guard let report = try control.ask("status").status else { throw ExitCode(2) }
        if format == .json { return Output.write(Output.json(report, pretty: !isWatching) + "\n") }
        if isWatching, Output.usesColor { Output.clear() }
        Output.write(StatusOutput.text(report))
        if isWatching, !Output.usesColor { Output.write("\n") }
    }
}

/// `syncgate history`.
struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Show what this node did, and why: each transition with its cause, evidence, loss and timeline.")

    @OptionGroup var control: ControlOptions

    @Option(help: ArgumentHelp("How many of the last entries.", valueName: "n"))
    var limit = 20

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be 1 to 100000") }
    }

    func run() async throws {
        let entries = try control.ask("history", limit: limit).history ?? []
        if format == .json {
            Output.write(Output.json(entries) + "\n")
        } else {
            Output.write(entries.isEmpty ? "nothing has happened yet\n" : HistoryOutput.text(entries))
        }
    }
}

/// What `switchover`, `pause` and `resume` have in common.
struct OrderOptions: ParsableArguments {
    @OptionGroup var control: ControlOptions

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    /// Gives the order, and says what came of it: 0 done, 1 refused, 4 done with a possible loss.
    func give(_ command: String) throws {
        // The daemon answers in time, whatever happens; a switchover may take as long as it is configured to.
        guard let order = try control.ask(command, wait: .seconds(86_400)).order else { throw ExitCode(2) }
        if format == .json { Output.write(Output.json(order) + "\n") }
        guard order.done else {
            if format == .pretty { Output.error("syncgate: refused: \(order.text)") }
            throw ExitCode(1)
        }
        if format == .pretty {
            Output.write(Output.colored("done: \(order.text)", .green) + "\n")
            if let gap = order.writeGapMs { Output.write("  write gap  \(Quantity.decimal(gap, 1)) ms\n") }
            if command == "switchover" { Output.write("  loss       \(order.loss.detail)\n") }
        }
        if order.loss.kind != "none" { throw ExitCode(4) }
    }
}

/// `syncgate switchover`.
struct SwitchoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "switchover",
        abstract: "Hand role and addresses over to the other node, by the gate; on either node.")

    @OptionGroup var options: OrderOptions

    func run() async throws { try options.give("switchover") }
}

/// `syncgate pause`.
struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Maintenance: the daemon watches and reports, and moves nothing.")

    @OptionGroup var options: OrderOptions

    func run() async throws { try options.give("pause") }
}

/// `syncgate resume`.
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "End the maintenance.")

    @OptionGroup var options: OrderOptions

    func run() async throws { try options.give("resume") }
}
