import Daemon
import Failover
import Glibc
import Operations
import RedisClient
import RedisLab
import Replication
import Testing
import VRRP

/// How two daemons see each other, and how a node sees its witnesses.
@Suite("RedisSide: presence and witnesses", .serialized)
struct RedisPresenceTests {
    private func presence(_ node: String, _ state: CoordinatorState, epoch: UInt64 = 7) -> Presence {
        Presence(virtualRouterID: 51, node: node, state: state, epoch: epoch)
    }

    @Test("both daemons see each other, each change, and the other's end", arguments: RedisVersion.available)
    func bothWays(version: RedisVersion) async throws {
        try await withRedisServers(version, count: 2) { servers in
            let one = try ObservedSide(local: servers[0], peer: servers[1], node: "node1")
            let two = try ObservedSide(local: servers[1], peer: servers[0], node: "node2")
            try await one.wait("the server") { $0.local?.observation != nil && $0.peer == nil }
            try await two.wait("the server") { $0.local?.observation != nil && $0.peer == nil }
            one.side.show(presence("node1", .serving))
            two.side.show(presence("node2", .standby))
            try await one.wait("node2") { $0 == .peerDaemon(presence("node2", .standby)) }
            try await two.wait("node1") { $0 == .peerDaemon(presence("node1", .serving)) }
            let changed = ContinuousClock.now
            one.side.show(presence("node1", .handingOver, epoch: 8))
            let seen = try await two.wait("the change") { $0 == .peerDaemon(presence("node1", .handingOver, epoch: 8)) }
            print("a change was seen after \(seen.at - changed) on \(version)")
            #expect(seen.at - changed < .milliseconds(500))
            // Beats change the channel's name, and nothing else.
            try await Task.sleep(for: .milliseconds(2500))
            #expect(!two.entries.contains { $0.at > seen.at && $0.event == .peerDaemon(nil) })
            let ended = ContinuousClock.now
            await one.stop()
            let gone = try await two.wait("the end", since: ended) { $0 == .peerDaemon(nil) }
            #expect(gone.at - ended < .milliseconds(500))
            await two.stop()
        }
    }

    @Test("a subscription that was cut off comes back; a message does no harm")
    func cut() async throws {
        try await withRedisServers(.v7_0, count: 2) { servers in
            let one = try ObservedSide(local: servers[0], peer: servers[1], node: "node1")
            let two = try ObservedSide(local: servers[1], peer: servers[0], node: "node2")
            one.side.show(presence("node1", .serving))
            try await Task.sleep(for: .milliseconds(50))
            one.side.show(presence("node1", .serving))
            try await two.wait("node1") { $0 == .peerDaemon(presence("node1", .serving)) }
            for _ in 0..<3 {
                let channels = try await RedisPair.send(["PUBSUB", "CHANNELS"], to: servers[1])
                guard case .array(let names) = channels, let name = names.first?.text else {
                    Issue.record("\(channels)")
                    continue
                }
                try await RedisPair.send(["PUBLISH", name, "hello"], to: servers[1])
                try await RedisPair.send(["CLIENT", "KILL", "TYPE", "pubsub"], to: servers[1])
                try await RedisPair.wait("a new subscription") {
                    try await RedisPair.send(["PUBSUB", "CHANNELS"], to: servers[1]) != .array([])
                }
            }
            await servers[1].kill()
            try await two.wait("death") { $0 == .peerDaemon(nil) }
            let back = ContinuousClock.now
            try await servers[1].restart()
            try await two.wait("node1", since: back) { $0 == .peerDaemon(presence("node1", .serving)) }
            await one.stop()
            await two.stop()
        }
    }

    @Test("a subscription without a beat is not believed: its machine may be gone")
    func beatless() async throws {
        try await withRedisServers(.v7_0, count: 2) { servers in
            let two = try ObservedSide(local: servers[1], peer: servers[0], node: "node2")
            let dead = try await servers[1].connection()
            _ = try await dead.send(["SUBSCRIBE", "syncgate:51:node1:serving:7:replica:-:-:1"], timeout: .seconds(1))
            let seen = try await two.wait("node1") { $0 == .peerDaemon(presence("node1", .serving)) }
            let gone = try await two.wait("its end", since: seen.at) { $0 == .peerDaemon(nil) }
            #expect((.milliseconds(2800)...(.milliseconds(3500))).contains(gone.at - seen.at), "\(gone.at - seen.at)")
            await dead.close()
            await two.stop()
        }
    }

