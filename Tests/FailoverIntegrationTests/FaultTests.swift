import Glibc
import NetworkLab
import RedisLab
import Testing

/// Each fault, and the way back.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct FaultTests {
    @Test(.timeLimit(.minutes(1)))
    func `a node that returns becomes the replica, and does not take the address back`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            try await pair.observe("the host dies", endingAt: pair[2], within: .death) {
                try await pair.killHost(pair[1])
            }
            try await pair.expectQuiet("it returns", for: .seconds(4), at: pair[2]) {
                try await pair.lab.mend(pair[1].leaf, .cable)
                try await pair[1].redis.start(empty: true)
                try await pair[1].daemon.start()
            }
            try await pair.waitUntilServing(pair[2])
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [NetworkLab.Cut.cable, .interface])
    func `an interface goes down and comes back`(_ cut: NetworkLab.Cut) async throws {
        try await withPairLab { pair in
            try await pair.start()
            // Its server goes on as a master that nobody reaches.
            let limits = Limits(lost: 200, twoMasters: .seconds(10))
            try await pair.observe("\(cut) down", endingAt: pair[2], within: limits) {
                try await pair.lab.cut(pair[1].leaf, cut)
            }
            try await pair.waitForStatus(pair[1], "interface_down")
            try await pair.lab.mend(pair[1].leaf, cut)
            try await pair.waitUntilServing(pair[2])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a Backup that hears nothing takes over by the gate, and nothing is lost`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            // Both are elected while they do not hear each other; the address is at both until the first one sees that its
            // server has become a replica.
            let limits = Limits(twoAddresses: .seconds(1))
            try await pair.observe("node 2 is deaf", endingAt: pair[2], within: limits) {
                try await pair.lab.cut(pair[2].leaf, .deaf)
            }
            try await pair.lab.mend(pair[2].leaf, .deaf)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a wrong password keeps a node out, and nothing moves`() async throws {
        var settings = PairLab.Settings()
        settings.redis.password = "right"
        settings.daemon.routers[0].password = "right"
        try await withPairLab(settings) { pair in
            var wrong = settings.daemon
            wrong.routers[0].password = "wrong"
            try pair[1].daemon.configure(wrong, peer: pair[2].leaf)
            for node in pair.nodes { try await node.daemon.start() }
            try await pair.waitForStatus(pair[1], "redis_unusable")
            try await waitUntil("node 2 serves", within: .seconds(30)) {
                try await pair.lab.holders(of: pair.address) == [2]
            }
            try #require(try await pair[2].redis.info()["role"] == "master")
            var right = settings.daemon
            right.routers[0].priority = pair.settings.priorities[0]
            try pair[1].daemon.configure(right, peer: pair[2].leaf)
            #expect(await pair[1].daemon.stop() == 0)
            try await pair[1].daemon.start()
            try await pair.waitForStatus(pair[1], "standby")
            try await pair.waitUntilServing(pair[2])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a cluster node cannot be used, and is left alone`() async throws {
        var settings = PairLab.Settings()
        settings.redis.hasBootFence = false
        settings.redis.more = ["cluster-enabled yes"]
        try await withPairLab(settings) { pair in
            for node in pair.nodes { try await node.daemon.start() }
            for node in pair.nodes { try await pair.waitForStatus(node, "redis_unusable") }
            try #require(try await pair.lab.holders(of: pair.address) == [])
            for node in pair.nodes {
                await node.redis.kill()
                try await node.redis.start(empty: true, with: LabRedis.Settings())
            }
            _ = try await pair.waitUntilSettled()
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a node that is cut off from its witness stops serving`() async throws {
        var settings = PairLab.Settings()
        settings.daemon.routers[0].more = ["witnesses = [\"ping:198.51.100.4\"]"]
        try await withPairLab(settings) { pair in
            try await pair.start()
            let watches = [
                try await pair.lab.watchAddresses(in: pair[1].leaf),
                try await pair.lab.watchAddresses(in: pair[2].leaf),
            ]
            try await pair.observe(
                "node 1 is cut off", endingAt: pair[2],
                within: Limits(lost: 200, gap: .seconds(4), twoAddresses: .seconds(3), twoMasters: .seconds(3))
            ) {
                try await pair.lab.cut(pair[1].leaf)
                try await pair.waitForStatus(pair[1], "witness_unreachable")
            }
            try #require(try await pair.lab.holders(of: pair.address) == [2])
            try #require(AddressLog.overlap(watches[0], watches[1], of: pair.address) < .seconds(3))
            try await pair.lab.mend(pair[1].leaf)
            try await pair.waitUntilServing(pair[2])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `two routers in one daemon: one whose Redis hangs does not delay the other`() async throws {
        try await TwoRouters.run()
    }

    @Test(.timeLimit(.minutes(1)))
    func `an IPv6 address moves as well`() async throws {
        var settings = PairLab.Settings()
        settings.daemon.routers[0].addresses = ["2001:db8::100/64"]
        try await withPairLab(settings) { pair in
            try await pair.start()
            try await pair.observe("Redis killed", endingAt: pair[2], within: .death) { await pair[1].redis.kill() }
        }
    }
}

/// A second pair of servers, on port 6380 of the same nodes, with an address of its own.
enum TwoRouters {
    static func run() async throws {
        var settings = PairLab.Settings()
        var other = LabDaemon.Router()
        (other.name, other.virtualRouterID, other.addresses) = ("other", 52, ["198.51.100.101/24"])
        other.local = "redis://127.0.0.1:6380"
        settings.daemon.routers.append(other)
        try await withPairLab(settings) { pair in
            var redis = settings.redis
            redis.port = 6380
            var servers: [LabRedis] = []
            for node in pair.nodes {
                servers.append(try await LabRedis(pair.lab, on: node.leaf, redis))
                var daemon = settings.daemon
                for index in daemon.routers.indices {
                    daemon.routers[index].priority = node.leaf.number == 1 ? 110 : 100
                }
                daemon.routers[1].peer = "redis://\(pair.peer(of: node).leaf.ipv4):6380"
                try node.daemon.configure(daemon, peer: pair.peer(of: node).leaf)
            }
            try await pair.start()
            try await pair.lab.waitUntilHeld("198.51.100.101", by: pair[1].leaf, within: .seconds(20))
            try await pair.expectQuiet("the other router's Redis hangs", for: .seconds(4), at: pair[1]) {
                servers[0].signal(SIGSTOP)
            }
            try await pair.lab.waitUntilHeld("198.51.100.101", by: pair[2].leaf, within: .seconds(10))
            servers[0].signal(SIGCONT)
        }
    }
}
