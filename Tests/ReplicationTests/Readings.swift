@testable import Replication

// Readings made of literal values: what a master and its replica say.

/// The beginning of every scenario.
let start: Instant = .now

/// So many milliseconds after the beginning.
func at(_ milliseconds: Int) -> Instant { start + .milliseconds(milliseconds) }

let historyID = "8f3c1d2e00000000000000000000000000000000"
let otherID = "0badcafe00000000000000000000000000000000"
let masterRunID = "aaaa000000000000000000000000000000000000"
let replicaRunID = "bbbb000000000000000000000000000000000000"

func server(_ runID: String, _ version: ServerVersion, port: Int = 6379) -> ReplicationInfo.Server {
    .init(version: version, mode: .standalone, runID: runID, port: port, uptime: 60)
}

func persistence(loading: Bool = false, async: Bool = false, eta: Int64? = nil) -> ReplicationInfo.Persistence {
    .init(
        isLoading: loading, isAsyncLoading: async, loadingETA: eta, isAOFEnabled: false, lastSaveTime: nil,
        isSaving: false, hasLastSaveSucceeded: true)
}

/// A master with one online replica at 10.0.0.2:6379, at offset 1000.
func masterInfo(
    offset: Int64 = 1000, id: String? = historyID, previous: ReplicationIdentity.Previous? = nil,
    runID: String = masterRunID, version: ServerVersion = ServerVersion(7, 0, 15), keys: Int64? = 100,
    isBacklogActive: Bool = true, listed: [ReplicationInfo.Replica] = [listedReplica()], failover: String? = nil,
    persistence: ReplicationInfo.Persistence = persistence()
) -> ReplicationInfo {
    ReplicationInfo(
        role: .master, masterReplicationOffset: offset,
        identity: id.map { ReplicationIdentity(id: $0, previous: previous) }, replicas: listed,
        backlog: .init(isActive: isBacklogActive, size: 1_048_576, firstByteOffset: 1, length: 999),
        ongoingFailover: failover, server: server(runID, version), persistence: persistence, keys: keys,
        fullResyncsServed: 1)
}

func listedReplica(
    ip: String = "10.0.0.2", port: Int = 6379, state: String = "online", offset: Int64 = 1000
) -> ReplicationInfo.Replica {
    .init(ip: ip, port: port, state: state, acknowledgedOffset: offset, secondsSinceAcknowledgement: 0)
}

func link(
    applied: Int64, isUp: Bool = true, downtime: ReplicationInfo.Downtime? = nil,
    fullResync: ReplicationInfo.FullResync? = nil, isReadOnly: Bool = true, host: String = "10.0.0.1", port: Int = 6379
) -> ReplicationInfo.MasterLink {
    .init(
        host: host, port: port, isUp: isUp, secondsSinceLastIO: isUp ? 0 : nil,
        downtime: isUp ? nil : downtime ?? .seconds(1), fullResync: fullResync, appliedOffset: applied,
        receivedOffset: applied, isReadOnly: isReadOnly, priority: 100)
}

/// A replica of 10.0.0.1:6379 that has applied 1000.
func replicaInfo(
    applied: Int64 = 1000, isUp: Bool = true, downtime: ReplicationInfo.Downtime? = nil,
    fullResync: ReplicationInfo.FullResync? = nil, isReadOnly: Bool = true, id: String? = historyID,
    host: String = "10.0.0.1", port: Int = 6379, runID: String = replicaRunID,
    version: ServerVersion = ServerVersion(7, 0, 15), keys: Int64? = 100,
    persistence: ReplicationInfo.Persistence = persistence()
) -> ReplicationInfo {
    let link = link(
        applied: applied, isUp: isUp, downtime: downtime, fullResync: fullResync, isReadOnly: isReadOnly, host: host,
        port: port)
    return ReplicationInfo(
        role: .replica(link), masterReplicationOffset: id == nil ? 0 : applied,
        identity: id.map { ReplicationIdentity(id: $0) }, replicas: [],
        backlog: .init(isActive: id != nil, size: 1_048_576, firstByteOffset: 1, length: 999), ongoingFailover: nil,
        server: server(runID, version), persistence: persistence, keys: keys, fullResyncsServed: 0)
}

/// A reading of `info` that was asked for so many milliseconds after the beginning.
func seen(_ info: ReplicationInfo, at milliseconds: Int) -> Observation { Observation(info, at: at(milliseconds)) }

/// What the operator wants: ten seconds, no loss, unless said otherwise.
func policy(
    timeout: Duration = .seconds(10), onTimeout: SyncGate.Policy.OnTimeout = .refuse, maxLossBytes: Int64? = nil,
    force: Bool = false, resumed: String? = nil
) -> SyncGate.Policy {
    SyncGate.Policy(
        timeout: timeout, onTimeout: onTimeout, maxLossBytes: maxLossBytes, force: force,
        listedAs: .init(ips: ["10.0.0.2"], ports: [6379]), resumedMaster: resumed)
}
