import Foundation
public import NetworkLab
import RedisLab

/// One failover of a settled pair under writers, and everything that can be found out about it afterwards.
public struct Trial: Sendable {
    /// What came of it.
    public struct Result: Sendable {
        /// What was planned.
        public var plan: TrialPlan
        /// The judgement.
        public var verdict: Verdict
        /// The node that served before, and the one that served after.
        public var nodes: (before: Int, after: Int)
        /// From the event's end (what was taken away is back) to the settled pair.
        public var settled: Duration
        /// How many full copies the new master gave.
        public var fullSyncs: Int
        /// How many salvage files and snapshots were kept.
        public var kept: (files: Int, snapshots: Int)
    }

    /// The pair settles so soon, or a promise is broken.
    private static let settling = Duration.seconds(40)

    let pair: PairLab
    let plan: TrialPlan

    /// A failover of that pair.
    public init(_ pair: PairLab, _ plan: TrialPlan) { (self.pair, self.plan) = (pair, plan) }

    /// A pair for a plan, started and settled. Its kernels keep little between two servers: what a replica that stands still
    /// has not read waits in its master, and dies with it.
    public static func pair(for plan: TrialPlan) async throws -> PairLab {
        var settings = PairLab.Settings(plan.version)
        settings.redis.keepsData = plan.persistence != .none
        if plan.persistence != .none {
            settings.redis.more = ["appendfsync \(plan.persistence.rawValue)", "auto-aof-rewrite-percentage 0"]
        }
        let pair = try await PairLab(settings)
        do {
            for node in pair.nodes {
                for name in ["tcp_rmem", "tcp_wmem"] {
                    let command = "echo 4096 8192 16384 > /proc/sys/net/ipv4/\(name)"
                    try await pair.lab.run(["sh", "-c", command], in: node.leaf)
                }
            }
            // Whichever comes to serve: on a busy machine it need not be node 1.
            for node in pair.nodes { try await node.daemon.start() }
            _ = try await pair.waitUntilSettled()
        } catch {
            FileHandle.standardError.write(Data("\(error)\n\(pair.logs)".utf8))
            await pair.lab.remove()
            throw error
        }
        return pair
    }

    /// Lets it happen, waits until the pair has settled, and judges. `rate`: writes in a second through the virtual address;
    /// nil: as fast as it goes.
    ///
    /// Throws where the pair does not settle, or the lab fails.
    public func run(rate: Int? = nil) async throws -> Result {
        guard let old = try await pair.holder() else { throw LabError.malformed("no node serves alone") }
        try await old.redis.ask(["FLUSHALL"], timeout: .seconds(20))
        try await pair.waitUntilServing(old)
        let before = try await Standing(pair)
        let writers = try await TrialWriters(pair, old, rate: rate)
        try await Task.sleep(for: plan.warmUp)
        try await happen(to: old)
        let start = ContinuousClock.now
        let serving = try await pair.waitUntilSettled(within: Self.settling)
        let settled = ContinuousClock.now - start
        let notes = try await writers.stop()
        let after = try await Standing(pair)
        var sight = try await look(at: serving, notes, before, after)
        let kept = (sight.files.count, sight.snapshots.count)
        if try await Salvaging.canReplay() { try await replay(&sight, to: serving, since: before) }
        var expectation = plan.expectation
        // One that did not move had no reason to be copied, or not to be.
        if serving.leaf == old.leaf { expectation.isPartial = false }
        return Result(
            plan: plan, verdict: Verdict(sight, expectation), nodes: (old.leaf.number, serving.leaf.number),
            settled: settled, fullSyncs: sight.fullSyncs.map { $0.after - $0.before } ?? 0, kept: kept)
    }

    // MARK: - What happens

    private func happen(to old: PairLab.Node) async throws {
        let new = pair.peer(of: old)
        if plan.freeze > .zero {
            new.redis.signal(SIGSTOP)
            try await Task.sleep(for: plan.freeze)
        }
        async let thawed: Void = thaw(new)
        let start = ContinuousClock.now
        try await takeAway(from: old)
        await thawed
        if plan.event == .redisHung || plan.event == .cutOff {
            try await waitUntil("node \(new.leaf.number) takes over", within: .seconds(20), pause: .milliseconds(20)) {
                try await new.redis.info()["role"] == "master"
            }
        }
        if plan.event == .switchover { return }
        try await Task.sleep(until: start + plan.back)
        try await giveBack(to: old)
        guard plan.event == .redisKilled else { return }
        try await waitUntil("node \(new.leaf.number) takes over", within: .seconds(20), pause: .milliseconds(20)) {
            try await new.redis.info()["role"] == "master"
        }
    }

    private func thaw(_ node: PairLab.Node) async {
        // Cut short, it goes on all the sooner.
        try? await Task.sleep(for: plan.thaw)
        node.redis.signal(SIGCONT)
    }

