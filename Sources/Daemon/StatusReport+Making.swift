import Failover
import Operations
import RedisClient
import Replication
import VRRP

extension StatusReport.Router {
    /// What a node knows, as a report. Of the other node: its Redis as we read it, its daemon as our Redis shows it, and its
    /// advertisements.
    init(_ status: NodeStatus, _ configuration: VirtualRouterConfiguration, now: Instant = .now) {
        let (local, peer) = (
            StatusReport.Redis(status.local, configuration.local, now: now),
            StatusReport.Redis(status.peer, configuration.peer, now: now)
        )
        let parameters = configuration.node.router
        self.init(
            name: status.name, vrid: Int(parameters.virtualRouterID.rawValue), interface: configuration.interface,
            virtualAddresses: configuration.node.virtualAddresses.map { "\($0)" }, state: status.state.rawValue,
            since: WallClock.text(status.since), reason: status.reason, fault: status.fault?.code,
            next: status.next, operation: status.operation, epoch: status.epoch,
            witnessReachable: status.isWitnessReachable, lagBytes: Self.lag(status),
            nodes: [
                StatusReport.Node(
                    node: status.node, isLocal: true, address: status.address.map { "\($0)" },
                    vrrp: status.vrrp.rawValue,
                    priority: Int(status.priority.rawValue), state: status.state.rawValue,
                    hasVirtualAddresses: status.hasVirtualAddresses, health: status.health ?? local.health, redis: local
                ),
                Self.other(status, configuration, peer, now: now),
            ])
    }

    private static func other(
        _ status: NodeStatus, _ configuration: VirtualRouterConfiguration, _ redis: StatusReport.Redis, now: Instant
    ) -> StatusReport.Node {
        let interval = configuration.node.router.advertisementInterval
        let heard = status.lastHeard.flatMap { now - $0.time < interval * 4 && $0.priority != .resigning ? $0 : nil }
        let daemon = status.peerDaemon
        let vrrp: VirtualRouter.StateName? =
            if status.vrrp != .active, heard != nil {
                .active
            } else {
                switch daemon?.state {
                case .serving, .handingOver: .active
                case .standby: .backup
                case .starting, .fault, .stopped: .initialize
                case .gating, .paused, nil: nil
                }
            }
        let daemonHealth: String? = if daemon == nil, heard == nil { "no daemon to be seen" } else { nil }
        let redisHealth = redis.health == "ok" ? nil : redis.health
        let stateHealth: String? = if case .fault = daemon?.state { "fault" } else { nil }
        return StatusReport.Node(
            node: daemon?.node, isLocal: false, address: heard.map { "\($0.address)" } ?? configuration.peer.url.place,
            vrrp: vrrp?.rawValue, priority: heard.map { Int($0.priority.rawValue) }, state: daemon?.state.rawValue,
            hasVirtualAddresses: otherHasAddresses(
                daemon?.state, isHeard: heard != nil, isActive: status.vrrp == .active),
            health: redisHealth ?? stateHealth ?? daemonHealth ?? "ok", redis: redis)
    }

    /// nil: nobody knows. Paused, it keeps what it had, and does not say what that was: its advertisements do.
    private static func otherHasAddresses(_ state: CoordinatorState?, isHeard: Bool, isActive: Bool) -> Bool? {
        switch state {
        case nil: nil
        case .serving, .handingOver: true
        case .paused: isHeard ? true : isActive ? false : nil
        case .starting, .standby, .gating, .fault, .stopped: false
        }
    }

    /// Between a master and what follows it.
    private static func lag(_ status: NodeStatus) -> Int64? {
        guard let one = status.local?.observation?.info, let other = status.peer?.observation?.info else { return nil }
        let (master, replica) = one.masterLink == nil ? (one, other) : (other, one)
        guard master.masterLink == nil, replica.masterLink != nil,
            master.identity == nil || master.identity?.id == replica.identity?.id
        else { return nil }
        return max(master.masterReplicationOffset - replica.dataOffset, 0)
    }
}

