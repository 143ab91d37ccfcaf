import RedisClient
public import Replication

/// Makes the local server master without a gate, for a pair in which nobody is master.
public struct LeadRun: Sendable {
    /// What was asked for.
    public struct Options: Sendable {
        /// The server to promote.
        public var local: Endpoint
        /// The other one.
        public var peer: Endpoint
        /// The limit for connecting, and for each command.
        public var connectTimeout: Duration = .seconds(1)

        /// Makes options.
        public init(local: Endpoint, peer: Endpoint) {
            self.local = local
            self.peer = peer
        }
    }

    private let options: Options
    private let servers: OpenServers
    private let recorder: StepRecorder

    /// Makes a run. `report` is called with each step as it happens, and must not wait.
    public init(_ options: Options, report: @escaping @Sendable (Step) -> Void) {
        let servers = OpenServers(local: options.local, peer: options.peer, timeout: options.connectTimeout)
        self.init(options, over: servers, report: report)
    }

    /// As the public form, over connections that are open already.
    package init(_ options: Options, over servers: OpenServers, report: @escaping @Sendable (Step) -> Void) {
        self.options = options
        self.servers = servers
        recorder = StepRecorder(report: report)
    }

    /// Runs to the end. Looks at both servers once more; a peer that cannot be asked is no objection. Never throws: what
    /// goes wrong is in the report.
    public func run() async -> OperationReport {
        let (local, peer) = (servers.local, servers.peer)
        async let ours = PromotionLoop.read(local)
        async let theirs = PromotionLoop.read(peer)
        let own: ReplicationInfo
        switch await ours {
        case .success(let observation): own = observation.info
        case .failure(let trouble): return report(.failed, "the local server \(options.local.url): \(trouble)")
        }
        recorder.record("local", PromotionRun.describe(options.local, own))
        var other: ReplicationInfo?
        switch await theirs {
        case .success(let observation):
            other = observation.info
            recorder.record("peer", PromotionRun.describe(options.peer, observation.info))
        case .failure(let trouble): recorder.record("peer_unreachable", "the peer \(options.peer.url): \(trouble)")
        }
        if let reason = Leading.obstacle(local: own, peer: other) {
            var refused = report(.refused, "\(reason)")
            refused.reasonCode = reason.code
            return refused
        }
        guard own.masterLink != nil else { return report(.alreadyMaster, "\(options.local.url) is master already") }
        // Nobody knows what a peer that cannot be asked held beyond.
        return await promote(losing: other == nil ? .unknown(.neverSampled) : .none)
    }

    private func promote(losing loss: Loss) async -> OperationReport {
        recorder.record("promoting", "SLAVEOF NO ONE is sent to \(options.local.url)")
        do throws(ServerTrouble) {
            try MasterFence.check(try await servers.local.perform([["SLAVEOF", "NO", "ONE"]], isRepeatable: true))
            recorder.record("promoted", "\(options.local.url) is master")
            var promoted = report(.promoted, "\(options.local.url) is master")
            promoted.loss = loss
            if loss.isPossible { promoted.exitCode = .lossPossible }
            return promoted
        } catch {
            return report(.failed, "the local server \(options.local.url): \(error)")
        }
    }

    private func report(_ result: OperationReport.Result, _ reason: String) -> OperationReport {
        let code: OperationReport.ExitCode =
            switch result {
            case .refused: .refused
            case .failed: .unreachable
            default: .done
            }
        return OperationReport(
            result: result, exitCode: code, reason: reason, remedy: nil, evidence: nil, loss: .none, writeGap: nil,
            isDryRun: false, steps: recorder.steps)
    }
}

/// Small orders to one server, each in one write.
public enum ServerOrders {
    /// `SLAVEOF 127.0.0.1 1`: read-only from now on, with the data set that it has, following nobody.
    package static func park(_ servers: OpenServers) async throws(ServerTrouble) { try await park(servers.local) }

    /// The same for one server.
    static func park(_ server: Server) async throws(ServerTrouble) {
        let (host, port) = ReplicationInfo.parking
        try MasterFence.check(try await server.perform([["SLAVEOF", host, String(port)]], isRepeatable: true))
    }

    /// Closes the connections of the local server's clients and subscribers; how many.
    package static func disconnectClients(_ servers: OpenServers) async throws(ServerTrouble) -> Int64 {
        var count: Int64 = 0
        for outcome in try await servers.local.perform(PromotionLoop.disconnectCommands, isRepeatable: true) {
            switch outcome {
            case .success(.integer(let closed)): count += closed
            case .success: break
            case .failure(let error): throw ServerTrouble(error)
            }
        }
        return count
    }

    /// How old a replica's acknowledgement may be, whole seconds. Replicas acknowledge once a second, so 1 would not be safe.
    private static let maximumLag = 2

    /// The local server takes writes only while so many replicas acknowledge them; 0 for no such condition.
    package static func fenceWrites(_ servers: OpenServers, minReplicas: Int) async throws(ServerTrouble) {
        var commands = [["CONFIG", "SET", "min-slaves-to-write", String(minReplicas)]]
        if minReplicas > 0 { commands.insert(["CONFIG", "SET", "min-slaves-max-lag", String(maximumLag)], at: 0) }
        try MasterFence.check(try await servers.local.perform(commands, isRepeatable: true))
    }

    /// Undoes what an interrupted run with `local` as the server to promote and `peer` as its master, or the other way
    /// round, has left: fences that nobody guards any more. Returns what was done, as steps.
    public static func recover(local: Endpoint, peer: Endpoint, stateDirectory: String) async -> [Step] {
        let recorder = StepRecorder { _ in }
        for (promoted, master) in [(local, peer), (peer, local)] {
            let journal = FenceJournal(directory: stateDirectory, local: promoted.url.addressText)
            guard journal.read() != nil, case .acquired(let lock) = await journal.lock(waiting: .zero) else { continue }
            _ = await MasterFence.recover(journal, master, recorder)
            withExtendedLifetime(lock) {}
        }
        return recorder.steps
    }
}
