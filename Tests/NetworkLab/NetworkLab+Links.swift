import RedisLab

/// Trouble with the wire.
extension NetworkLab {
    /// How a leaf loses its connection.
    public enum Cut: Sendable, CaseIterable {
        /// Nothing gets through, and nobody notices: the bridge's port drops everything.
        case silent
        /// Others' multicasts and broadcasts do not reach it; what it sends reaches the others.
        case deaf
        /// The cable is pulled: its interface loses the carrier.
        case cable
        /// Its own interface is set down (which takes its IPv6 addresses away).
        case interface
    }

    /// Cuts a leaf off.
    public func cut(_ leaf: Leaf, _ how: Cut = .silent) async throws {
        switch how {
        case .silent: try await port(leaf, ["state", "0"])
        case .deaf: try await port(leaf, ["flood", "off", "mcast_flood", "off", "bcast_flood", "off"])
        case .cable: try await ip(["-n", bridge, "link", "set", leaf.port, "down"])
        case .interface: try await ip(["-n", leaf.namespace, "link", "set", "eth0", "down"])
        }
    }

    /// Undoes `cut`, and gives back the addresses that the kernel took away.
    public func mend(_ leaf: Leaf, _ how: Cut = .silent) async throws {
        switch how {
        case .silent: try await port(leaf, ["state", "3"])
        case .deaf: try await port(leaf, ["flood", "on", "mcast_flood", "on", "bcast_flood", "on"])
        case .cable: try await ip(["-n", bridge, "link", "set", leaf.port, "up"])
        case .interface: try await ip(["-n", leaf.namespace, "-batch"], input: "link set eth0 up\n\(ipv6Lines(leaf))")
        }
    }

    private func port(_ leaf: Leaf, _ settings: [String]) async throws {
        try await LabTool.run("bridge", ["-n", bridge, "link", "set", "dev", leaf.port] + settings)
    }

    /// Makes a leaf's interface (anew, after `unplug`), with its addresses, and waits until it works.
    public func plug(_ leaf: Leaf) async throws {
        try await ip([
            "link", "add", leaf.port, "netns", bridge, "type", "veth", "peer", "name", "eth0", "address", leaf.mac,
            "netns",
            leaf.namespace,
        ])
        try await ip(["-n", bridge, "link", "set", leaf.port, "master", "br0", "up"])
        let lines =
            "link set lo up\nlink set eth0 addrgenmode none\nlink set eth0 up\naddr add \(leaf.ipv4)/24 dev eth0\n"
        try await ip(["-n", leaf.namespace, "-batch"], input: lines + ipv6Lines(leaf))
        try await waitUntil("\(leaf.namespace) has a carrier") {
            try await ip(["-n", leaf.namespace, "link", "show", "eth0"]).contains("LOWER_UP")
        }
    }

    private func ipv6Lines(_ leaf: Leaf) -> String {
        "addr add \(leaf.ipv6)/64 dev eth0 nodad\naddr add \(leaf.linkLocal)/64 dev eth0 nodad\n"
    }

    /// Takes a leaf's interface away altogether; `plug` makes a new one.
    public func unplug(_ leaf: Leaf) async throws { try await ip(["-n", leaf.namespace, "link", "del", "eth0"]) }
}