extension StatusReport.Redis {
    init(_ reading: RedisReading?, _ endpoint: Endpoint, now: Instant) {
        self.init(address: endpoint.url.place, reading: "unknown")
        switch reading {
        case nil: detail = "not asked yet"
        case .dead: (self.reading, detail) = ("dead", "nothing listens there")
        case .silent(let since):
            let time = Int(((now - since) / .milliseconds(1)).rounded())
            (self.reading, detail) = ("silent", "no answer for \(time) ms")
        case .busy(let words): (self.reading, detail) = ("busy", words)
        case .unusable(let reason): (self.reading, detail) = ("unusable", reason)
        case .observed(let observation):
            self.reading = "observed"
            take(observation.info)
            ageMs = (now - observation.at).inMilliseconds
        }
    }

    private init(address: String, reading: String) {
        self.init(
            address: address, reading: reading, detail: nil, role: nil, follows: nil, linkUp: nil, offset: nil,
            replicationId: nil, version: nil, loading: nil, ageMs: nil)
    }

    private mutating func take(_ info: ReplicationInfo) {
        role = info.isParked ? "parked" : info.masterLink == nil ? "master" : "replica"
        if let link = info.masterLink, !info.isParked {
            (follows, linkUp) = ("\(HostPort(host: link.host, port: link.port))", link.isUp)
            if !link.isUp { detail = link.fullResync == nil ? "its link to the master is down" : "full resync" }
        }
        offset = info.dataOffset
        replicationId = info.identity?.id
        version = info.server.map { "\($0.version)" }
        loading = info.isLoading
        if info.isLoading { detail = "loading its data set" }
    }

    /// In a few words.
    var health: String {
        switch reading {
        case "observed": detail ?? "ok"
        case "dead": "Redis is down"
        case "unknown": "not known yet"
        default: detail.map { "Redis \(reading): \($0)" } ?? reading
        }
    }
}

extension NodeStatus {
    /// What is wrong with the node beside its Redis; nil where nothing is.
    fileprivate var health: String? {
        switch fault {
        case nil: nil
        case .redisDown: "Redis is down"
        case .redisLoading: "Redis is loading"
        case .redisUnusable: "Redis cannot be used"
        case .interfaceDown: "the interface is down"
        case .witnessUnreachable: "cut off: no witness answers"
        case .unrelatedDataSets: "unrelated data sets"
        case .notPromotable(let code, _, _): "not promotable: \(code)"
        case .cannotFollow(let code, _, _): "cannot follow: \(code)"
        }
    }

    /// What the operator can do; nil where nothing is to be done.
    fileprivate var next: String? {
        switch fault {
        case nil: state == .paused ? "'syncgate resume' has it go on" : nil
        case .redisDown: "start Redis on \(node); the node joins by itself as soon as it answers"
        case .redisLoading: "nothing: the node joins when Redis has loaded its data set"
        case .redisUnusable:
            "correct what the reason names ('syncgate check --live' shows all of it); the node joins by itself"
        case .interfaceDown: "bring the interface up, with its address; the node joins by itself"
        case .witnessUnreachable: "look at the network of \(node); the node joins as soon as one witness answers"
        case .unrelatedDataSets:
            "to keep the data of \(node), run \(Self.keeping(local, here: "here", there: "on the other node")); "
                + "to keep the other node's, run \(Self.keeping(peer, here: "there", there: "here")). "
                + "What is given up is saved first, unless on_divergence there is \"discard\""
        case .notPromotable(_, _, let remedy), .cannotFollow(_, _, let remedy):
            "it tries again by itself; " + (remedy ?? "'syncgate history' has the reason with its evidence")
        }
    }
}

extension NodeStatus {
    /// The command that has the data of a server kept, and where. To one that is master already a promotion changes nothing,
    /// so that nobody would see the decision: then the other one is made to follow it.
    fileprivate static func keeping(_ server: RedisReading?, here: String, there: String) -> String {
        server?.observation?.info.masterLink == nil
            ? "'syncgate demote --config --force' \(there)" : "'syncgate promote --config --force' \(here)"
    }
}
