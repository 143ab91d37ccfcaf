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

    /// Runs to the end. Looks at both servers once more; a peer that cannot be asked is no objection. One that is master, without
    /// a key, becomes read-only first. Never throws: what goes wrong is in the report.
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
        if let reason = Leading.obstacle(local: own, peer: other) { return refused("\(reason)", reason.code) }
        guard own.masterLink != nil else { return report(.alreadyMaster, "\(options.local.url) is master already") }
        let loss = Leading.loss(local: own, peer: other)
        if let limit = options.maxLossBytes, !loss.isWithin(limit) {
            let refusal = Refusal.lossAboveLimit(bytes: loss.bytes, limit: limit)
            return refused("\(refusal)", refusal.code, refusal.remedy)
        }
        if let other, other.masterLink == nil, let report = await park(besides: own) { return report }
        return await promote(losing: loss)
    }

    /// The peer is master, and has no key: it may get one at any moment. Read-only, it cannot become a second writable master.
    /// Returns why the local server is not promoted; `nil` where the peer is read-only, and as it was.
    private func park(besides own: ReplicationInfo) async -> OperationReport? {
        let (host, port) = ReplicationInfo.parking
        do throws(ServerTrouble) {
            let sentAt = ContinuousClock.now
            let outcomes = try await servers.peer.perform([["INFO"], ["SLAVEOF", host, String(port)]])
            try MasterFence.check(outcomes)
            let last = try Server.observation(outcomes[0], at: sentAt).info
            recorder.record("parked", "the peer \(options.peer.url) was an empty master, and is read-only now")
            guard let reason = Leading.obstacle(local: own, peer: last) else { return nil }
            try MasterFence.check(try await servers.peer.perform([["SLAVEOF", "NO", "ONE"]], isRepeatable: true))
            recorder.record("restored", "\(options.peer.url) was written to meanwhile, and is master again")
            return refused("\(reason)", reason.code)
        } catch {
            return report(.failed, "the peer \(options.peer.url): \(error)")
        }
    }

    private func refused(_ reason: String, _ code: String, _ remedy: String? = nil) -> OperationReport {
        var report = report(.refused, reason)
        (report.reasonCode, report.remedy) = (code, remedy)
        return report
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
