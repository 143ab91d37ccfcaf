/// Why a server is not promoted. A value, not an error: refusing is a result, and nothing was changed.
public enum Refusal: Sendable, Equatable {
    /// The local server reads its data set into memory; Redis itself refuses `SLAVEOF NO ONE` then.
    case loading(etaSeconds: Int64?)
    /// A full resync runs: the local data set is about to be replaced.
    case fullResync(leftBytes: Int64?)
    /// The local server never finished a synchronisation with its master.
    case neverSynchronised
    /// Both data sets have no common history, or the master's has gone another way.
    case otherHistory(masterKeys: Int64?)
    /// The local server holds no key, the master does.
    case empty(masterKeys: Int64)
    /// The local replica accepts writes of its own (`slave-read-only no`): equal offsets prove nothing.
    case writableReplica
    /// The link to the master is down, and the master answers.
    case linkDown
    /// The master does not list the local server among its online replicas.
    case notListed
    /// The master's backlog is freed, its offset stands still although it is written to.
    case backlogInactive
    /// The master reads its data set into memory.
    case masterLoading(etaSeconds: Int64?)
    /// The replica lacked so many bytes when the time was up.
    case lag(bytes: Int64)
    /// The loss that would have to be accepted is above the limit (both in bytes), or unknown (`nil`).
    case lossAboveLimit(bytes: Int64?, limit: Int64)
    /// The local server's master is itself a replica of another server.
    case replicaOfReplica(host: String, port: Int)
    /// Both servers follow each other, and nothing shows which of them holds all the data.
    case mutualReplicas
    /// Redis's own `FAILOVER` is at work on the master.
    case failoverInProgress(state: String)
    /// The master is alive and does not let us work: wrong password, no permission, busy, a cluster node, ….
    case masterUnusable(reason: String)
    /// The master cannot be reached from here, but the local replica still hears from it.
    case masterHeard
    /// The master answered, was perhaps fenced, and then fell silent: it may be alive, and writable again.
    case contactLost
    /// The master does not answer, and nothing is to be lost: a planned swap of roles needs both servers.
    case masterAbsent
    /// The fence could not be raised.
    case fenceFailed(reason: String)
    /// The master was written to although it was fenced, or the fence ran out before the roles were swapped.
    case fenceBroken(bytes: Int64)
    /// A signal asked us to stop.
    case aborted

    /// Whether `--force` overrides it. Redis itself refuses to promote a loading server; there is no arguing with that.
    public var isForceable: Bool {
        switch self {
        case .loading, .aborted, .fenceBroken: false
        default: true
        }
    }

    /// Whether `--on-timeout promote` overrides it: what may pass with more patience.
    public var isPatience: Bool {
        switch self {
        case .linkDown, .notListed, .backlogInactive, .masterLoading, .lag, .contactLost: true
        default: false
        }
    }

    /// A stable word for programs, e.g. `full_resync`.
    public var code: String {
        switch self {
        case .loading: "loading"
        case .fullResync: "full_resync"
        case .neverSynchronised: "never_synchronised"
        case .otherHistory: "other_history"
        case .empty: "empty"
        case .writableReplica: "writable_replica"
        case .linkDown: "link_down"
        case .notListed: "not_listed"
        case .backlogInactive: "backlog_inactive"
        case .masterLoading: "master_loading"
        case .lag: "lag"
        case .lossAboveLimit: "loss_above_limit"
        case .replicaOfReplica: "replica_of_replica"
        case .mutualReplicas: "mutual_replicas"
        case .failoverInProgress: "failover_in_progress"
        case .masterUnusable: "master_unusable"
        case .masterHeard: "master_heard"
        case .contactLost: "contact_lost"
        case .masterAbsent: "master_absent"
        case .fenceFailed: "fence_failed"
        case .fenceBroken: "fence_broken"
        case .aborted: "aborted"
        }
    }
}

