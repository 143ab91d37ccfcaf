public import ArgumentParser
import Operations
import Replication
import Salvage

// What `--on-timeout` and `--on-divergence` may be.
extension SyncGate.Policy.OnTimeout: ExpressibleByArgument {}
extension DivergencePolicy: ExpressibleByArgument {}

/// How `promote` and `demote` are executed and what they print.
struct ExecutionOptions: ParsableArguments {
    @Flag(help: "Show what would happen, and change nothing.")
    var dryRun = false

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    @Option(
        help: ArgumentHelp(
            "Where a fence that does not expire by itself is journaled (Redis before 6.2).", valueName: "folder"))
    var stateDir: String?

    /// Runs it with its steps printed as they happen, then prints the report; a signal stops it in an orderly way.
    func perform(_ run: (@escaping @Sendable (Step) -> Void) async -> OperationReport) async throws {
        StopSignal.watch()
        let printer = StepPrinter(isSilent: format == .json)
        let report = await run(printer.report)
        await printer.finish()
        try OperationOutput(format: format).finish(report)
    }
}

/// `syncgate promote`.
struct PromoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote",
        abstract: "Promote the local Redis as soon as it provably has every write of its master.",
        discussion: """
            While the master lives: its writes are fenced, the local server catches up, the old master is made to \
            follow, its clients are disconnected, and the local server becomes master. A dead master is given up at \
            once, and what may be lost is printed.
            """)

    @Option(help: ArgumentHelp("The server to promote. Default: redis://127.0.0.1:6379.", valueName: "url"))
    var local: String?

    @Option(
        help: ArgumentHelp(
            "Its master. Default: the peer of --config, else whom the local server follows.", valueName: "url"))
    var master: String?

    @Option(help: ArgumentHelp("How long the replica may take to catch up.", valueName: "time"))
    var timeout = DurationArgument(.seconds(10))

    @Option(help: "What to do when the time is up.")
    var onTimeout = SyncGate.Policy.OnTimeout.refuse

    @Option(
        help: ArgumentHelp(
            "Refuse when more than this may be lost, or nobody knows how much (dead master, or --on-timeout promote).",
            valueName: "bytes"))
    var maxLossBytes: ByteCountArgument?

    @Flag(help: "Override refusals. What is lost is printed; no data set is destroyed.")
    var force = false

    @Flag(help: "Leave the old master a master.")
    var keepMaster = false

    @Option(
        help: ArgumentHelp("The local server's address as the old master reaches it.", valueName: "host:port"))
    var announce: HostPortArgument?

    @OptionGroup
    var execution: ExecutionOptions

    @OptionGroup
    var pair: PairOptions

    @OptionGroup(title: "Connection options")
    var connection: ConnectionOptions

    func run() async throws {
        let pair = try pair.pair()
        let endpoint = try connection.endpoint(local, option: "--local", configured: pair?.local)
        var options = PromotionRun.Options(local: endpoint)
        options.master = try connection.otherEndpoint(
            master, option: "--master", like: endpoint, configured: pair?.peer)
        options.timeout = timeout.duration
        options.connectTimeout = connection.connectTimeout.duration
        options.onTimeout = onTimeout
        options.maxLossBytes = maxLossBytes?.bytes
        options.force = force
        options.keepMaster = keepMaster
        options.announce = announce.map { ($0.host, $0.port) } ?? pair?.announce
        options.isDryRun = execution.dryRun
        options.stateDirectory = execution.stateDir ?? pair?.stateDirectory
        options.isStopping = { StopSignal.isReceived }
        try await execution.perform { [options] report in await PromotionRun(options, report: report).run() }
    }
}

/// `syncgate demote`.
struct DemoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demote",
        abstract: "Make the local Redis follow its peer, if that discards nothing.",
        discussion: """
            Where the peer is the local server's replica, the roles are swapped through the gate: nothing is lost, and \
            the peer is promoted. Refused where the peer is empty, loading or older, or never got some local writes.
            """)

    @Option(help: ArgumentHelp("The server to demote. Default: redis://127.0.0.1:6379.", valueName: "url"))
    var local: String?

    @Option(
        help: ArgumentHelp(
            "The server to follow, as the local server reaches it; needed without --config.", valueName: "url"))
    var peer: String?

    @Option(help: ArgumentHelp("How long the peer may take to catch up, and the link to come up.", valueName: "time"))
    var timeout = DurationArgument(.seconds(10))

    @Flag(help: "Follow although local writes are discarded: they are saved first, and counted.")
    var force = false

    @Option(
        help: ArgumentHelp(
            "How writes that the peer never got are kept before they are discarded. Default: what --config says, else salvage.",
            valueName: "policy"))
    var onDivergence: DivergencePolicy?

    @Option(
        help: ArgumentHelp("Where they are kept. Default: 'salvage' in the state folder.", valueName: "folder"))
    var salvageDir: String?

    @OptionGroup
    var execution: ExecutionOptions

    @OptionGroup
    var pair: PairOptions

    @OptionGroup(title: "Connection options")
    var connection: ConnectionOptions

    func run() async throws {
        let pair = try pair.pair()
        let endpoint = try connection.endpoint(local, option: "--local", configured: pair?.local)
        let other = try connection.otherEndpoint(peer, option: "--peer", like: endpoint, configured: pair?.peer)
        guard let other else { throw ValidationError("give the server to follow: --peer, or --config") }
        var options = DemotionRun.Options(local: endpoint, peer: other)
        options.timeout = timeout.duration
        options.connectTimeout = connection.connectTimeout.duration
        options.force = force
        options.salvage.policy = onDivergence ?? pair?.divergence ?? .salvage
        if let node = pair?.node { options.salvage.node = node }
        options.salvage.directory = salvageDir ?? (execution.stateDir == nil ? pair?.salvageDirectory : nil)
        options.isDryRun = execution.dryRun
        options.stateDirectory = execution.stateDir ?? pair?.stateDirectory
        options.isStopping = { StopSignal.isReceived }
        try await execution.perform { [options] report in await DemotionRun(options, report: report).run() }
    }
}
