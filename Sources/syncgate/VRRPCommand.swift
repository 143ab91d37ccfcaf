import ArgumentParser
import Daemon
import Glibc
import LinuxNet
import VRRP

/// `syncgate vrrp`: one virtual router, or a listener.
struct VRRPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vrrp",
        abstract: "Run one virtual router (VRRP), or listen to all on a segment.",
        discussion: """
            Speaks VRRP with keepalived and others: versions 2 and 3, IPv4 and IPv6, multicast and unicast. Needs \
            root, or CAP_NET_RAW and CAP_NET_ADMIN. It moves addresses, and does nothing to Redis.
            """,
        subcommands: [VRRPRunCommand.self, VRRPWatchCommand.self],
        defaultSubcommand: VRRPRunCommand.self
    )
}

/// `syncgate vrrp`: runs until a signal comes.
struct VRRPRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run one virtual router until SIGINT or SIGTERM, and print each transition.",
        discussion: """
            While Active it holds the addresses, for a few seconds at a time: when it is killed or hangs, the kernel \
            drops them. At the end it removes them and hands over with priority 0. SIGUSR1 has it print its counters.
            """)

    @Option(help: ArgumentHelp("The interface of the heartbeat.", valueName: "name"))
    var interface: String

    @Option(help: ArgumentHelp("The virtual router's number, 1 to 255.", valueName: "n"))
    var vrid: Int

    @Option(help: ArgumentHelp("1 to 254; the highest is Active. 255: the owner of the addresses.", valueName: "n"))
    var priority = 100

    @Option(
        help: ArgumentHelp(
            "A virtual address, such as 198.51.100.100/24; may be repeated. 'A dev eth1 label eth1:vip' and A@eth1 put "
                + "it elsewhere. Those of the first one's family are advertised.",
            valueName: "address"))
    var address: [VirtualAddressArgument]

    @Option(name: .customLong("version"), help: ArgumentHelp("2 (keepalived's default) or 3.", valueName: "n"))
    var protocolVersion = ProtocolVersionArgument(.v3)

    @Option(
        help: ArgumentHelp(
            "Between two advertisements: v2 whole seconds, v3 10ms to 40.95s.", valueName: "time"))
    var interval = DurationArgument(.seconds(1))

    @Option(help: ArgumentHelp("Version 2: file with the password of up to 8 bytes (PASS).", valueName: "file"))
    var authPassFile: String?

    @Option(
        help: ArgumentHelp(
            "Send to this router instead of to the multicast group, and hear no others; may be repeated.",
            valueName: "address"))
    var peer: [AddressArgument] = []

    @Option(help: ArgumentHelp("The address to send from. Default: the interface's first.", valueName: "address"))
    var source: AddressArgument?

    @Option(
        help: ArgumentHelp(
            "With --peer: the least TTL or hop limit to accept. 64 for keepalived 2.2 over IPv6 unicast.",
            valueName: "n"))
    var minHopLimit: UInt8 = 255

    @Flag(name: .customLong("no-preempt"), help: "Do not take over from an Active router of lower priority.")
    var noPreempt = false

    @Option(help: ArgumentHelp("Hear out an Active router of lower priority for so long first.", valueName: "time"))
    var preemptDelay = DurationArgument(.zero)

    @Flag(
        name: .customLong("checksum-without-pseudo-header"),
        help: "Version 3 over IPv4: send the checksum that some other routers want.")
    var plainChecksum = false

    @Option(
        help: ArgumentHelp(
            "How long the kernel keeps the addresses when this process hangs; whole seconds, from 2s to 1h.",
            valueName: "time"))
    var addressLifetime = DurationArgument(.seconds(3))

    @Flag(help: "Real-time priority (SCHED_RR) and locked memory: for intervals under 100ms on a busy machine.")
    var realTime = false

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    /// What the arguments say, in the terms of the protocol.
    func configuration() throws -> StandaloneConfiguration {
        guard let id = VirtualRouterID(vrid) else {
            throw ValidationError("--vrid \(vrid): must be 1 to 255")
        }
        guard (1...255).contains(priority), let byte = UInt8(exactly: priority) else {
            throw ValidationError("--priority \(priority): must be 1 to 255")
        }
        let parameters = VirtualRouterParameters(
            version: protocolVersion.version, virtualRouterID: id, priority: Priority(byte),
            advertisementInterval: interval.duration, preempts: !noPreempt, preemptDelay: preemptDelay.duration,
            addresses: advertised, authentication: try authentication(),
            checksumCoverage: plainChecksum ? .message : .pseudoHeader)
        if let problem = parameters.problem { throw ValidationError("\(problem)") }
        let peers = peer.map(\.address)
        if let problem = PeerProblem.find(
            source: source?.address, peers: peers, minimumHopLimit: minHopLimit, family: parameters.family
        ).first {
            throw ValidationError("\(problem.option): \(problem.text(source: "--source", peers: "--peer"))")
        }
        var upkeep = AddressUpkeep.Settings()
        upkeep.lifetime = addressLifetime.duration
        guard AddressUpkeep.Settings.lifetimes.contains(upkeep.lifetime), upkeep.problem == nil else {
            throw ValidationError("--address-lifetime must be whole seconds, from 2s to 1h")
        }
        return StandaloneConfiguration(
            interface: interface, source: source?.address, parameters: parameters,
            virtualAddresses: address.map(\.value), peers: peers, minimumHopLimit: minHopLimit,
            upkeep: upkeep)
    }

    /// A virtual router is of one family, the first address's. The others come and go with these, unadvertised, as
    /// keepalived's `virtual_ipaddress_excluded`.
    private var advertised: [IPAddress] {
        address.map(\.value.address).filter { $0.family == address.first?.value.address.family }
    }

    private func authentication() throws -> Authentication {
        guard let authPassFile else { return .none }
        return .password(Array(try ConnectionOptions.password(in: authPassFile).utf8))
    }

    func validate() throws { _ = try configuration() }

    func run() async throws {
        let configuration = try configuration()
        StopSignal.watch()
        StatisticsSignal.watch()
        // Whoever read the output may be gone: that ends no virtual router.
        signal(SIGPIPE, SIG_IGN)
        let printer = VRRPPrinter(format: format)
        let thread = try start(configuration, printer)
        while !StopSignal.isReceived, !thread.isFinished {
            if StatisticsSignal.take() { thread.tellStatistics() }
            SignalPipe.wait(upTo: .seconds(1))
        }
        thread.stop()
        let failure = thread.join()
        await printer.finish()
        if let failure { throw failure.exit }
    }

    private func start(_ configuration: StandaloneConfiguration, _ printer: VRRPPrinter) throws -> StandaloneThread {
        do throws(SystemCallError) {
            return try StandaloneThread(
                [configuration], realTime: realTime ? RealTime.Settings(locksMemory: true) : nil,
                onEnd: SignalPipe.wake,
                notify: printer.take)
        } catch {
            throw error.exit
        }
    }
}

