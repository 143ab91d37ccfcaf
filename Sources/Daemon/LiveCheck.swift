internal import Glibc
internal import Operations
internal import RedisClient
internal import Replication

/// Looks at what surrounds a configuration: servers, network, rights. Read-only; takes some seconds, of which one is for
/// the rate of writes and some are for listening.
public struct LiveCheck: Sendable {
    private let configuration: DaemonConfiguration

    /// Of a configuration that was read.
    public init(_ configuration: DaemonConfiguration) { self.configuration = configuration }

    /// All findings, in the order of the file: the whole, then each virtual router.
    public func run() async -> [LiveFinding] {
        var findings = userFindings + folderFindings
        if let realTime = configuration.realTime { findings.append(LiveMachine.realTimeFinding(realTime)) }
        for router in configuration.virtualRouters {
            let machine = LiveMachine(router: router)
            async let segment = machine.segmentFindings()
            async let servers = Self.serverFindings(router)
            let name = router.node.name
            findings += machine.findings()
            findings += await (segment + servers).map { finding in
                var finding = finding
                finding.router = name
                return finding
            }
        }
        return findings
    }

    /// The command that checks as the unit runs the daemon: as its user, with its two capabilities.
    package static let asDaemonsUser =
        "systemd-run --pipe --wait -q -p User=syncgate -p StateDirectory=syncgate -p StateDirectoryMode=0700 "
        + "-p 'AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN' -p LimitRTPRIO=99 /usr/local/bin/syncgate check --live"

    /// Root may read and write everything: what it finds says nothing of a daemon that is another user.
    private var userFindings: [LiveFinding] {
        guard geteuid() == 0 else { return [] }
        return [
            LiveFinding(
                .note, "rights", "root",
                "this check runs as root, who may do everything: what only the daemon's user may not read or write is not seen",
                advice: "where the daemon has a user of its own, as in the unit: \(Self.asDaemonsUser)")
        ]
    }

    private var folderFindings: [LiveFinding] {
        let (state, salvage) = (configuration.stateDirectory, configuration.salvageDirectory)
        let isIn = salvage.hasPrefix(state + "/")
        return [
            FilePlace.isWritableFolder(state)
                ? LiveFinding(.ok, "folders", "state_directory", "\(state) can be written to")
                : LiveFinding(
                    .warning, "folders", "state_directory", "\(state) is not there, or cannot be written to",
                    advice:
                        "the unit syncgate.service makes it (StateDirectory); without the unit: install -d -m 700 \(state)"
                ),
            FilePlace.mayBecomeWritableFolder(salvage)
                ? LiveFinding(.ok, "folders", "salvage_directory", "\(salvage) can be written to, or made")
                : LiveFinding(
                    .warning, "folders", "salvage_directory",
                    "\(salvage) cannot be written to or made: a server whose writes would be saved there does not follow",
                    advice: isIn
                        ? "it is made in state_directory: see above"
                        : "install -d -m 700 \(salvage), owned by the daemon's user; in the unit: ReadWritePaths=\(salvage)"
                ),
        ]
    }

    // MARK: - Servers

    /// Long enough for a server that works, on a network that works.
    private static let timeout: Duration = .seconds(2)

    private static func serverFindings(_ router: VirtualRouterConfiguration) async -> [LiveFinding] {
        async let first = ask(router.local, "local")
        async let second = ask(router.peer, "peer")
        let (local, peer) = await (first, second)
        var findings: [LiveFinding] = []
        for (answer, other, endpoint) in [(local, peer, router.local), (peer, local, router.peer)] {
            switch answer {
            case .success(let server): findings += server.findings(other: other.server)
            case .failure(let error):
                findings.append(failure(error, endpoint, endpoint == router.local ? "local" : "peer"))
            }
        }
        if case .success(let server) = local {
            findings.append(LiveBootFence.finding(of: server))
            findings += LiveSnapshot.findings(of: server, router.divergence)
        }
        guard case .success(let here) = local, case .success(let there) = peer else { return findings }
        return findings + (await pairFindings(here, there, router))
    }

    private static func ask(_ endpoint: Endpoint, _ subject: String) async -> Result<LiveServer, RedisError> {
        do throws(RedisError) {
            return .success(try await LiveServer.ask(endpoint, subject: subject, timeout: timeout))
        } catch {
            return .failure(error)
        }
    }

