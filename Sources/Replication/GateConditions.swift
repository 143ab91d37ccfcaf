/// One reading of a server, and when it was asked for.
public struct Observation: Sendable, Equatable {
    /// What it said.
    public var info: ReplicationInfo
    /// When the command left: what it says is at least as new as this.
    public var at: Instant

    /// Makes an observation.
    public init(_ info: ReplicationInfo, at: Instant) {
        self.info = info
        self.at = at
    }
}

/// The strict gate's preconditions: what must hold of a master and its replica before their offsets may be compared.
///
/// Equal offsets alone prove nothing: docs/sync-gate.md lists the situations in which they are equal and the data
/// is not. The same conditions answer "safe to promote?" in the lag report.
public enum GateConditions {
    /// What stands in the way.
    public enum Obstacle: Sendable, Equatable {
        /// It does not pass by waiting.
        case hard(Refusal)
        /// It may pass by waiting.
        case passing(Refusal)

        /// The refusal that it leads to.
        public var refusal: Refusal {
            switch self {
            case .hard(let refusal), .passing(let refusal): refusal
            }
        }
    }

    /// Where a master lists its replica.
    public struct ReplicaAddress: Sendable, Equatable {
        /// The addresses that the replica may be listed under; empty when none is known.
        public var ips: [String]
        /// The ports that it may be listed under.
        public var ports: [Int]

        /// Makes an address.
        public init(ips: [String], ports: [Int]) {
            self.ips = ips
            self.ports = ports
        }
    }

    /// What the replica alone says against its promotion. A server that is no replica has nothing in its way.
    public static func obstacle(replica: ReplicationInfo) -> Obstacle? {
        guard let link = replica.masterLink else { return nil }
        if replica.isLoading { return .hard(.loading(etaSeconds: replica.persistence?.loadingETA)) }
        if let resync = link.fullResync { return .hard(.fullResync(leftBytes: resync.leftBytes)) }
        return link.isReadOnly ? nil : .hard(.writableReplica)
    }

    /// What both together say against comparing their offsets; the worst first. `nil` when they may be compared.
    public static func obstacle(
        master: ReplicationInfo, replica: ReplicationInfo, listedAs address: ReplicaAddress
    ) -> Obstacle? {
        if let obstacle = obstacle(replica: replica) { return obstacle }
        guard let link = replica.masterLink else { return nil }
        if let up = master.masterLink { return .hard(.replicaOfReplica(host: up.host, port: up.port)) }
        if let state = master.ongoingFailover { return .hard(.failoverInProgress(state: state)) }
        if let obstacle = strangeness(master: master, replica: replica, link: link) { return obstacle }
        if master.isLoading { return .passing(.masterLoading(etaSeconds: master.persistence?.loadingETA)) }
        if !link.isUp { return .passing(.linkDown) }
        if !master.backlog.isActive { return .passing(.backlogInactive) }
        if !isListed(master: master, replica: replica, as: address) { return .passing(.notListed) }
        return nil
    }

    /// Whether the data sets are strangers to each other.
    private static func strangeness(
        master: ReplicationInfo, replica: ReplicationInfo, link: ReplicationInfo.MasterLink
    ) -> Obstacle? {
        let isForeign: Bool
        if let own = replica.history, let theirs = master.history {
            let sameID = own.identity.id == theirs.identity.id
            // While the link is down, a replica keeps the id that it had; it may go on from there (PSYNC2).
            isForeign = !sameID && (link.isUp || own.relation(to: theirs) == .unrelated)
        } else {
            isForeign = link.downtime == .neverConnected
        }
        guard isForeign || link.downtime == .neverConnected && replica.keys == 0 else { return nil }
        if let masterKeys = master.keys, masterKeys > 0, replica.keys == 0 {
            return .hard(.empty(masterKeys: masterKeys))
        }
        // A loading master has not told its history yet.
        if master.isLoading { return nil }
        if replica.identity == nil { return .hard(.neverSynchronised) }
        return isForeign ? .hard(.otherHistory(masterKeys: master.keys)) : nil
    }

    /// Whether the master streams to this replica. Where several replicas share the port, the address decides. From
    /// Redis 4 on, where both have ids, ids and link have said so already, and an announced address that we do not know
    /// is no objection.
    static func isListed(master: ReplicationInfo, replica: ReplicationInfo, as address: ReplicaAddress) -> Bool {
        let online = master.replicas.filter(\.isOnline)
        let samePort = online.filter { address.ports.contains($0.port) }
        if samePort.count == 1, replica.identity != nil { return true }
        if samePort.contains(where: { address.ips.contains($0.ip) }) { return true }
        return replica.identity != nil && master.identity != nil && !online.isEmpty
    }
}
