import Failover
import Replication
import VRRP

// A run: a beginning, a storm, and the calm after it, in which everything must come right by itself.

extension World {
    /// How the pair is found.
    enum Beginning: CaseIterable {
        /// The first one master, the second one its replica.
        case pair
        /// Both behind the boot fence, with the same data.
        case parked
        /// A master with data, and a new, empty second server.
        case half
        /// Two new, empty servers.
        case empty
    }

    func build(_ beginning: Beginning, timing: NodeConfiguration.Timing, interval: Duration) {
        let origin = timeline.fork(nil, base: 0, sharesOffsets: false)
        var data = origin
        if beginning != .empty {
            for _ in 0..<50 { timeline.append(100, isPing: false, to: &data, at: now) }
        }
        for index in 0..<2 {
            var configuration = Self.configuration(
                index, peer: 1 - index, priority: Priority(index == 0 ? 150 : 100), timing: timing, interval: interval)
            configuration.policy.hasWitnesses = witnesses != nil
            let redis = RedisServer(host: index, position: data)
            if index == 1, beginning == .half || beginning == .empty {
                redis.position = timeline.fork(nil, base: 0, sharesOffsets: false)
                redis.frozenOffset = 0
            }
            processNumber += 1
            redis.runID = "run\(processNumber)"
            redis.process = .running
            hosts.append(
                Host(index: index, peer: 1 - index, redis: redis, daemon: Daemon(configuration: configuration)))
        }
        switch beginning {
        case .pair: connectPair()
        case .parked, .empty: park()
        case .half: break
        }
        if let stranger { prepare(stranger) }
    }

    private func connectPair() {
        hosts[0].redis.backlogStart = 1
        hosts[0].redis.frozenOffset = nil
        follow(1, 0)
    }

    private func park() {
        // Two masters with the same replication id do not exist: a start draws a new one.
        guard hasBootFence else { return timeline.keys(at: hosts[1].redis.position) > 0 ? connectPair() : () }
        for host in pair.indices { follow(host, nil) }
    }

    /// Draws what happens, and when.
    func drawSchedule() -> [(time: Time, fault: FaultKind)] {
        let start: Time = random.chance(30) ? .ms(200) : .s(5)
        let end = Time.s(options.stormSeconds)
        var schedule: [(time: Time, fault: FaultKind)] = []
        var time = start
        for _ in 0...random.below(6) {
            time = min(
                time + random.pick([random.time(0 ... .ms(300)), random.time(0 ... .s(3)), random.time(0 ... .s(8))]),
                end)
            schedule.append((time, .random(&random)))
        }
        return schedule
    }

    /// Runs a whole seed, and returns what was done to it.
    func runStorm() -> [String] {
        hasBootFence = random.chance(70)
        network.delay = random.time(50...500)
        network.streamDelay = random.time(200 ... .ms(3))
        let beginning = random.pick([Beginning.pair, .pair, .pair, .parked, .half, .empty])
        build(beginning, timing: .init(), interval: .milliseconds(100))
        for host in pair.indices { after(random.time(0 ... .s(2))) { $0.startDaemon(host) } }
        startClients()
        startPings()
        startAudits()
        let schedule = drawSchedule()
        for entry in schedule { at(entry.time) { $0.commit(entry.fault) } }
        commitCuts()
        let lines =
            ["boot fence \(hasBootFence ? "on" : "off"), beginning: \(beginning)"]
            + schedule.map { "\($0.time.text) \($0.fault)" } + (stranger.map { ["\($0)"] } ?? [])
            + (witnesses?.cuts.map { "\($0)" } ?? [])
        let cutsEnd = witnesses?.cuts.map { $0.start + $0.duration }.max()
        let storm = max(schedule.last?.time ?? 0, stranger?.departure ?? 0, cutsEnd ?? 0, .s(5))
        run(until: storm)
        calm(from: storm)
        totals.runs = 1
        totals.witnesses = witnesses == nil ? 0 : 1
        return lines
    }

    /// Faults end by themselves within some seconds; then all is to be well for a while.
    private func calm(from storm: Time) {
        var wellSince: Time?
        let end = storm + .s(options.calmSeconds)
        while failure == nil, now < end {
            run(until: now + .ms(200))
            guard illness == nil, areFaultsOver else {
                wellSince = nil
                continue
            }
            let since = wellSince ?? now
            wellSince = since
            if now - since >= .s(3) { return switchOver() }
        }
        guard failure == nil, let illness else { return }
        if isUndecided {
            totals.undecided += 1
            return
        }
        fail(.stuck, "\(options.calmSeconds) s after the last fault began: \(illness). \(picture)")
    }

    /// What an operator asks for while all is well is done, and not undone. A stream that lags is a reason to refuse it, and
    /// so is what a stranger may have left behind.
    private func switchOver() {
        guard stranger == nil, network.streamDelay < .ms(20), let server = pair.first(where: { $0.hasAddress(at: now) })
        else { return }
        let host = random.below(2)
        note(host, "a switchover is ordered")
        audit.reasonAt = [now, now]
        order(host, .switchover)
        run(until: now + .s(3))
        if failure == nil, illness != nil || !hosts[1 - server.index].hasAddress(at: now) {
            fail(.notHandedOver, "ordered on node\(host + 1): \(illness ?? "it serves as before"). \(picture)")
        }
    }

    private var areFaultsOver: Bool {
        !network.isDisturbed && now - network.lastDisturbance > .s(1)
            && !isStrangerThere
            && pair.allSatisfy {
                $0.isUp && $0.isLinkUp && $0.daemon.isWorking && $0.redis.process == .running && !$0.redis.isHung
                    && !$0.redis.isBusy
            }
    }

    private func startAudits() {
        after(.s(1)) { world in
            world.startAudits()
            for host in world.pair.indices { world.auditServing(host) }
        }
    }
}

extension Simulation {
    /// Runs one seed. The same seed and options give the same outcome, on every machine.
    public static func run(seed: UInt64, _ options: Options = Options()) -> Outcome {
        let world = World(options, seed: seed)
        let schedule = world.runStorm()
        return Outcome(
            seed: seed, failure: world.failure, schedule: schedule, trace: world.lines, totals: world.totals)
    }

    /// Runs a healthy pair for so long, and reports the first thing that happens after it has settled. `isSlow` makes every
    /// interval long, so that a week is over in a moment; otherwise all is as by default.
    public static func runQuiet(seconds: Int64, isSlow: Bool, _ options: Options = Options()) -> Outcome {
        var options = options
        options.isQuiet = true
        var timing = NodeConfiguration.Timing()
        var interval = Duration.milliseconds(100)
        if isSlow {
            options.sampleInterval = .s(60)
            timing.downAfter = .seconds(300)
            interval = .seconds(40)
        }
        let world = World(options, seed: 1)
        world.build(.pair, timing: timing, interval: interval)
        for host in world.hosts.indices { world.after(Time(host) * .s(1)) { $0.startDaemon(host) } }
        world.startClients()
        world.startPings()
        world.run(until: isSlow ? .s(600) : .s(30))
        if let illness = world.illness { world.fail(.stuck, "not settled: \(illness). \(world.picture)") }
        world.audit.quietFrom = world.now
        world.run(until: .s(seconds))
        if let illness = world.illness { world.fail(.stuck, "in the end: \(illness). \(world.picture)") }
        world.totals.runs = 1
        return Outcome(seed: 1, failure: world.failure, schedule: [], trace: world.lines, totals: world.totals)
    }
}