    private static func failure(_ error: RedisError, _ endpoint: Endpoint, _ subject: String) -> LiveFinding {
        func finding(_ code: String, _ advice: String) -> LiveFinding {
            LiveFinding(.error, subject, code, "\(endpoint.url.place): \(error)", advice: advice)
        }
        switch error {
        case .refused, .unreachable, .connectTimedOut, .timedOut, .closed:
            return finding(
                "unreachable",
                subject == "local"
                    ? "start Redis, and see that it listens there (bind, port)"
                    : "start Redis there, and see that it listens on that address (bind) and no firewall is between")
        case .server(let reply) where reply.code == .noAuth || reply.code == .wrongPass:
            return finding("credentials", "give the password that the server has: password_file, and user with an ACL")
        case .server(let reply) where reply.message.hasPrefix("DENIED"):
            return finding("protected_mode", "set a password there, or bind and protected-mode no on a safe network")
        case .server(let reply) where reply.code == .noPerm:
            return finding("commands", "let this user send INFO at least; then all that is missing is told")
        case .tls: return finding("tls", "see ca_file, cert_file, key_file, server_name")
        case .protocolViolation, .server: return finding("unusable", "see the log of that server")
        }
    }

    // MARK: - The pair

    private static func pairFindings(
        _ local: LiveServer, _ peer: LiveServer, _ router: VirtualRouterConfiguration
    ) async -> [LiveFinding] {
        if local.info.server?.runID == peer.info.server?.runID {
            return [
                LiveFinding(
                    .error, "pair", "same_server", "both URLs lead to the same server",
                    advice: "give the other node's own address as the peer")
            ]
        }
        var findings: [LiveFinding] = []
        if let one = local.info.server?.version, let other = peer.info.server?.version,
            (one.major, one.minor) != (other.major, other.minor)
        {
            findings.append(
                LiveFinding(
                    .warning, "pair", "versions", "local is Redis \(one), the peer is \(other)",
                    advice: "an older Redis cannot read a newer one's full copy: bring both to the same version"))
        }
        if local.isMaster, peer.isMaster, local.info.keys ?? 0 > 0, peer.info.keys ?? 0 > 0 {
            findings.append(
                LiveFinding(
                    .warning, "pair", "two_masters", "both servers are masters and have data",
                    advice:
                        "syncgate demote --config --dry-run on the one to be given up says what it would lose"
                ))
        }
        return findings + [await reachFinding(local, peer, router)]
    }

    /// Whether the peer's Redis can replicate from ours. It cannot be asked to try: so whether it does, or else whether the
    /// address answers.
    private static func reachFinding(
        _ local: LiveServer, _ peer: LiveServer, _ router: VirtualRouterConfiguration
    ) async -> LiveFinding {
        guard let place = announced(router, peer) else {
            return LiveFinding(
                .warning, "pair", "announce", "nobody knows how the peer reaches this node's Redis",
                advice: "give announce")
        }
        if let link = peer.info.masterLink, link.isUp, local.isMaster {
            return LiveFinding(.ok, "pair", "announce", "the peer replicates from \(link.host):\(link.port)")
        }
        var endpoint = router.local
        endpoint.url.address = .tcp(host: place.host, port: place.port)
        switch await ask(endpoint, "local") {
        case .success(let server) where server.info.server?.runID == local.info.server?.runID:
            return LiveFinding(
                .ok, "pair", "announce",
                "this node's Redis listens on \(place), as the peer is told (a firewall would not show)")
        case .success:
            return LiveFinding(
                .error, "pair", "announce", "\(place), as the peer is told, is another server",
                advice: "give announce: how the peer reaches this node's Redis")
        case .failure(let error):
            return LiveFinding(
                .error, "pair", "announce", "the peer is told to replicate from \(place), and there: \(error)",
                advice: "have Redis listen there (bind, protected-mode), or give announce")
        }
    }

    private static func announced(_ router: VirtualRouterConfiguration, _ peer: LiveServer) -> HostPort? {
        if let announce = router.announce { return announce }
        guard let port = router.local.url.port, let host = peer.ownAddress else { return nil }
        return HostPort(host: host, port: port)
    }
}

extension Result<LiveServer, RedisError> {
    /// The server, where it answered.
    fileprivate var server: LiveServer? {
        if case .success(let server) = self { server } else { nil }
    }
}
