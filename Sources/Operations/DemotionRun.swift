import RedisClient
public import Replication
import Salvage

/// One demotion on real servers: makes the local server follow the peer, if that discards nothing.
///
/// Where the peer is the local server's replica, this is a switchover: the gate is passed with the roles seen from the
/// other side, and the peer is promoted. Otherwise nobody would be master until somebody promotes it.
public struct DemotionRun: Sendable {
    /// What the operator asked for.
    public struct Options: Sendable {
        /// The server to demote.
        public var local: Endpoint
        /// The server to follow.
        public var peer: Endpoint
        /// How long to wait for the peer, and for the link.
        public var timeout: Duration = .seconds(10)
        /// The limit for connecting, and for each command.
        public var connectTimeout: Duration = .seconds(1)
        /// Follow although local writes are discarded.
        public var force = false
        /// Change nothing.
        public var isDryRun = false
        /// Where the fence's journal goes; `nil` for the default folder.
        public var stateDirectory: String?
        /// Whether a signal asked us to stop.
        public var isStopping: @Sendable () -> Bool = { false }
        /// What may be done, where `force` does not say it.
        public var limits: Demotion.Purpose?
        /// Called the moment the peer is master, before the local server's clients are disconnected. Must not wait.
        public var onPromoted: @Sendable () -> Void = {}
        /// Wait until the link to the peer is up.
        public var watchesLink = true
        /// How what following would discard is kept.
        public var salvage = SalvageOptions()
        /// The program that guards a password fence, started with `fence-guard`; by default this one.
        package var guardProgram = FenceGuard.ownProgram

        var purpose: Demotion.Purpose { limits ?? .demote(force: force) }

        /// Makes options with the defaults of the command line.
        public init(local: Endpoint, peer: Endpoint) {
            self.local = local
            self.peer = peer
        }
    }

    private let options: Options
    private let local: Server
    private let peer: Server
    private let recorder: StepRecorder
    private let journal: FenceJournal

    /// Makes a run. `report` is called with each step as it happens, and must not wait.
    public init(_ options: Options, report: @escaping @Sendable (Step) -> Void) {
        let servers = OpenServers(local: options.local, peer: options.peer, timeout: options.connectTimeout)
        self.init(options, over: servers, report: report)
    }

    /// As the public form, over connections that are open already.
    package init(_ options: Options, over servers: OpenServers, report: @escaping @Sendable (Step) -> Void) {
        self.options = options
        (local, peer) = (servers.local, servers.peer)
        recorder = StepRecorder(report: report)
        journal = FenceJournal(
            directory: options.stateDirectory ?? FenceJournal.defaultDirectory(), local: options.peer.url.addressText)
    }

    /// Runs to the end. Never throws: what goes wrong is in the report.
    public func run() async -> OperationReport {
        var lock: FenceJournal.Lock?
        if !options.isDryRun {
            switch await journal.lock(waiting: options.timeout, recorder) {
            case .acquired(let acquired): lock = acquired
            case .busy: return report(.refused, .refused, journal.busyReason)
            }
            _ = await MasterFence.recover(journal, options.local, recorder)
        }
        defer { withExtendedLifetime(lock) {} }
        let (ours, theirs): (ReplicationInfo, ReplicationInfo)
        do throws(ServerTrouble) { ours = try await local.observePatiently().info } catch {
            return failure("the local server \(options.local.url): \(error)", error)
        }
        do throws(ServerTrouble) { theirs = try await peer.observePatiently().info } catch {
            return failure("the peer \(options.peer.url): \(error)", error)
        }
        if let report = unsuitable(ours, theirs) { return report }
        guard case .tcp(let host, let port) = options.peer.url.address else {
            return report(
                .failed, .usage, "the local server cannot follow \(options.peer.url); give the peer as host:port")
        }
        if NetworkAddress.isLoopback(host), let own = options.local.url.host, !NetworkAddress.isLoopback(own) {
            return report(
                .failed, .usage, "\(own) would reach itself at \(host); give --peer as the local server reaches it")
        }
        recorder.record("local", PromotionRun.describe(options.local, ours))
        recorder.record("peer", PromotionRun.describe(options.peer, theirs))
        recordOverridden(ours, theirs)
        let report = await act(on: settled(ours, theirs), (ours, theirs), (host, port))
        // Whatever an interrupted run had begun is overtaken by now.
        if report.result == .demoted || report.result == .alreadyReplica, !options.isDryRun { journal.deleteUnfenced() }
        return report
    }

    /// Servers that are no pair, whatever their states are.
    private func unsuitable(_ ours: ReplicationInfo, _ theirs: ReplicationInfo) -> OperationReport? {
        for (name, endpoint, info) in [("local server", options.local, ours), ("peer", options.peer, theirs)] {
            guard let what = info.server?.unsuitability else { continue }
            return report(.failed, .usage, "the \(name) \(endpoint.url) is \(what)")
        }
        if let id = ours.server?.runID, id == theirs.server?.runID {
            return report(
                .failed, .usage, "\(options.peer.url) is the local server itself; give the other server as --peer")
        }
        return nil
    }

