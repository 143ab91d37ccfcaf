internal import Failover
internal import Operations
internal import RedisClient
internal import Salvage
internal import VRRP

/// Reads `[[virtual_router]]`.
extension ConfigurationContext {
    /// nil only with problems noted.
    func router(
        _ table: [String: ConfigurationValue], path: String, node: String, _ problems: ConfigurationProblems
    ) -> VirtualRouterConfiguration? {
        var name = "redis"
        if case .text(let text)? = table[RouterKey.name.rawValue], Self.isName(text) { name = text }
        let section = ConfigurationSection<RouterKey>(table, path: path, router: name, problems: problems)
        _ = section.text(.name, "1 to 64 letters, digits, dots, dashes and underscores") {
            Self.isName($0) ? $0 : nil
        }
        let before = problems.errors.count
        let places = addresses(section)
        let parameters = parameters(section, places)
        let interface = interface(section)
        let upkeep = upkeep(section)
        let timing = timing(section)
        let witnesses = witnesses(section)
        let policy = policy(section, hasWitnesses: !witnesses.isEmpty)
        let divergence = section.text(.onDivergence, Self.choice(DivergencePolicy.allCases.map(\.rawValue))) {
            DivergencePolicy(rawValue: $0)
        }
        let local = endpoint(section.section(.local, of: ServerKey.self))
        if !section.has(.peer) {
            section.add(.missing(example: "[virtual_router.peer] with url = \"redis://198.51.100.2:6379\""), at: .peer)
        }
        let peer = section.has(.peer) ? endpoint(section.section(.peer, of: ServerKey.self), like: local) : nil
        let hooks = hooks(section.section(.hooks, of: HookKey.self))
        let unicast = unicast(section, family: parameters?.family)
        let look = sampleInterval(section, downAfter: timing.downAfter)
        let connect = section.duration(.connectTimeout, .milliseconds(10) ... .seconds(10)) ?? .milliseconds(250)
        let announce = section.text(.announce, "host:port, such as \"198.51.100.1:6379\"") { HostPort(text: $0) }
        guard problems.errors.count == before, let parameters, let interface, let local, let peer else { return nil }
        return VirtualRouterConfiguration(
            node: NodeConfiguration(
                name: name, node: node, router: parameters, virtualAddresses: places, upkeep: upkeep,
                unicastPeers: unicast.peers,
                localRedis: announced(announce, source: unicast.source, local: local),
                peerRedis: peer.url.hostPort.map { RedisAddress(host: $0.host, port: $0.port) }, timing: timing,
                policy: policy),
            interface: interface, source: unicast.source, minimumHopLimit: unicast.minimumHopLimit, local: local,
            peer: peer, announce: announce, connectTimeout: connect, sampleInterval: look,
            divergence: divergence ?? .salvage, witnesses: witnesses, hooks: hooks.programs, hookTimeout: hooks.timeout)
    }

    // MARK: - The election

    private func addresses(_ section: ConfigurationSection<RouterKey>) -> [VirtualAddress] {
        section.require(.addresses, example: "[\"198.51.100.100/24\"]")
        let allowed =
            "an address with its prefix length, such as \"198.51.100.100/24\" or \"2001:db8::100/64 dev eth1\""
        let addresses = section.list(.addresses, allowed) { VirtualAddress(placement: $0) } ?? []
        if addresses.isEmpty, case .list([])? = section.raw(.addresses) {
            section.add(.impossible(found: "an empty list", allowed: "at least one address"), at: .addresses)
        }
        return addresses
    }

