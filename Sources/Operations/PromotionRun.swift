import RedisClient
public import Replication

/// One promotion on real servers: connects, executes what `Promotion` decides, and tells step by step what happened.
///
/// Holds no decision of its own beyond what can be said before the gate: who the servers are, and whether they can be a
/// pair at all.
public struct PromotionRun: Sendable {
    /// What the operator asked for.
    public struct Options: Sendable {
        /// The server to promote.
        public var local: Endpoint
        /// Its master; `nil` for whom it follows, with the local server's credentials.
        public var master: Endpoint?
        /// How long to wait for the replica.
        public var timeout: Duration = .seconds(10)
        /// The limit for connecting, and for each command.
        public var connectTimeout: Duration = .seconds(1)
        /// What to do when the time is up.
        public var onTimeout: SyncGate.Policy.OnTimeout = .refuse
        /// The most that may be lost, bytes.
        public var maxLossBytes: Int64?
        /// Override refusals.
        public var force = false
        /// Leave the old master a master.
        public var keepMaster = false
        /// The local server's address as the old master reaches it.
        public var announce: (host: String, port: Int)?
        /// Change nothing.
        public var isDryRun = false
        /// Where the fence's journal goes; `nil` for the default folder.
        public var stateDirectory: String?
        /// Whether a signal asked us to stop. Asked between two events.
        public var isStopping: @Sendable () -> Bool = { false }
        /// What is known of the master. To one that is gone nothing is sent, and nothing waits for it.
        public var knownMaster: SyncGate.KnownMaster?
        /// A planned swap of roles, which a master that does not answer is no reason for.
        public var needsMaster = false
        var isMasterGone: Bool { knownMaster.map { $0.contact != .answering } ?? false }
        /// Called the moment the local server is master, before the old master's clients are disconnected. Must not wait.
        public var onPromoted: @Sendable () -> Void = {}
        /// Watch for a moment whether the old master's link to the new one comes up, and say so.
        public var watchesLink = true
        /// The program that guards a password fence, started with `fence-guard`; by default this one.
        package var guardProgram = FenceGuard.ownProgram

        /// Makes options with the defaults of the command line.
        public init(local: Endpoint) { self.local = local }
    }

    let options: Options
    let local: Server
    let journal: FenceJournal
    let recorder: StepRecorder
    private let isLocked: Bool
    private let servers: OpenServers?

    /// Makes a run. `report` is called with each step as it happens.
    public init(_ options: Options, report: @escaping @Sendable (Step) -> Void) {
        self.init(options, recorder: StepRecorder(report: report))
    }

    /// As the public form, over connections that are open already: `local` and `peer` are those of `options`.
    package init(_ options: Options, over servers: OpenServers, report: @escaping @Sendable (Step) -> Void) {
        self.init(options, recorder: StepRecorder(report: report), servers: servers)
    }

    /// `isLocked` says that this process has the journal's lock already; `servers` have connections that are open.
    init(_ options: Options, recorder: StepRecorder, isLocked: Bool = false, servers: OpenServers? = nil) {
        self.options = options
        self.isLocked = isLocked
        self.servers = servers
        local = servers?.local ?? Server(options.local, timeout: options.connectTimeout)
        journal = FenceJournal(
            directory: options.stateDirectory ?? FenceJournal.defaultDirectory(), local: options.local.url.addressText)
        self.recorder = recorder
    }

    /// Runs to the end. Never throws: what goes wrong is in the report.
    public func run() async -> OperationReport {
        var lock: FenceJournal.Lock?
        // A known master is not touched, and so is no fence: there is nothing to wait for.
        if !options.isDryRun, !isLocked, !options.isMasterGone {
            switch await journal.lock(waiting: options.timeout, recorder) {
            case .acquired(let acquired): lock = acquired
            case .busy: return await report(.refused, .refused, journal.busyReason)
            }
        }
        defer { withExtendedLifetime(lock) {} }
        let observation: Observation
        do throws(ServerTrouble) {
            observation = try await local.observePatiently()
        } catch {
            return await failure("the local server \(options.local.url): \(error)", trouble: error)
        }
        if let report = await unsuitable("local server", options.local, observation.info) { return report }
        recorder.record("local", Self.describe(options.local, observation.info))
        guard let link = observation.info.masterLink else { return await alreadyMaster() }
        let endpoint =
            options.master
            ?? Endpoint(
                url: RedisURL(
                    address: .tcp(host: link.host, port: link.port), usesTLS: options.local.url.usesTLS,
                    username: options.local.url.username, password: options.local.url.password),
                tls: options.local.tls)
        let master = servers?.peer ?? Server(endpoint, timeout: options.connectTimeout)
        if options.isMasterGone { return await promote(from: master, at: endpoint, knownBy: observation.info) }
        let resumed =
            options.isDryRun ? nil : await MasterFence.recover(journal, endpoint, recorder)
        return await promote(from: master, at: endpoint, local: observation.info, resumed: resumed)
    }