    private func settled(_ ours: ReplicationInfo, _ theirs: ReplicationInfo) -> Demotion.Decision {
        Demotion.settle(decide(ours, theirs), for: options.purpose, local: ours, peer: theirs)
    }

    private func recordOverridden(_ ours: ReplicationInfo, _ theirs: ReplicationInfo) {
        guard case .refuse(let reason) = decide(ours, theirs), case .follow = settled(ours, theirs) else { return }
        let what = options.limits == nil ? "forced" : "accepted"
        recorder.record(what, "\(reason); \(what)")
    }

    private func decide(_ ours: ReplicationInfo, _ theirs: ReplicationInfo) -> Demotion.Decision {
        Demotion.decide(
            local: ours, peer: theirs,
            peerFollowsLocal: theirs.masterLink.map {
                follows($0, options.local, ours, by: theirs)
            } ?? false,
            localFollowsPeer: ours.masterLink.map {
                follows($0, options.peer, theirs, by: ours)
            } ?? false)
    }

    /// Whether a server's link leads to this other one: the port must be its own, and the host the one we know it by, or the
    /// history must say so, or before Redis 4 itself.
    private func follows(
        _ link: ReplicationInfo.MasterLink, _ endpoint: Endpoint, _ info: ReplicationInfo, by follower: ReplicationInfo
    ) -> Bool {
        guard link.port == info.server?.port || endpoint.url.port == link.port else { return false }
        if link.host == endpoint.url.host { return true }
        if link.isUp, info.identity != nil, SyncGate.isSameHistory(follower, info) { return true }
        if link.isUp, follower.isListed(by: info) { return true }
        return NetworkAddress.isLoopback(link.host) && endpoint.url.host.map(NetworkAddress.isLoopback) == true
    }

    private func act(
        on decision: Demotion.Decision, _ servers: (ours: ReplicationInfo, theirs: ReplicationInfo),
        _ target: (host: String, port: Int)
    ) async -> OperationReport {
        let resync = FullResync.words(
            for: servers.ours, from: servers.theirs, at: options.peer.url, isAhead: decision.findsSurplus)
        switch decision {
        case .alreadyFollows:
            return await awaitLink(.alreadyReplica, loss: .none, "it follows \(options.peer.url) already")
        case .swapRoles:
            return await swapRoles()
        case .refuse(let reason):
            // So few bytes may be nothing but the master's own PINGs.
            guard let bytes = reason.bytes, DivergencePolicy.mayBeBookkeeping(bytes), !options.isDryRun else {
                return refused(reason, decision.findsSurplus ? resync : nil)
            }
            return await follow(target, discarding: .bytes(bytes), resync)
        case .follow(let discarded):
            return await follow(target, discarding: discarded, resync)
        }
    }

    private func swapRoles() async -> OperationReport {
        recorder.record(
            "switchover", "the peer is the local server's replica: it is promoted, and the roles are swapped")
        var promotion = PromotionRun.Options(local: options.peer)
        promotion.master = options.local
        promotion.timeout = options.timeout
        promotion.connectTimeout = options.connectTimeout
        promotion.isDryRun = options.isDryRun
        promotion.stateDirectory = options.stateDirectory
        promotion.isStopping = options.isStopping
        promotion.onPromoted = options.onPromoted
        promotion.watchesLink = options.watchesLink
        promotion.needsMaster = options.limits == .handOver
        promotion.guardProgram = options.guardProgram
        if case .tcp(let host, let port) = options.peer.url.address { promotion.announce = (host, port) }
        let servers = OpenServers(local: peer, peer: local)
        var report = await PromotionRun(promotion, recorder: recorder, isLocked: true, servers: servers).run()
        switch report.result {
        case .promoted where options.isDryRun:
            report.result = .demoted
            report.reason = "\(options.local.url) would follow \(options.peer.url) (dry run, nothing was changed)"
        case .promoted:
            let link = await awaitLink(.demoted, loss: report.loss, report.reason)
            report.result = link.result
            if link.exitCode == .unreachable {
                (report.exitCode, report.reason, report.remedy) = (link.exitCode, link.reason, link.remedy)
            }
        case .alreadyMaster:
            return await awaitLink(.demoted, loss: .none, "the peer was promoted meanwhile")
        case .refused:
            report.remedy =
                "to accept that: syncgate promote --local \(options.peer.url.addressText) "
                + "--master \(options.local.url.addressText)\(options.peer.loginOptions(with: options.local)) "
                + "with --on-timeout promote or --force"
        case .demoted, .alreadyReplica, .failed: break
        }
        report.steps = recorder.steps
        return report
    }