    private func parameters(
        _ section: ConfigurationSection<RouterKey>, _ places: [VirtualAddress]
    ) -> VirtualRouterParameters? {
        section.require(.vrid, example: "51")
        let number = section.integer(.vrid, 1...255)
        let priority = section.integer(.priority, 1...254, " (255 would own the addresses, and these come and go)")
        let version =
            section.integer(.version, 2...3).flatMap { UInt8(exactly: $0) }
            .flatMap { ProtocolVersion(rawValue: $0) } ?? .v3
        let interval = section.duration(
            .advertisementInterval,
            version == .v2 ? .seconds(1) ... .seconds(255) : .milliseconds(10) ... .milliseconds(40_950),
            version == .v2 ? ", whole seconds in version 2" : ", in steps of 10ms")
        let delay = section.duration(.preemptDelay, .zero ... .seconds(1000))
        let preempts = section.truth(.preempt) ?? false
        let isPlain = section.truth(.plainChecksum) ?? false
        let password = section.text(.authPass, "a text of 1 to 8 bytes") { (1...8).contains($0.utf8.count) ? $0 : nil }
        guard let id = number.flatMap(VirtualRouterID.init), let first = places.first else { return nil }
        let parameters = VirtualRouterParameters(
            version: version, virtualRouterID: id, priority: Priority(UInt8(clamping: priority ?? 100)),
            advertisementInterval: interval ?? (version == .v2 ? .seconds(1) : .milliseconds(100)), preempts: preempts,
            preemptDelay: delay ?? .zero,
            addresses: places.map(\.address).filter { $0.family == first.address.family },
            authentication: password.map { .password(Array($0.utf8)) } ?? .none,
            checksumCoverage: isPlain ? .message : .pseudoHeader)
        if delay ?? .zero > .zero, !preempts {
            section.add(.conflict("means nothing without preempt = true"), at: .preemptDelay)
        }
        if let problem = parameters.problem { section.add(.conflict("\(problem)"), at: problem.key) }
        return parameters
    }