    @Test("without permission for channels there is no presence, and nothing worse; said once")
    func permission() async throws {
        try await withRedisServers(.v7_0, count: 2) { servers in
            for server in servers {
                try await RedisPair.send(
                    ["ACL", "SETUSER", "default", "resetchannels", "-pubsub", "-subscribe"], to: server)
            }
            let one = try ObservedSide(local: servers[0], peer: servers[1], node: "node1")
            try await Task.sleep(for: .milliseconds(50))
            one.side.show(presence("node1", .serving))
            try await Task.sleep(for: .milliseconds(2500))
            #expect(one.readings().allSatisfy { $0.observation != nil })
            #expect(one.readings(ofPeer: true).allSatisfy { $0.observation != nil })
            #expect(one.logged.filter { $0.hasPrefix("presence_denied") }.count == 2, "\(one.logged)")
            await one.stop()
        }
    }

    @Test("witnesses that are asked on demand answer at once, also where that is no news and one of them is silent")
    func asked() async throws {
        try await withRedisServers(.v7_0, count: 2) { servers in
            let silent = Witness.tcp(HostPort(host: "240.0.0.1", port: 1))
            let side = try ObservedSide(
                local: servers[0], peer: servers[1], witnesses: [silent, .ping(.v4(0x7f00_0001))])
            _ = try await side.wait("a first answer") { $0.isWitnessReachable == true }
            for number in 2...4 {
                let start = ContinuousClock.now
                side.side.askWitnesses()
                _ = try await side.wait("answer \(number)", limit: .milliseconds(400)) {
                    if case .witness(true, let askedAt) = $0 { askedAt >= start } else { false }
                }
            }
            await side.stop()
        }
    }

    @Test("witnesses: a connection, a refusal or an echo is enough; that nobody answers takes four")
    func witnesses() async throws {
        try await withRedisServers(.v7_0, count: 2) { servers in
            let nobody = try FreePort.pick()
            let loopback = IPAddress.v4(0x7f00_0001)
            // 240.0.0.1 is reserved: nobody answers there.
            let lost = Witness.ping(.v4(0xf000_0001))
            for witness in [
                Witness.tcp(HostPort(host: "localhost", port: servers[0].port)),
                .tcp(HostPort(host: "127.0.0.1", port: nobody)), .ping(loopback), .ping(.v6(0, 1)),
            ] {
                let side = try ObservedSide(local: servers[0], peer: servers[1], witnesses: [lost, witness])
                let entry = try await side.wait("\(witness)", limit: .seconds(3)) {
                    if case .witness = $0 { true } else { false }
                }
                #expect(entry.event.isWitnessReachable == true, "\(witness)")
                await side.stop()
            }
            let side = try ObservedSide(local: servers[0], peer: servers[1], witnesses: [lost])
            let start = ContinuousClock.now
            let entry = try await side.wait("a verdict") { if case .witness = $0 { true } else { false } }
            #expect(entry.event.isWitnessReachable == false)
            // There is no way to that address, which is known at once: three intervals.
            #expect(entry.at - start > .milliseconds(1450))
            await side.stop()
        }
    }
}

extension Node.Event {
    fileprivate var isWitnessReachable: Bool? {
        if case .witness(let isReachable, _) = self { isReachable } else { nil }
    }
}

/// Names are resolved beside those who ask.
@Suite("WitnessNames")
struct WitnessNamesTests {
    @Test("a number is known at once, a name soon, what is no name never; nobody waits")
    func names() async throws {
        let names = WitnessNames()
        let number = try #require(names.address(of: HostPort(host: "192.0.2.7", port: 53)))
        #expect(Array(number[..<8]) == [UInt8(AF_INET), 0, 0, 53, 192, 0, 2, 7])
        let (name, none) = (HostPort(host: "localhost", port: 53), HostPort(host: "nobody.invalid", port: 53))
        #expect(names.address(of: name) == nil)
        #expect(names.address(of: none) == nil)
        let end = ContinuousClock.now + .seconds(10)
        while names.address(of: name) == nil, .now < end { try await Task.sleep(for: .milliseconds(5)) }
        let address = try #require(names.address(of: name))
        #expect([UInt8(AF_INET), UInt8(AF_INET6)].contains(address[0]) && Array(address[1..<4]) == [0, 0, 53])
        #expect(names.address(of: none) == nil)
    }
}

/// What watching costs at rest; run with `SYNCGATE_MEASURE=1`.
@Suite("RedisSide: cost")
struct RedisCostMeasurement {
    @Test("two servers at rest, ten samples a second", .enabled(if: getenv("SYNCGATE_MEASURE") != nil))
    func rest() async throws {
        try await withStandby(.v7_0) { _, side in
            try await Task.sleep(for: .seconds(1))
            var before = rusage()
            getrusage(0, &before)
            try await Task.sleep(for: .seconds(20))
            var after = rusage()
            getrusage(0, &after)
            func seconds(_ use: rusage) -> Double {
                Double(use.ru_utime.tv_sec + use.ru_stime.tv_sec)
                    + Double(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6
            }
            let switches = after.ru_nvcsw - before.ru_nvcsw
            let share = (seconds(after) - seconds(before)) / 20 * 100
            print("one side at rest: \(share) % of a core, \(switches / 20) switches/s")
        }
    }
}