    /// Makes safe what the peer never got, and only then follows: `RejoinRun`.
    private func follow(
        _ target: (host: String, port: Int), discarding: Demotion.Discarded, _ resync: String?
    ) async -> OperationReport {
        if options.isDryRun {
            recorder.record(
                "would_demote", "would send SLAVEOF \(target.host) \(target.port), discarding \(discarding)")
            if discarding != .nothing {
                recorder.record(
                    "would_salvage", "on_divergence is \"\(options.salvage.policy.rawValue)\"; to \(folder)")
            }
            if let resync { recorder.record(FullResync.step, resync) }
            return report(
                .demoted, discarding == .nothing ? .done : .lossPossible,
                "\(options.local.url) would follow \(options.peer.url) (dry run, nothing was changed)",
                loss: discarding.loss)
        }
        let run = RejoinRun(
            old: local, new: peer, target: target, newURL: options.peer.url,
            fence: MasterFence(master: local, journal: journal, guardProgram: options.guardProgram),
            options: options.salvage, folder: folder, recorder: recorder, isStopping: options.isStopping,
            decide: { settled($0, $1) }, acceptsSurplus: options.purpose.acceptsSurplus)
        switch await run.run() {
        case .followed(let account):
            let loss = account.missing?.loss ?? .unknown(.notComparable)
            var report = await awaitLink(.demoted, loss: loss, "it follows \(options.peer.url)")
            report.account = account
            return report
        case .overtaken:
            return await awaitLink(.demoted, loss: .none, "another run made it follow \(options.peer.url) meanwhile")
        case .refused(let reason): return refused(reason, resync)
        case .leaked(let bytes): return refused(.wouldDiscard(.bytes(bytes)), resync)
        case .keptBack(let refusal): return keptBack(refusal)
        case .failed(let words):
            return report(.failed, .unreachable, "the local server \(options.local.url): \(words)")
        case .aborted:
            return report(.refused, .refused, "a signal came first; \(options.local.url) is as it was")
        }
    }

    private var folder: String {
        options.salvage.directory ?? SalvageFolder.standard(stateDirectory: options.stateDirectory)
    }

    /// What it holds could not be made safe, so it was left as it was.
    private func keptBack(_ refusal: SalvageRefusal) -> OperationReport {
        let isUnreachable = if case .unreachable = refusal { true } else { false }
        var report = report(
            isUnreachable ? .failed : .refused, isUnreachable ? .unreachable : .refused,
            "\(options.local.url) was not made to follow \(options.peer.url): \(refusal)", remedy: refusal.remedy)
        report.reasonCode = refusal.code
        return report
    }

    /// Waits until the link is up. A full copy that is still running at the end is no failure.
    private func awaitLink(
        _ result: OperationReport.Result, loss: Loss, _ reason: String
    ) async -> OperationReport {
        guard options.watchesLink else {
            return report(
                result, loss.isPossible ? .lossPossible : .done, "\(options.local.url): \(reason)", loss: loss)
        }
        let end = ContinuousClock.now + options.timeout
        var resync: ReplicationInfo.FullResync?
        while true {
            do throws(ServerTrouble) {
                let info = try await local.observe().info
                resync = info.masterLink?.fullResync
                if info.masterLink?.isUp == true {
                    recorder.record("link_up", "the link to \(options.peer.url) is up")
                    let code: OperationReport.ExitCode = loss.isPossible ? .lossPossible : .done
                    return report(result, code, "\(options.local.url): \(reason), and its link is up", loss: loss)
                }
            } catch {
                return failure("the local server \(options.local.url): \(error)", error)
            }
            if ContinuousClock.now >= end || options.isStopping() { break }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { break }
        }
        if let resync {
            let left = resync.leftBytes.map { ", \($0) bytes to go" } ?? ""
            let code: OperationReport.ExitCode = loss.isPossible ? .lossPossible : .done
            return report(
                result, code, "\(options.local.url): \(reason); a full copy is in progress\(left)", loss: loss)
        }
        return report(
            .failed, .unreachable, "\(options.local.url): \(reason), but its link is not up after \(options.timeout)",
            remedy: "look at its log, and at masterauth if the peer has a password", loss: loss)
    }

    /// `resync`: what overriding it would cost.
    private func refused(_ reason: Demotion.Reason, _ resync: String?) -> OperationReport {
        let remedy = reason.remedy + (resync.map { "; then \($0)" } ?? "")
        var report = report(.refused, .refused, "\(reason)", remedy: remedy, loss: reason.prospectiveLoss)
        report.reasonCode = reason.code
        return report
    }

    private func failure(_ reason: String, _ trouble: ServerTrouble) -> OperationReport {
        report(.failed, trouble.contact == nil ? .usage : .unreachable, reason)
    }

    private func report(
        _ result: OperationReport.Result, _ code: OperationReport.ExitCode, _ reason: String, remedy: String? = nil,
        loss: Loss = .none
    ) -> OperationReport {
        recorder.report(result, code, reason, remedy: remedy, loss: loss, isDryRun: options.isDryRun)
    }
}