    private func interface(_ section: ConfigurationSection<RouterKey>) -> String? {
        section.require(.interface, example: "\"eth0\"")
        return section.text(.interface, "the name of an interface, 1 to 15 bytes") { name in
            let isPossible =
                (1...15).contains(name.utf8.count) && name != "." && name != ".."
                && name.utf8.allSatisfy {
                    $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":")
                }
            return isPossible ? name : nil
        }
    }

    private struct Unicast {
        var source: IPAddress?
        var peers: [IPAddress] = []
        var minimumHopLimit: UInt8 = 255
    }

    private func unicast(_ section: ConfigurationSection<RouterKey>, family: AddressFamily?) -> Unicast {
        let allowed = "an address without a prefix length, of a host, not of a group"
        let read = { (text: String) in IPAddress(text).flatMap { $0.isMulticast || $0.isUnspecified ? nil : $0 } }
        let peers = section.list(.unicastPeers, allowed, read) ?? []
        let source = section.text(.source, allowed, read)
        let limit = section.integer(.minHopLimit, 1...255)
        let unicast = Unicast(source: source, peers: peers, minimumHopLimit: UInt8(clamping: limit ?? 255))
        for problem in PeerProblem.find(
            source: source, peers: peers, minimumHopLimit: unicast.minimumHopLimit, family: family)
        {
            let text = problem.text(source: RouterKey.source.rawValue, peers: RouterKey.unicastPeers.rawValue)
            section.add(.conflict(text), at: problem.key)
        }
        return unicast
    }

    private func upkeep(_ section: ConfigurationSection<RouterKey>) -> AddressUpkeep.Settings {
        var upkeep = AddressUpkeep.Settings()
        let lifetime = section.duration(.addressLifetime, AddressUpkeep.Settings.lifetimes, ", whole seconds")
        upkeep.lifetime = lifetime ?? upkeep.lifetime
        upkeep.announceRepeat = section.integer(.announceRepeat, 0...100) ?? upkeep.announceRepeat
        upkeep.announceDelay = section.duration(.announceDelay, .zero ... .seconds(3600)) ?? upkeep.announceDelay
        if case .text("never")? = section.raw(.announceRefresh) {
            upkeep.announceRefresh = nil
        } else {
            let refresh = section.duration(.announceRefresh, .seconds(1) ... .seconds(86_400), ", or \"never\"")
            upkeep.announceRefresh = refresh ?? upkeep.announceRefresh
        }
        if let problem = upkeep.problem { section.add(.conflict(problem), at: .addressLifetime) }
        return upkeep
    }

    // MARK: - Redis

    private func timing(_ section: ConfigurationSection<RouterKey>) -> NodeConfiguration.Timing {
        let hour = Duration.seconds(3600)
        var timing = NodeConfiguration.Timing()
        timing.downAfter = section.duration(.downAfter, .milliseconds(100) ... .seconds(60)) ?? timing.downAfter
        timing.promoteTimeout = section.duration(.promoteTimeout, .zero...hour) ?? timing.promoteTimeout
        timing.switchoverTimeout =
            section.duration(.switchoverTimeout, .milliseconds(100)...hour) ?? timing.switchoverTimeout
        timing.waitForPeer = section.duration(.waitForPeer, .zero...hour) ?? timing.waitForPeer
        timing.startGrace = section.duration(.startGrace, .zero...hour) ?? timing.startGrace
        timing.retryAfter = section.duration(.retryAfter, .milliseconds(100)...hour) ?? timing.retryAfter
        return timing
    }

    private func sampleInterval(_ section: ConfigurationSection<RouterKey>, downAfter: Duration) -> Duration {
        let interval = section.duration(.sampleInterval, .milliseconds(10) ... .seconds(10))
        if let interval, interval * 4 > downAfter {
            section.add(
                .conflict("\(interval.text) is more than a quarter of down_after (\(downAfter.text))"),
                at: .sampleInterval)
        }
        return interval ?? min(.milliseconds(100), downAfter / 4)
    }

    private func policy(
        _ section: ConfigurationSection<RouterKey>, hasWitnesses: Bool
    ) -> NodeConfiguration.Policy {
        var policy = NodeConfiguration.Policy()
        policy.hasWitnesses = hasWitnesses
        policy.fencesIsolatedMaster = section.truth(.writeFence) ?? false
        policy.promotesAfterTimeout =
            section.text(.onTimeout, Self.choice(["promote", "refuse"])) { text in
                text == "promote" ? true : text == "refuse" ? false : nil
            } ?? true
        if case .text("unlimited")? = section.raw(.maxLoss) { return policy }
        policy.maxLossBytes = section.text(.maxLoss, "bytes with their unit, such as \"64MiB\", or \"unlimited\"") {
            // A bare number leaves open what it counts.
            $0.hasSuffix("B") ? ByteCount(text: $0)?.bytes : nil
        }
        return policy
    }

    private func witnesses(_ section: ConfigurationSection<RouterKey>) -> [Witness] {
        let allowed = "\"ping:ADDRESS\" or \"tcp:HOST:PORT\" (IPv6 in brackets there)"
        let witnesses = section.list(.witnesses, allowed) { Witness(text: $0) } ?? []
        if Set(witnesses).count != witnesses.count {
            section.add(.conflict("a witness is listed twice"), at: .witnesses)
        }
        return witnesses
    }

    /// The local Redis as the peer's reaches it, as far as the file says so.
    private func announced(_ announce: HostPort?, source: IPAddress?, local: Endpoint) -> RedisAddress? {
        if let announce { return RedisAddress(host: announce.host, port: announce.port) }
        guard let place = local.url.hostPort else { return nil }
        if let source, !source.isLinkLocal { return RedisAddress(host: "\(source)", port: place.port) }
        return NetworkAddress.isLoopback(place.host) ? nil : RedisAddress(host: place.host, port: place.port)
    }

    // MARK: - Hooks

    private func hooks(
        _ section: ConfigurationSection<HookKey>
    ) -> (programs: [Hook: [String]], timeout: Duration) {
        var programs: [Hook: [String]] = [:]
        let keys: [(HookKey, Hook)] = [
            (.onPromote, .promote), (.onDemote, .demote), (.onFault, .fault), (.onStop, .stop),
        ]
        for (key, hook) in keys {
            let allowed = "texts: a program and its arguments, such as [\"/etc/syncgate/notify\", \"argument\"]"
            guard var command = section.list(key, allowed, { $0 }) else { continue }
            guard let program = command.first, !program.isEmpty else {
                section.add(.impossible(found: "an empty list", allowed: allowed), at: key)
                continue
            }
            command[0] = path(program)
            if !FilePlace.isProgram(command[0]) {
                section.warn("\(command[0]) is no program that can be run here", at: key)
            }
            programs[hook] = command
        }
        return (programs, section.duration(.timeout, .milliseconds(100) ... .seconds(3600)) ?? .seconds(30))
    }
}

extension ParameterProblem {
    /// The key that it is about.
    fileprivate var key: RouterKey {
        switch self {
        case .noAddresses, .tooManyAddresses, .mixedFamilies, .unusableAddress, .duplicateAddress: .addresses
        case .addressNeedsVersion3: .version
        case .priorityZero: .priority
        case .interval: .advertisementInterval
        case .preemptDelay: .preemptDelay
        case .passwordWithVersion3, .passwordLength, .passwordContainsZero: .authPass
        }
    }
}

extension PeerProblem {
    /// The key that it is about.
    fileprivate var key: RouterKey {
        switch self {
        case .sourceFamily: .source
        case .peerFamily, .sourceNeeded, .group, .duplicatePeer: .unicastPeers
        case .hopLimitWithoutPeers: .minHopLimit
        }
    }
}
