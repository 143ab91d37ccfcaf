import Foundation
import Glibc
public import RedisLab

/// Two nodes with a Redis and a daemon each, and a client: leaves 1, 2 and 3 of a lab. Leaf 4 is free (a witness).
public final class PairLab: Sendable {
    /// What the pair is built of.
    public struct Settings: Sendable {
        /// Both servers.
        public var redis = LabRedis.Settings()
        /// Both daemons.
        public var daemon = LabDaemon.Settings()
        /// The priorities of nodes 1 and 2.
        public var priorities = [110, 100]

        /// Redis 7.0 with the fragment.
        public init() {}
        /// Another version.
        public init(_ version: RedisVersion) { redis.version = version }
    }

    /// One node.
    public struct Node: Sendable {
        /// Where.
        public let leaf: NetworkLab.Leaf
        /// Its server.
        public let redis: LabRedis
        /// Its daemon; it runs once it is started.
        public let daemon: LabDaemon
    }

    /// The segment.
    public let lab: NetworkLab
    /// Nodes 1 and 2.
    public let nodes: [Node]
    /// What it was built of.
    public let settings: Settings
    /// Where clients run.
    public var client: NetworkLab.Leaf { lab[3] }
    /// The first virtual address, without its prefix length.
    public var address: String { String(settings.daemon.routers[0].addresses[0].prefix { $0 != "/" }) }
    /// Where clients write to.
    public var endpoint: String { address.contains(":") ? "[\(address)]:6379" : "\(address):6379" }

    /// Builds the segment and starts both servers; no daemon yet.
    public init(_ settings: Settings = .init()) async throws {
        self.settings = settings
        lab = try await NetworkLab(leaves: 4)
        do {
            let segment = lab
            var nodes: [Node] = []
            for (leaf, peer) in [(lab[1], lab[2]), (lab[2], lab[1])] {
                var daemon = settings.daemon
                let priority = settings.priorities[leaf.number - 1]
                for index in daemon.routers.indices { daemon.routers[index].priority = priority }
                nodes.append(
                    Node(
                        leaf: leaf, redis: try await LabRedis(segment, on: leaf, settings.redis),
                        daemon: try LabDaemon(segment, on: leaf, peer: peer, daemon)))
            }
            self.nodes = nodes
        } catch {
            await lab.remove()
            throw error
        }
    }

    /// Node 1 or 2.
    public subscript(number: Int) -> Node { nodes[number - 1] }
    /// The other one.
    public func peer(of node: Node) -> Node { node.leaf.number == 1 ? nodes[1] : nodes[0] }

    /// Starts the daemons, node 1's first, and waits until node 1 serves and node 2 follows.
    public func start() async throws {
        for node in nodes { try await node.daemon.start() }
        try await waitUntilServing(self[1], within: .seconds(30))
    }

    /// Waits until a node has the virtual address alone and its server takes writes; where `isFollowed`, the other's
    /// server follows it.
    public func waitUntilServing(
        _ node: Node, isFollowed: Bool = true, within limit: Duration = .seconds(20)
    ) async throws {
        try await waitUntil("node \(node.leaf.number) serves", within: limit, pause: .milliseconds(50)) {
            try await isServing(node, isFollowed: isFollowed)
        }
        if isFollowed { try await waitUntilReplicated(from: node) }
    }

    /// Whether a node has the virtual address alone and its server takes writes; where `isFollowed`, the other's server follows
    /// it.
    public func isServing(_ node: Node, isFollowed: Bool = true) async throws -> Bool {
        guard try await lab.holders(of: address) == [node.leaf.number] else { return false }
        do {
            let info = try await node.redis.info()
            guard info["role"] == "master" else { return false }
            if !isFollowed { return true }
            let other = try await peer(of: node).redis.info()
            return other["role"] == "slave" && other["master_link_status"] == "up"
                && other["master_host"] == node.leaf.ipv4
        } catch { return false }
    }

    /// Waits until one node serves and the other follows, and it stays so; returns the one that serves.
    public func waitUntilSettled(within limit: Duration = .seconds(40)) async throws -> Node {
        let end = ContinuousClock.now + limit
        while true {
            let left = ContinuousClock.now.duration(to: end)
            let node = try await waitFor("the pair has settled", within: left, pause: .milliseconds(50)) {
                for node in nodes where try await isServing(node) { return node }
                return nil as Node?
            }
            try await Task.sleep(for: .milliseconds(300))
            guard try await isServing(node) else { continue }
            try await waitUntilReplicated(from: node)
            return node
        }
    }

    /// Waits until a write has reached the other server: a link that is up may not carry any yet. (After a diskless full
    /// copy Redis waits for the replica's word, which comes once a second.)
    private func waitUntilReplicated(from node: Node) async throws {
        let value = "\(WallTime.now.nanoseconds)"
        try await node.redis.ask(["SET", "lab:settled", value])
        try await waitUntil("a write on node \(node.leaf.number) reaches the other", pause: .milliseconds(20)) {
            try await peer(of: node).redis.ask(["GET", "lab:settled"]).text == value
        }
    }

    /// The node that has the virtual address; nil where none or both do.
    public func holder() async throws -> Node? {
        let holders = try await lab.holders(of: address)
        return holders.count == 1 ? nodes[holders[0] - 1] : nil
    }

    /// The host dies: it is off the wire, and nothing on it lives any more. Returns the moment.
    @discardableResult
    public func killHost(_ node: Node) async throws -> WallTime {
        let time = WallTime.now
        try await lab.cut(node.leaf, .cable)
        await node.daemon.kill()
        await node.redis.kill()
        // A dead host holds nothing.
        for held in try await lab.addresses(in: node.leaf) where held.address == address {
            try await lab.run(["ip", "addr", "del", "\(address)/\(held.prefixLength)", "dev", "eth0"], in: node.leaf)
        }
        return time
    }

    /// What all parts logged, for who has to find out what went wrong.
    public var logs: String {
        nodes.map { node in
            "---- node \(node.leaf.number): daemon\n\(node.daemon.text.suffix(20_000))"
                + "\n---- node \(node.leaf.number): Redis\n\(node.redis.text.suffix(4000))\n"
        }.joined()
    }
}

/// Builds a pair, runs `body`, and removes it whatever happens in it; the logs are printed when it throws.
public func withPairLab<Value: Sendable>(
    _ settings: PairLab.Settings = .init(), isolation: isolated (any Actor)? = #isolation,
    _ body: (PairLab) async throws -> Value
) async throws -> Value {
    let pair = try await PairLab(settings)
    do {
        let value = try await body(pair)
        await pair.lab.remove()
        return value
    } catch {
        FileHandle.standardError.write(Data("\(error)\n\(pair.logs)".utf8))
        await pair.lab.remove()
        throw error
    }
}