    /// The master is not asked: what is known of it is all there is.
    private func promote(
        from master: Server, at endpoint: Endpoint, knownBy info: ReplicationInfo
    ) async -> OperationReport {
        let policy = SyncGate.Policy(
            timeout: options.timeout, onTimeout: options.onTimeout, maxLossBytes: options.maxLossBytes,
            force: options.force, listedAs: .init(ips: [], ports: []), knownMaster: options.knownMaster)
        let loop = PromotionLoop(run: self, master: master, endpoint: endpoint, follow: nil)
        return await loop.run(Promotion.Request(policy: policy), first: nil)
    }

    private func promote(
        from master: Server, at endpoint: Endpoint, local info: ReplicationInfo, resumed: String?
    ) async -> OperationReport {
        var first: Observation?
        do throws(ServerTrouble) { first = try await master.observePatiently() } catch {
            recorder.record("master_unreachable", "the master \(endpoint.url): \(error)")
        }
        let known = first?.info
        if let known {
            if let report = await unsuitable("master", endpoint, known) { return report }
            if let id = known.server?.runID, id == info.server?.runID {
                return await usageError("\(endpoint.url) is the local server itself; give the other server as --master")
            }
            recorder.record("master", Self.describe(endpoint, known))
        } else if options.master != nil, let link = info.masterLink, link.isUp, await answers(link, like: endpoint) {
            // A silent or closed address says nothing about the master when the replica follows it by another one.
            recorder.record("master_alive", "\(link.host):\(link.port), which the local server follows, answers")
            let refusal = Refusal.masterHeard
            guard options.force else { return await report(.refused, .refused, "\(refusal)", remedy: refusal.remedy) }
        }
        let announced = await announcedAddress(master: master, endpoint: endpoint, info: known, local: info)
        var policy = SyncGate.Policy(
            timeout: options.timeout, onTimeout: options.onTimeout, maxLossBytes: options.maxLossBytes,
            force: options.force, listedAs: announced.listedAs, resumedMaster: resumed,
            knownMaster: options.knownMaster)
        policy.needsMaster = options.needsMaster
        let request = Promotion.Request(policy: policy, keepMaster: options.keepMaster)
        let loop = PromotionLoop(run: self, master: master, endpoint: endpoint, follow: announced.target)
        return await loop.run(request, first: first)
    }

    /// Whether the address that the local server follows answers, be it with an error.
    private func answers(_ link: ReplicationInfo.MasterLink, like endpoint: Endpoint) async -> Bool {
        var own = endpoint
        own.url.address = .tcp(host: link.host, port: link.port)
        guard own.url.address != endpoint.url.address else { return false }
        do throws(ServerTrouble) {
            _ = try await Server(own, timeout: options.connectTimeout).observe()
            return true
        } catch {
            return error.contact == nil
        }
    }

    /// The local server is master: finish what an interrupted run began, and say so.
    private func alreadyMaster() async -> OperationReport {
        var reason = "\(options.local.url) is master already; nothing to do"
        if !options.isDryRun, let entry = journal.read() {
            var url = options.master?.url ?? options.local.url
            do throws(RedisURLError) { url.address = try RedisURL(parsing: entry.master).address } catch {}
            let endpoint = Endpoint(url: url, tls: options.master?.tls ?? options.local.tls)
            let master = Server(endpoint, timeout: options.connectTimeout)
            _ = await MasterFence.recover(journal, endpoint, recorder)
            await finishInterrupted(master, endpoint: endpoint, runID: entry.masterRunID)
            reason = "\(options.local.url) is master; the interrupted promotion is finished"
            journal.deleteUnfenced()
        }
        return await report(.alreadyMaster, .done, reason)
    }

    private func finishInterrupted(_ master: Server, endpoint: Endpoint, runID: String) async {
        do throws(ServerTrouble) {
            let info = try await master.observe().info
            guard info.masterLink != nil, info.server?.runID == runID else { return }
            do throws(ServerTrouble) { _ = try await ServerOrders.disconnectClients(of: master) } catch {
                recorder.record("disconnect_failed", "clients of \(endpoint.url) stay connected to it: \(error)")
            }
            if info.server.map({ Fence.suited(for: $0.version) }) == .clientPause {
                _ = try await master.perform([MasterFence.endPause])
            }
            recorder.record("disconnected", "clients of the old master \(endpoint.url) are disconnected")
        } catch {
            recorder.record("master_unreachable", "the old master \(endpoint.url): \(error)")
        }
    }

    /// A server that cannot be one of a pair.
    private func unsuitable(_ name: String, _ endpoint: Endpoint, _ info: ReplicationInfo) async -> OperationReport? {
        guard let what = info.server?.unsuitability else { return nil }
        return await usageError("the \(name) \(endpoint.url) is \(what)")
    }

    static func describe(_ endpoint: Endpoint, _ info: ReplicationInfo) -> String {
        let version = info.server.map { " (Redis \($0.version))" } ?? ""
        guard let link = info.masterLink else {
            return "\(endpoint.url)\(version) is master at offset \(info.masterReplicationOffset), "
                + "\(info.replicas.count) replica(s)"
        }
        return "\(endpoint.url)\(version) is a replica of \(link.host):\(link.port), "
            + "link \(link.isUp ? "up" : "down"), applied \(link.appliedOffset)"
    }
}
