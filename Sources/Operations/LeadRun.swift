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
        /// The most that may be lost, bytes: with a limit, nothing is promoted past a peer that cannot be asked.
        public var maxLossBytes: Int64?

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
        guard other == nil else { return await promote(losing: .none) }
        // Nobody knows what a peer that cannot be asked held beyond.
        if let limit = options.maxLossBytes {
            let refusal = Refusal.lossAboveLimit(bytes: nil, limit: limit)
            var refused = report(.refused, "\(refusal)")
            refused.reasonCode = refusal.code
            return refused
        }
        return await promote(losing: .unknown(.neverSampled))
    }

    private func promote(losing loss: Loss) async -> OperationReport {
        recorder.record("promoting", "SLAVEOF NO ONE is sent to \(options.local.url)")
        do throws(ServerTrouble) {
            try await ServerOrders.promote(servers.local)
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
        return recorder.report(result, code, reason, isDryRun: false)
    }
}
