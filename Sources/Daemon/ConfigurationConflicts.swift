internal import Failover
internal import Operations
internal import RedisClient
internal import VRRP

/// What is possible in itself, and not beside something else of the same file.
struct ConfigurationConflicts {
    /// One of them: in which virtual router, at which key, and what it is.
    struct Conflict: Equatable {
        var router: Int
        var key: RouterKey
        var sentence: String
    }

    /// All of them, by virtual router.
    static func find(in routers: [VirtualRouterConfiguration]) -> [Conflict] {
        routers.indices.flatMap { index in
            (inside(routers[index]) + between(routers[index], routers[..<index])).map {
                Conflict(router: index, key: $0.key, sentence: $0.sentence)
            }
        }
    }

    private typealias Finding = (key: RouterKey, sentence: String)

    // MARK: - Within one virtual router

    private static func inside(_ router: VirtualRouterConfiguration) -> [Finding] {
        addressFindings(router) + serverFindings(router) + witnessFindings(router)
    }

    private static func addressFindings(_ router: VirtualRouterConfiguration) -> [Finding] {
        let virtual = router.node.virtualAddresses.map(\.address)
        var findings: [Finding] = []
        if let twice = virtual.enumerated().first(where: { virtual[..<$0.offset].contains($0.element) }) {
            findings.append((.addresses, "the address \(twice.element) is listed twice"))
        }
        if let source = router.source, virtual.contains(source) {
            findings.append(
                (.source, "\(source) is a virtual address; advertisements need one that stays on this node"))
        }
        for peer in router.node.unicastPeers where virtual.contains(peer) {
            findings.append((.unicastPeers, "\(peer) is a virtual address; the other node's own one is needed"))
        }
        for peer in router.node.unicastPeers where peer == router.source {
            findings.append((.unicastPeers, "\(peer) is this node's own address (source)"))
        }
        return findings
    }

    private static func serverFindings(_ router: VirtualRouterConfiguration) -> [Finding] {
        let virtual = router.node.virtualAddresses.map(\.address)
        var findings: [Finding] = []
        for (key, endpoint) in [(RouterKey.local, router.local), (.peer, router.peer)] {
            if let host = endpoint.url.host, let address = IPAddress(host), virtual.contains(address) {
                findings.append(
                    (key, "\(host) is a virtual address, which moves; give the address of the server's own node"))
            }
        }
        if router.local.url.address == router.peer.url.address {
            findings.append((.peer, "is the same server as local: \(router.local.url.place)"))
        }
        guard let peer = router.peer.url.host else {
            findings.append((.peer, "a unix socket leads to a server on this machine; give the other node's address"))
            return findings
        }
        return findings + announceFindings(router, peer: peer)
    }

    private static func announceFindings(_ router: VirtualRouterConfiguration, peer: String) -> [Finding] {
        let virtual = router.node.virtualAddresses.map(\.address)
        guard let announce = router.announce else {
            let isSocket = router.local.url.host == nil
            return isSocket
                ? [(.announce, "is needed: local is a unix socket, and the peer must know where to replicate from")]
                : []
        }
        if let address = IPAddress(announce.host), virtual.contains(address) {
            return [(.announce, "\(announce.host) is a virtual address; the peer would replicate from itself")]
        }
        if NetworkAddress.isLoopback(announce.host), !NetworkAddress.isLoopback(peer) {
            return [(.announce, "\(announce.host) is the peer's own machine when the peer at \(peer) connects to it")]
        }
        if announce == router.peer.url.hostPort { return [(.announce, "\(announce) is the peer itself")] }
        return []
    }

    private static func witnessFindings(_ router: VirtualRouterConfiguration) -> [Finding] {
        let virtual = router.node.virtualAddresses.map { "\($0.address)" }
        return router.witnesses.compactMap { witness in
            let host =
                switch witness {
                case .ping(let address): "\(address)"
                case .tcp(let place): IPAddress(place.host).map { "\($0)" } ?? place.host
                }
            if virtual.contains(host) {
                return (.witnesses, "\(witness) is a virtual address, which is always reached")
            }
            if NetworkAddress.isLoopback(host) {
                return (.witnesses, "\(witness) is this machine, which is always reached")
            }
            if host == router.peer.url.host {
                return (.witnesses, "\(witness) is the peer: with its machine down, this node would count as cut off")
            }
            return nil
        }
    }

    // MARK: - Between two

    private static func between(
        _ router: VirtualRouterConfiguration, _ others: ArraySlice<VirtualRouterConfiguration>
    ) -> [Finding] {
        others.flatMap { other -> [Finding] in
            let name = other.node.name
            var findings: [Finding] = []
            if router.node.name == name {
                findings.append((.name, "there is another virtual router of the name \"\(name)\""))
            }
            let (one, two) = (router.node.router, other.node.router)
            if router.interface == other.interface, one.virtualRouterID == two.virtualRouterID,
                one.family == two.family
            {
                findings.append((.vrid, "\(one.virtualRouterID) is \(name)'s on \(router.interface) already"))
            }
            let taken = Set(other.node.virtualAddresses.map(\.address))
            if let shared = router.node.virtualAddresses.first(where: { taken.contains($0.address) }) {
                findings.append((.addresses, "\(shared.address) is an address of \(name) already"))
            }
            if router.local.url.address == other.local.url.address {
                findings.append((.local, "\(router.local.url.place) is guarded by \(name) already"))
            }
            return findings
        }
    }
}
