import Daemon
import Failover
import Glibc
import RedisClient
import RedisLab
import Replication
import Testing

/// What a `RedisSide` says of servers in all kinds of trouble.
@Suite("RedisSide: readings", .serialized)
struct RedisReadingTests {
    @Test(
        "every 400 ms at rest, the peer every 500, with run_id, loading and keys; every 100 ms while it is written to",
        arguments: RedisVersion.available)
    func rest(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            let start = ContinuousClock.now
            try await Task.sleep(for: .seconds(1))
            for ofPeer in [false, true] {
                let readings = side.readings(ofPeer: ofPeer, since: start)
                #expect((ofPeer ? 1...3 : 2...5).contains(readings.count), "\(readings.count) readings")
                for reading in readings {
                    let info = try #require(reading.observation?.info)
                    #expect(info.server?.version.description == version.rawValue)
                    #expect(info.persistence?.isLoading == false)
                    #expect(info.keys == 100)
                    #expect((info.masterLink == nil) == ofPeer)
                }
            }
            let then = ContinuousClock.now
            while ContinuousClock.now - then < .seconds(1) {
                try await RedisPair.send(["SET", "written", "to"], to: pair.master)
                try await Task.sleep(for: .milliseconds(20))
            }
            for ofPeer in [false, true] {
                let count = side.readings(ofPeer: ofPeer, since: then).count
                #expect((7...12).contains(count), "\(count) readings")
            }
        }
    }

    @Test("kill -9: dead at once, and again and again", arguments: [RedisVersion.v2_8, .v7_0, .v8_2])
    func killed(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            let start = ContinuousClock.now
            pair.master.signal(SIGKILL)
            let dead = try await side.wait("death", since: start) { $0.peer == .dead }
            print("dead \(dead.at - start) after kill -9 of \(version)")
            #expect(dead.at - start < .milliseconds(50))
            await pair.master.kill()
            let then = ContinuousClock.now
            try await Task.sleep(for: .milliseconds(520))
            let again = side.readings(ofPeer: true, since: then)
            #expect(again.allSatisfy { $0 == .dead } && (4...6).contains(again.count), "\(again)")
            #expect(!side.readings().contains(.dead))
        }
    }

    @Test("SIGSTOP: silent from the question on, again and again, until it answers")
    func stopped() async throws {
        try await withStandby(.v7_0) { pair, side in
            let start = ContinuousClock.now
            pair.master.signal(SIGSTOP)
            let silent = try await side.wait("silence", since: start) { $0.peer?.isSilent == true }
            #expect(silent.at - start < .milliseconds(650))
            // Longer than a connection is kept for: it is opened anew, and the silence counts from its beginning.
            try await Task.sleep(for: .milliseconds(3500))
            let silences = side.readings(ofPeer: true, since: silent.at)
            #expect(silences.count >= 30, "\(silences.count)")
            #expect(silences.allSatisfy { $0.isSilent })
            guard case .peer(.silent(let since)) = silent.event else { return }
            #expect(since - start < .milliseconds(120))
            let then = ContinuousClock.now
            pair.master.signal(SIGCONT)
            let back = try await side.wait("an answer", since: then) { $0.peer?.observation != nil }
            #expect(back.at - then < .milliseconds(150))
            #expect(!side.readings(ofPeer: true).contains(.dead))
        }
    }

    @Test("DEBUG SLEEP: silent, then well; never dead")
    func sleeping() async throws {
        try await withStandby(.v7_0, arguments: ["--enable-debug-command", "yes"]) { pair, side in
            let start = ContinuousClock.now
            try await RedisPair.send(["DEBUG", "SLEEP", "0.5"], to: pair.master)
            let back = ContinuousClock.now
            try await side.wait("silence", since: start) { $0.peer?.isSilent == true }
            try await side.wait("an answer", since: back) { $0.peer?.observation != nil }
            #expect(!side.readings(ofPeer: true).contains(.dead))
        }
    }

    @Test("a script that runs: busy", arguments: [RedisVersion.v2_8, .v7_0])
    func busy(version: RedisVersion) async throws {
        try await withStandby(version, arguments: ["--lua-time-limit", "50"]) { pair, side in
            let start = ContinuousClock.now
            async let script = RedisPair.send(["EVAL", "while true do end", "0"], to: pair.master)
            try await side.wait("-BUSY", since: start) { $0.peer?.isBusy(saying: "BUSY") == true }
            let then = ContinuousClock.now
            try await RedisPair.send(["SCRIPT", "KILL"], to: pair.master)
            _ = try? await script
            try await side.wait("an answer", since: then) { $0.peer?.observation != nil }
            #expect(!side.readings(ofPeer: true).contains(.dead))
        }
    }

    @Test("a server that loads its data is observed, and loading")
    func loading() async throws {
        try await withStandby(.v7_0, keys: 2000) { pair, side in
            try await RedisPair.wait("the end of the replica's snapshot") {
                try await RedisPair.info(pair.master)["rdb_bgsave_in_progress"] == "0"
            }
            try await RedisPair.send(["SAVE"], to: pair.master)
            let slow = ["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]
            let start = ContinuousClock.now
            try await pair.master.restart(arguments: slow, untilLoaded: false)
            try await side.wait("loading", since: start) { $0.peer?.observation?.info.isLoading == true }
            try await side.wait("its end", since: start) { event in
                event.peer?.observation.map { !$0.info.isLoading && $0.info.keys == 2000 } == true
            }
        }
    }

    @Test("restarted within 50 ms: another run_id is seen", arguments: [RedisVersion.v2_8, .v7_0])
    func restarted(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            let before = try #require(side.readings(ofPeer: true).last?.runID)
            let start = ContinuousClock.now
            try await pair.master.restart()
            let new = try await side.wait("another run_id", since: start) { event in
                event.peer?.runID.map { $0 != before } ?? false
            }
            print("another run_id \(new.at - start) after the kill of \(version)")
            #expect(new.at - start < .milliseconds(250))
        }
    }

    @Test("CLIENT KILL of our connection: never dead, never silent", arguments: [RedisVersion.v2_8, .v7_0])
    func disconnected(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            let start = ContinuousClock.now
            for _ in 0..<20 {
                try await RedisPair.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], to: pair.master)
                try await Task.sleep(for: .milliseconds(23))
            }
            let readings = side.readings(ofPeer: true, since: start)
            #expect(readings.count > 10)
            #expect(readings.allSatisfy { $0.observation != nil }, "\(readings.filter { $0.observation == nil })")
        }
    }

    @Test("a wrong password: unusable, with the reason; a right one later is taken")
    func wrongPassword() async throws {
        try await withRedisServers(.v7_0, count: 2) { servers in
            try await RedisPair.send(["CONFIG", "SET", "requirepass", "right"], to: servers[0])
            let side = try ObservedSide(local: servers[0], peer: servers[1], localURL: servers[0].url)
            let entry = try await side.wait("a reading") { $0.local != nil }
            guard case .local(.unusable(let reason)) = entry.event else {
                Issue.record("\(entry.event)")
                return await side.stop()
            }
            #expect(reason.contains("NOAUTH"))
            let connection = try await RedisConnection.connect(
                to: RedisURL(address: servers[0].url.address, password: "right"), timeout: .seconds(1))
            try await connection.configSet("requirepass", "", timeout: .seconds(1))
            await connection.close()
            try await side.wait("an answer") { $0.local?.observation != nil }
            await side.stop()
        }
    }

    @Test("another run's password fence: busy for its time, never unusable")
    func fenced() async throws {
        try await withStandby(.v5_0) { pair, side in
            let start = ContinuousClock.now
            try await RedisPair.send(["CONFIG", "SET", "requirepass", "fence"], to: pair.master)
            let admin = try await RedisConnection.connect(
                to: RedisURL(address: pair.master.url.address, password: "fence"), timeout: .seconds(1))
            _ = try await admin.clientKill(type: "normal", timeout: .seconds(1))
            try await side.wait("busy", since: start) { $0.peer?.isBusy(saying: "NOAUTH") == true }
            try await admin.configSet("requirepass", "", timeout: .seconds(1))
            let then = ContinuousClock.now
            await admin.close()
            try await side.wait("an answer", since: then) { $0.peer?.observation != nil }
            #expect(
                side.readings(ofPeer: true, since: start).allSatisfy { $0.isBusy(saying: "") || $0.observation != nil })
        }
    }

    @Test("too many clients: not dead")
    func tooManyClients() async throws {
        try await withRedisServers(.v7_0, count: 2) { servers in
            var held: [RedisConnection] = []
            for _ in 0..<3 { held.append(try await servers[0].connection()) }
            try await held[0].configSet("maxclients", "3", timeout: .seconds(1))
            let side = try ObservedSide(local: servers[0], peer: servers[1])
            try await side.wait("a reading") { $0.local?.isBusy(saying: "max number of clients") == true }
            try await Task.sleep(for: .milliseconds(500))
            let readings = side.readings()
            #expect(readings.allSatisfy { $0.isBusy(saying: "max number") } && readings.count < 10, "\(readings)")
            for connection in held { await connection.close() }
            try await side.wait("an answer") { $0.local?.observation != nil }
            await side.stop()
        }
    }

    @Test("a cluster node and a server that is none: unusable", arguments: [true, false])
    func unusable(isCluster: Bool) async throws {
        try await withRedisServers(.v7_0, count: 1) { servers in
            let arguments = isCluster ? ["--cluster-enabled", "yes"] : ["--rename-command", "INFO", ""]
            let odd = try await RedisServer.start(.v7_0, arguments: arguments)
            let side = try ObservedSide(local: servers[0], peer: odd)
            let entry = try await side.wait("a reading") { $0.peer != nil }
            if case .peer(.unusable) = entry.event {} else { Issue.record("\(entry.event)") }
            await side.stop()
            await odd.stop()
        }
    }

    @Test("nothing is posted after stop")
    func stop() async throws {
        try await withStandby(.v7_0) { pair, side in
            await side.side.stop()
            let count = side.entries.count
            await pair.master.kill()
            try await Task.sleep(for: .milliseconds(300))
            #expect(side.entries.count == count)
        }
    }
}