extension Refusal: CustomStringConvertible {
    /// What is the matter, and what promoting now would have lost. The flag that overrides it is `remedy`.
    public var description: String {
        switch self {
        case .loading(let eta):
            "the local server is loading its data set\(eta.map { " (about \($0) s to go)" } ?? "")"
        case .fullResync(let left):
            "a full resync is in progress\(left.map { ", \($0) bytes to go" } ?? ""): "
                + "the local data set is old and about to be replaced; every write since it was taken would be lost"
        case .neverSynchronised:
            "the local server has never finished a synchronisation with its master: "
                + "the master's whole data set would be lost"
        case .otherHistory(let keys):
            "the local data set and the master's have no common history: "
                + "the master's whole data set\(keys.map { " of \($0) keys" } ?? "") would be lost"
        case .empty(let keys):
            "the local server is empty while the master has \(keys) keys: all of them would be lost"
        case .writableReplica:
            "the local replica accepts writes of its own (slave-read-only no), so equal offsets prove nothing; "
                + "what would be lost is not known"
        case .linkDown:
            "the local replica's link to the living master is down; what the master wrote since would be lost"
        case .notListed:
            "the master does not list the local server as an online replica; what would be lost is not known"
        case .backlogInactive:
            "the master's replication backlog is not active, so its offset proves nothing; "
                + "what would be lost is not known"
        case .masterLoading(let eta):
            "the master is loading its data set\(eta.map { " (about \($0) s to go)" } ?? ""); "
                + "what would be lost is not known until it has finished"
        case .lag(let bytes):
            "the local replica lacks \(bytes) bytes of acknowledged writes: they would be lost"
        case .lossAboveLimit(let bytes?, let limit):
            "\(bytes) bytes of acknowledged writes would be lost, more than the limit of \(limit)"
        case .lossAboveLimit(nil, let limit):
            "how much would be lost is not known, so it cannot be shown to be within the limit of \(limit) bytes"
        case .replicaOfReplica(let host, let port):
            "the local server's master is itself a replica of \(host):\(port); promote the one in between first"
        case .mutualReplicas:
            "both servers follow each other, and nothing shows which of them holds all the writes"
        case .failoverInProgress(let state):
            "Redis's own FAILOVER is in progress on the master (\(state))"
        case .masterUnusable(let reason):
            "the master is alive but cannot be used: \(reason); what would be lost is not known"
        case .masterHeard:
            "the master cannot be reached from here, but the local replica still hears from it: it is alive; "
                + "check the address that is given for it, and the network"
        case .contactLost:
            "the master answered at first and then fell silent: it may be alive and take writes, "
                + "which would be lost"
        case .masterAbsent:
            "the master does not answer: it may be alive and take writes, which a switchover must not lose"
        case .fenceFailed(let reason):
            "writes on the master could not be fenced: \(reason)"
        case .fenceBroken(let bytes):
            "the master took \(bytes) bytes of writes behind the fence; they would be lost"
        case .aborted:
            "stopped by a signal"
        }
    }

    /// What the operator can do about it, as one sentence: also of a daemon, whose keys are named beside the command's options.
    public var remedy: String {
        switch self {
        case .loading: "wait until it has loaded, then try again"
        case .fenceBroken, .aborted: "try again"
        case .lossAboveLimit:
            "raise --max-loss-bytes (the daemon's max_loss), or override with \(Self.force)"
        case .lag, .linkDown, .notListed, .backlogInactive, .masterLoading:
            "raise --timeout (the daemon's promote_timeout), or accept the loss with --on-timeout promote (on_timeout) "
                + "or with \(Self.force)"
        case .masterAbsent: "try again when both servers can be reached"
        case .contactLost:
            "try again (a master that cannot be reached from the start counts as dead), "
                + "or override with --on-timeout promote (the daemon's on_timeout)"
        default: "override with \(Self.force)"
        }
    }

    private static let force = "--force (where the daemon runs: 'syncgate promote --config --force')"
}
