/// Who speaks VRRP.
public enum RouterMake: String, Sendable, CaseIterable, CustomStringConvertible {
    /// `syncgate vrrp`, the executable under test.
    case syncgate
    /// Real keepalived.
    case keepalived

    public var description: String { rawValue }
}

/// What all routers of a segment agree upon, in terms that both makes understand.
public struct SegmentPlan: Sendable {
    /// 2 or 3.
    public var version = 3
    /// Between two advertisements; whole seconds for version 2.
    public var interval = Duration.milliseconds(100)
    /// The virtual addresses, with their prefix lengths.
    public var addresses = ["198.51.100.100/24"]
    /// Version 2: the password.
    public var password: String?
    /// Whether they name each other instead of using the group.
    public var isUnicast = false
    /// Unicast: the leaves that have a router; nil for all.
    public var routers: [Int]?
    /// Unicast over IPv6: keepalived 2.2 sends with the kernel's hop limit of 64. Either it is told to use 255, or we are
    /// told to put up with 64.
    public var toleratesHopLimit64 = false
    /// SCHED_RR for both makes.
    public var isRealTime = false

    /// Version 3 over IPv4 at 100 ms, multicast.
    public init() {}

    /// Whether the addresses are IPv6.
    public var isIPv6: Bool { addresses[0].contains(":") }
    /// The first virtual address, without its prefix length.
    public var address: String { String(addresses[0].prefix { $0 != "/" }) }

    /// The address that a leaf sends from.
    public func source(_ leaf: NetworkLab.Leaf) -> String { isIPv6 ? leaf.linkLocal : leaf.ipv4 }
}

/// A router of either make on a leaf of a lab.
public final class LabRouter: Sendable {
    private enum Process: Sendable {
        case syncgate(SyncgateRouter)
        case keepalived(Keepalived)
    }

    /// Whose it is.
    public let make: RouterMake
    /// Where it runs.
    public let leaf: NetworkLab.Leaf
    private let process: Process

    /// Starts one.
    public init(
        _ make: RouterMake, _ lab: NetworkLab, on leaf: NetworkLab.Leaf, _ plan: SegmentPlan, priority: Int,
        preempts: Bool = true
    ) async throws {
        (self.make, self.leaf) = (make, leaf)
        let others = lab.leaves.filter { $0 != leaf && plan.routers?.contains($0.number) ?? true }
        let peers = plan.isUnicast ? others.map(plan.source) : []
        switch make {
        case .syncgate:
            var settings = SyncgateRouter.Settings()
            settings.version = plan.version
            settings.interval =
                "\(plan.interval.components.seconds * 1000 + Int64(plan.interval / .milliseconds(1)) % 1000)ms"
            (settings.addresses, settings.password, settings.peers) = (plan.addresses, plan.password, peers)
            (settings.priority, settings.preempts, settings.isRealTime) = (priority, preempts, plan.isRealTime)
            if plan.toleratesHopLimit64 { settings.more += ["--min-hop-limit", "64"] }
            process = .syncgate(try await SyncgateRouter(lab, on: leaf, settings))
        case .keepalived:
            var instance = Keepalived.Instance()
            instance.version = plan.version
            instance.interval = "\(plan.interval / .seconds(1))"
            (instance.addresses, instance.password, instance.peers) = (plan.addresses, plan.password, peers)
            (instance.priority, instance.preempts) = (priority, preempts)
            if plan.isUnicast, plan.isIPv6, !plan.toleratesHopLimit64 { instance.more.append("unicast_ttl 255") }
            let global = plan.isRealTime ? ["vrrp_rt_priority 50"] : []
            process = .keepalived(try await Keepalived(lab, on: leaf, [instance], global: global))
        }
    }

    /// The states it says that it came to: `backup`, `active`, or others of its own.
    public var states: [String] {
        switch process {
        case .syncgate(let router): router.states
        case .keepalived(let router): router.states.map { ["BACKUP": "backup", "MASTER": "active"][$0] ?? $0 }
        }
    }

    /// What it says against packets of the others.
    public var complaints: [String] {
        switch process {
        case .syncgate(let router): router.complaints
        case .keepalived(let router): router.complaints
        }
    }

    /// Everything that it printed.
    public var log: String {
        switch process {
        case .syncgate(let router): router.output + router.errors
        case .keepalived(let router): router.log
        }
    }

    /// The process that speaks VRRP.
    public var processID: Int32? {
        switch process {
        case .syncgate(let router): router.process.id
        case .keepalived(let router): router.processID
        }
    }

    /// SIGTERM, and waits for its end.
    public func stop() async {
        switch process {
        case .syncgate(let router): await router.stop()
        case .keepalived(let router): await router.stop()
        }
    }

    /// Dies at once and sends nothing more. Returns the moment.
    @discardableResult
    public func kill() async -> WallTime {
        let time = WallTime.now
        switch process {
        case .syncgate(let router): await router.kill()
        case .keepalived(let router): await router.kill()
        }
        return time
    }

    /// Sends a signal to the process that speaks VRRP.
    public func signal(_ number: Int32) {
        switch process {
        case .syncgate(let router): router.process.signal(number)
        case .keepalived(let router): router.signal(number)
        }
    }

    /// Waits until it says that it is in a state.
    public func wait(for state: String, within limit: Duration = .seconds(15)) async throws {
        try await waitUntil("\(make) is \(state): \(states) \(log.suffix(1500))", within: limit) {
            states.last == state
        }
    }
}