    private func takeAway(from old: PairLab.Node) async throws {
        switch plan.event {
        case .redisKilled: await old.redis.kill()
        case .redisHung: old.redis.signal(SIGSTOP)
        case .cutOff: try await pair.lab.cut(old.leaf, plan.isSilent ? .silent : .cable)
        case .daemonKilled: await old.daemon.kill()
        case .switchover: try await switchOver(old)
        }
    }

    /// Refused while the replica, which was held back, has not been heard of again: as an operator, a moment later once more.
    private func switchOver(_ old: PairLab.Node) async throws {
        var attempts = 10
        while true {
            let outcome = try await old.daemon.command(["switchover"])
            if outcome.exitCode == 0 { return }
            attempts -= 1
            guard attempts > 0 else {
                throw LabError.command("syncgate switchover", output: outcome.output + outcome.errors)
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    private func giveBack(to old: PairLab.Node) async throws {
        switch plan.event {
        case .redisKilled: try await old.redis.start()
        case .redisHung: old.redis.signal(SIGCONT)
        case .cutOff: try await pair.lab.mend(old.leaf, plan.isSilent ? .silent : .cable)
        case .daemonKilled: try await old.daemon.start()
        case .switchover: break
        }
    }

    // MARK: - What is found

    private func look(
        at serving: PairLab.Node, _ notes: [LabWriter.Notes], _ before: Standing, _ after: Standing
    ) async throws -> Sight {
        var sight = Sight(writers: notes, master: try await Reading.held(by: serving.redis.url, of: notes))
        sight.complaints = before.complaints(after)
        sight.fullSyncs = (before.fullSyncs[serving.leaf.number - 1], after.fullSyncs[serving.leaf.number - 1])
        for node in pair.nodes {
            let folder = KeptFiles(node.daemon.salvageDirectory)
            for name in after.added(since: before, node) {
                if KeptFiles.isSnapshot(name) {
                    sight.snapshots[name] = try await folder.snapshot(name, version: plan.version, of: notes)
                } else if KeptFiles.isWrites(name) {
                    do { sight.files.append(try folder.writes(in: name, of: notes)) } catch {
                        sight.complaints.append("\(name): \(error)")
                    }
                }
            }
        }
        if sight.master.repeated > 0 { sight.complaints.append("\(sight.master.repeated) elements were pushed twice") }
        sight.promotions = try await promotions(since: before, isCounted: !sight.files.isEmpty)
        return sight
    }

    /// What the histories say; where something was saved, the account comes a moment after it.
    private func promotions(since before: Standing, isCounted: Bool) async throws -> [PromotionRecord] {
        let end = ContinuousClock.now + .seconds(5)
        while true {
            var found: [PromotionRecord] = []
            for node in pair.nodes {
                found += try await History.promotions(of: node, after: before.entries[node.leaf.number - 1])
            }
            if !isCounted || found.contains(where: { $0.amendment != nil }) || ContinuousClock.now > end {
                return found
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func replay(_ sight: inout Sight, to serving: PairLab.Node, since before: Standing) async throws {
        for node in pair.nodes {
            let after = KeptFiles(node.daemon.salvageDirectory).names
            let new = after.subtracting(before.files[node.leaf.number - 1].keys).filter(KeptFiles.isWrites)
            for name in new.sorted() {
                let path = "\(node.daemon.salvageDirectory)/\(name)"
                if let trouble = try await Salvaging.replay(path, to: serving.redis.socketPath) {
                    sight.complaints.append("salvage replay \(name): \(trouble)")
                }
            }
        }
        sight.replayed = try await Reading.held(by: serving.redis.url, of: sight.writers)
    }
}

/// The writers of a trial: at the virtual address, at full speed, and on the host of the old master, at its own address. The
/// latter go on when nobody else reaches it.
struct TrialWriters {
    private let writers: [LabWriter]
    private static let plan: [LabWriter.Work] = [
        .init(.set), .init(.set), .init(.set, database: 3), .init(.push), .init(.incr),
    ]

    init(_ pair: PairLab, _ old: PairLab.Node, rate: Int?) async throws {
        var settings = LabWriter.Settings()
        (settings.plan, settings.rate) = (Self.plan, rate)
        var own = LabWriter.Settings()
        own.plan = [.init(.set), .init(.push, database: 3), .init(.incr)]
        own.rate = 1000
        writers = [
            try await LabWriter(pair.lab, on: pair.client, to: .address(pair.endpoint), settings),
            try await LabWriter(
                pair.lab, on: old.leaf, to: .address("127.0.0.1:\(pair.settings.redis.port)"), own),
        ]
        for writer in writers { try await writer.wait(for: 100) }
    }

    func stop() async throws -> [LabWriter.Notes] {
        var notes: [LabWriter.Notes] = []
        for writer in writers { notes += try await writer.notes() }
        return notes
    }
}
