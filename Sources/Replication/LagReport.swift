/// How far one replica is behind, and whether it could be promoted.
public struct ReplicaLag: Sendable, Equatable {
    /// `ip:port` as the master lists it, or as it was given.
    public var address: String
    /// The master's word for it: `online`, `wait_bgsave`, …; `nil` when the master does not list it.
    public var state: String?
    /// Whether its link to the master is up; `nil` when the replica could not be asked.
    public var isLinkUp: Bool?
    /// What it has applied, bytes; the acknowledged offset, up to a second old, when it could not be asked.
    public var appliedOffset: Int64?
    /// Bytes behind the master's offset, read just before; `nil` where they cannot be compared.
    public var lagBytes: Int64?
    /// How old its data is; `nil` where nothing is known.
    public var age: LagHistory.Age?
    /// How fast it catches up, bytes per second: its own rate less the master's. Negative when it falls behind.
    public var catchUpRate: Double?
    /// When it will have caught up at this rate; `nil` when it will not, or has.
    public var eta: Duration?
    /// A running full resync.
    public var fullResync: ReplicationInfo.FullResync?
    /// When the full resync's transfer will be complete, at the rate seen.
    public var fullResyncETA: Duration?
    /// Why it is not safe to promote; `nil` when it is.
    public var obstacle: String?
    /// Bytes of acknowledged writes that promoting it now would lose; `nil` where that is not known.
    public var wouldLoseBytes: Int64?

    /// Whether the gate would open at once, and nothing would be lost.
    public var isSafeToPromote: Bool { obstacle == nil }
}

/// The state of a master and all its replicas at one moment.
public struct LagReport: Sendable, Equatable {
    /// The master's last reading.
    public var master: ReplicationInfo
    /// What it writes to the replication stream, bytes per second; `nil` until it was read twice.
    public var writeRate: Double?
    /// How long an outage the backlog bridges at this rate; `nil` when nothing is written, which is for ever.
    public var backlogCovers: Duration?
    /// The replicas, in the master's order.
    public var replicas: [ReplicaLag]
}

/// Turns readings of a master and its replicas into lag reports. Pure: fed with readings, never reads a clock.
public struct LagTracker: Sendable {
    /// One replica's reading.
    public struct ReplicaReading: Sendable, Equatable {
        /// `ip:port`.
        public var address: String
        /// What the master lists it under.
        public var listed: ReplicationInfo.Replica?
        /// What it said; `nil` when it could not be asked, for this reason.
        public var observation: Observation?
        /// Why it could not be asked.
        public var trouble: String?

        /// Makes a reading.
        public init(
            address: String, listed: ReplicationInfo.Replica?, observation: Observation?, trouble: String? = nil
        ) {
            self.address = address
            self.listed = listed
            self.observation = observation
            self.trouble = trouble
        }
    }

    private var master = LagHistory()
    private var masterID: String?
    private var applied: [String: LagHistory] = [:]
    private var received: [String: LagHistory] = [:]

    /// Makes a tracker without readings.
    public init() {}

    /// Takes one round of readings, the master's taken first, and reports.
    public mutating func report(master observation: Observation, replicas: [ReplicaReading]) -> LagReport {
        let info = observation.info
        let id = info.identity?.id ?? info.server?.runID
        if id != masterID {
            self = LagTracker()
            masterID = id
        }
        master.record(offset: info.dataOffset, at: observation.at)
        let rate = master.rate()
        return LagReport(
            master: info,
            writeRate: rate,
            backlogCovers: rate.flatMap { rate in
                // Less than a byte a second is the master's own PING.
                rate >= 2 && info.backlog.size > 0 ? .bounded(seconds: Double(info.backlog.size) / rate) : nil
            },
            replicas: replicas.map { lag(of: $0, master: info, writeRate: rate) }
        )
    }

    private mutating func lag(of reading: ReplicaReading, master info: ReplicationInfo, writeRate: Double?)
        -> ReplicaLag
    {
        var lag = ReplicaLag(address: reading.address, state: reading.listed?.state)
        guard let observation = reading.observation else {
            lag.appliedOffset = reading.listed?.acknowledgedOffset
            lag.obstacle = "it could not be asked: \(reading.trouble ?? "no answer")"
            return lag
        }
        let replica = observation.info
        guard let link = replica.masterLink else {
            lag.obstacle = "it is a master itself"
            return lag
        }
        lag.isLinkUp = link.isUp
        lag.appliedOffset = link.appliedOffset
        lag.fullResync = link.fullResync
        lag.fullResyncETA = resyncETA(link.fullResync, of: reading.address, at: observation.at)
        let address = GateConditions.ReplicaAddress(
            ips: reading.listed.map { [$0.ip] } ?? [],
            ports: [reading.listed?.port, replica.server?.port].compactMap(\.self))
        let obstacle = GateConditions.obstacle(master: info, replica: replica, listedAs: address)
        lag.obstacle = obstacle.map { "\($0.refusal)" }
        guard isComparable(replica, info, obstacle) else { return lag }
        let behind = max(info.dataOffset - link.appliedOffset, 0)
        lag.lagBytes = behind
        lag.wouldLoseBytes = behind
        lag.age = master.age(of: link.appliedOffset, now: observation.at)
        if obstacle == nil, behind > 0 { lag.obstacle = "\(Refusal.lag(bytes: behind))" }
        applied[reading.address, default: LagHistory()].record(offset: link.appliedOffset, at: observation.at)
        if let own = applied[reading.address]?.rate(), let writeRate {
            lag.catchUpRate = own - writeRate
            lag.eta = behind > 0 && own - writeRate >= 1 ? .bounded(seconds: Double(behind) / (own - writeRate)) : nil
        }
        return lag
    }

    /// Whether bytes may be subtracted although something else stands in the way, such as a link that is down.
    private func isComparable(
        _ replica: ReplicationInfo, _ master: ReplicationInfo, _ obstacle: GateConditions.Obstacle?
    ) -> Bool {
        switch obstacle?.refusal {
        case nil, .lag: true
        case .linkDown, .notListed, .failoverInProgress:
            SyncGate.isSameHistory(replica, master) && master.backlog.isActive
        default: false
        }
    }

    private mutating func resyncETA(
        _ resync: ReplicationInfo.FullResync?, of address: String, at: Instant
    ) -> Duration? {
        guard let left = resync?.leftBytes else {
            received[address] = nil
            return nil
        }
        // Bytes left fall; their negation rises, which is what a history records.
        received[address, default: LagHistory()].record(offset: -left, at: at)
        guard let rate = received[address]?.rate(), rate >= 1 else { return nil }
        return .bounded(seconds: Double(left) / rate)
    }
}