extension PeerProblem {
    /// The option that it is about.
    fileprivate var option: String {
        switch self {
        case .sourceFamily: "--source"
        case .peerFamily, .sourceNeeded, .group, .duplicatePeer: "--peer"
        case .hopLimitWithoutPeers: "--min-hop-limit"
        }
    }
}

extension SystemCallError {
    /// Says it on standard error, and is what the command ends with.
    var exit: ExitCode {
        Output.error("syncgate: \(self)")
        return ExitCode(2)
    }
}

/// A virtual address as an argument: `198.51.100.100/24`, `2001:db8::100`, `198.51.100.100/24@eth1`, or as in
/// keepalived `198.51.100.100/24 dev eth1 label eth1:vip`.
struct VirtualAddressArgument: ExpressibleByArgument {
    var value: VirtualAddress

    init?(argument: String) {
        guard let value = VirtualAddress(placement: argument) else { return nil }
        self.value = value
    }
}

/// An IP address as an argument.
struct AddressArgument: ExpressibleByArgument {
    var address: IPAddress

    init?(argument: String) {
        guard let address = IPAddress(argument) else { return nil }
        self.address = address
    }
}

/// The protocol's version as an argument.
struct ProtocolVersionArgument: ExpressibleByArgument {
    var version: ProtocolVersion

    init(_ version: ProtocolVersion) { self.version = version }

    init?(argument: String) {
        guard let number = UInt8(argument), let version = ProtocolVersion(rawValue: number) else { return nil }
        self.version = version
    }

    var defaultValueDescription: String { "\(version.rawValue)" }
    static var allValueStrings: [String] { ["2", "3"] }
}
