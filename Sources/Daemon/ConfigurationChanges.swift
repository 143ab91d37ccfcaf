internal import Failover
internal import Operations

/// What another configuration means for a daemon that runs: on SIGHUP.
public struct ConfigurationChanges: Sendable, Equatable {
    /// Keys that differ and are taken over at once, e.g. `virtual_router.redis.priority`.
    public private(set) var live: [String] = []
    /// Keys that differ and need a restart: addresses, sockets, servers.
    public private(set) var needRestart: [String] = []
    /// The running configuration with the live keys of the new one: what the daemon goes on with.
    public private(set) var result: DaemonConfiguration

    /// Whether nothing differs.
    public var isEmpty: Bool { live.isEmpty && needRestart.isEmpty }

    /// Compares what runs with what was read.
    public init(from old: DaemonConfiguration, to new: DaemonConfiguration) {
        result = old
        compareWhole(old, new)
        let names = old.virtualRouters.map(\.node.name)
        for router in new.virtualRouters where !names.contains(router.node.name) {
            needRestart.append("virtual_router.\(router.node.name)")
        }
        for index in old.virtualRouters.indices {
            let router = old.virtualRouters[index]
            guard let other = new.virtualRouters.first(where: { $0.node.name == router.node.name }) else {
                needRestart.append("virtual_router.\(router.node.name)")
                continue
            }
            result.virtualRouters[index] = compare(router, other)
        }
    }

    private mutating func compareWhole(_ old: DaemonConfiguration, _ new: DaemonConfiguration) {
        if old.log.level != new.log.level {
            live.append("log.level")
            result.log.level = new.log.level
        }
        let fixed: [(String, Bool)] = [
            ("node", old.nodeName == new.nodeName), ("state_directory", old.stateDirectory == new.stateDirectory),
            ("salvage_directory", old.salvageDirectory == new.salvageDirectory),
            ("control", old.control == new.control),
            ("log.format", old.log.format == new.log.format), ("real_time", old.realTime == new.realTime),
        ]
        needRestart += fixed.filter { !$0.1 }.map(\.0)
    }

    /// Notes what differs, and returns the router to go on with.
    private mutating func compare(
        _ old: VirtualRouterConfiguration, _ new: VirtualRouterConfiguration
    ) -> VirtualRouterConfiguration {
        let prefix = "virtual_router.\(old.node.name)."
        needRestart += Self.fixed(old, new).filter { !$0.1 }.map { prefix + $0.0 }
        live += Self.changing(old, new).filter { !$0.1 }.map { prefix + $0.0 }
        var result = old
        result.node.router.priority = new.node.router.priority
        result.node.timing = new.node.timing
        result.node.policy = new.node.policy
        result.connectTimeout = new.connectTimeout
        result.sampleInterval = new.sampleInterval
        result.divergence = new.divergence
        result.witnesses = new.witnesses
        result.hooks = new.hooks
        result.hookTimeout = new.hookTimeout
        return result
    }

    private static func changing(
        _ old: VirtualRouterConfiguration, _ new: VirtualRouterConfiguration
    ) -> [(String, Bool)] {
        let (was, will) = (old.node.timing, new.node.timing)
        let (before, after) = (old.node.policy, new.node.policy)
        return [
            ("priority", old.node.router.priority == new.node.router.priority),
            ("down_after", was.downAfter == will.downAfter),
            ("sample_interval", old.sampleInterval == new.sampleInterval),
            ("connect_timeout", old.connectTimeout == new.connectTimeout),
            ("promote_timeout", was.promoteTimeout == will.promoteTimeout),
            ("on_timeout", before.promotesAfterTimeout == after.promotesAfterTimeout),
            ("max_loss", before.maxLossBytes == after.maxLossBytes),
            ("on_divergence", old.divergence == new.divergence),
            ("switchover_timeout", was.switchoverTimeout == will.switchoverTimeout),
            ("wait_for_peer", was.waitForPeer == will.waitForPeer), ("start_grace", was.startGrace == will.startGrace),
            ("retry_after", was.retryAfter == will.retryAfter),
            ("write_fence", before.fencesIsolatedMaster == after.fencesIsolatedMaster),
            ("witnesses", old.witnesses == new.witnesses),
            ("hooks", old.hooks == new.hooks && old.hookTimeout == new.hookTimeout),
        ]
    }

    private static func fixed(
        _ old: VirtualRouterConfiguration, _ new: VirtualRouterConfiguration
    ) -> [(String, Bool)] {
        let (was, will) = (old.node.router, new.node.router)
        let (before, after) = (old.node.upkeep, new.node.upkeep)
        return [
            ("vrid", was.virtualRouterID == will.virtualRouterID), ("interface", old.interface == new.interface),
            ("addresses", old.node.virtualAddresses == new.node.virtualAddresses),
            ("version", was.version == will.version),
            ("advertisement_interval", was.advertisementInterval == will.advertisementInterval),
            ("preempt", was.preempts == will.preempts), ("preempt_delay", was.preemptDelay == will.preemptDelay),
            ("source", old.source == new.source), ("unicast_peers", old.node.unicastPeers == new.node.unicastPeers),
            ("min_hop_limit", old.minimumHopLimit == new.minimumHopLimit),
            ("auth_pass", was.authentication == will.authentication),
            ("checksum_without_pseudo_header", was.checksumCoverage == will.checksumCoverage),
            ("address_lifetime", before.lifetime == after.lifetime),
            ("announce_repeat", before.announceRepeat == after.announceRepeat),
            ("announce_delay", before.announceDelay == after.announceDelay),
            ("announce_refresh", before.announceRefresh == after.announceRefresh),
            ("announce", old.announce == new.announce), ("local", old.local == new.local),
            ("peer", old.peer == new.peer),
        ]
    }
}
