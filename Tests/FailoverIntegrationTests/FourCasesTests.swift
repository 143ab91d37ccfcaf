import Glibc
import NetworkLab
import RedisLab
import Testing

/// What the daemon is there for, as clients see it.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct FourCasesTests {
    static let versions = [RedisVersion.v7_0, .v2_8, .v6_2, .v8_2].filter { $0.serverPath != nil }

    /// The cases in a row, each beginning where the one before has left the pair.
    @Test(.timeLimit(.minutes(2)), arguments: versions)
    func `the four cases, on each version`(_ version: RedisVersion) async throws {
        try await withPairLab(PairLab.Settings(version)) { pair in
            let (one, two) = (pair[1], pair[2])
            try await pair.start()
            try await pair.expectQuiet("case 4, nothing", for: .seconds(2), at: one)

            try await pair.observe("case 3, Redis killed", endingAt: two, within: .death) { await one.redis.kill() }
            try await one.redis.start(empty: true)
            try await pair.waitUntilServing(two)

            try await pair.observe(
                "case 2, daemon killed", endingAt: one,
                within: Limits(twoAddresses: Self.lifetime), isFollowed: true
            ) { await two.daemon.kill() }
            try await two.daemon.start()
            try await pair.waitForStatus(two, "standby")

            try await pair.observe("case 3, Redis back empty within 50 ms", endingAt: two, within: .death) {
                await one.redis.kill()
                try await one.redis.start(empty: true, isReady: false)
            }
            try await pair.waitUntilServing(two)

            try await pair.observe("case 1, the host dies", endingAt: one, within: .death) {
                try await pair.killHost(two)
            }
        }
    }

    /// For how long an address outlives its daemon: three seconds, and what the kernel rounds them up by.
    static let lifetime = Duration.seconds(4.2)

    @Test(.timeLimit(.minutes(1)))
    func `case 2: SIGTERM on the Active node hands over, and loses nothing`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            try await pair.observe("SIGTERM", endingAt: pair[2], within: Limits(gap: .seconds(1)), isFollowed: true) {
                #expect(await pair[1].daemon.stop() == 0)
            }
            #expect(try await pair.lab.holders(of: pair.address) == [2])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `case 2: SIGTERM on the Backup changes nothing`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            try await pair.expectQuiet("SIGTERM on the Backup", for: .seconds(2), at: pair[1]) {
                #expect(await pair[2].daemon.stop() == 0)
            }
            try await pair.waitUntilServing(pair[1])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `case 2: daemons that are killed leave no address behind`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            for node in pair.nodes { await node.daemon.kill() }
            #expect(try await pair.lab.holders(of: pair.address) == [1])
            try await waitUntil("the address expires", within: Self.lifetime) {
                try await pair.lab.holders(of: pair.address) == []
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `case 3: a Redis that hangs is left, and comes back as a replica`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            // When it goes on, it takes writes until it is told to follow; nobody reaches it by then.
            let limits = Limits(lost: 200, gap: .seconds(4), twoMasters: .seconds(2))
            try await pair.observe("Redis hangs", endingAt: pair[2], within: limits) {
                pair[1].redis.signal(SIGSTOP)
                try await pair.waitUntilServing(pair[2], isFollowed: false)
                try await Task.sleep(for: .milliseconds(500))
                pair[1].redis.signal(SIGCONT)
            }
            try await pair.waitUntilServing(pair[2])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `case 3: a supervisor that brings Redis back at once, with its data`() async throws {
        var settings = PairLab.Settings()
        settings.redis.keepsData = true
        try await withPairLab(settings) { pair in
            try await pair.start()
            let supervisor = LabSupervisor(pair[1].redis, empty: false)
            try await pair.observe("Redis killed under a supervisor", endingAt: pair[2], within: .death) {
                await pair[1].redis.kill()
            }
            try await pair.waitUntilServing(pair[2])
            await supervisor.stop()
        }
    }

    /// Without config/redis-syncgate.conf the server comes back as a master, and its replica would copy it: within 0.4 s the
    /// data are gone, unless the replica is promoted before.
    @Test(.timeLimit(.minutes(1)), arguments: [0, 30])
    func `case 3: Redis back empty at once, without the boot fence`(_ milliseconds: Int) async throws {
        var settings = PairLab.Settings()
        settings.redis.hasBootFence = false
        try await withPairLab(settings) { pair in
            try await pair.start()
            // It takes writes until its daemon has made it follow; nobody reaches it by then.
            let limits = Limits(lost: 200, twoMasters: .seconds(2))
            try await pair.observe("back empty, no boot fence", endingAt: pair[2], within: limits) {
                await pair[1].redis.kill()
                try await Task.sleep(for: .milliseconds(milliseconds))
                try await pair[1].redis.start(empty: true, isReady: false)
            }
            try await pair.waitUntilServing(pair[2])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `daemons of an ordinary user with the unit's two capabilities: a switchover, and case 3`() async throws {
        try await withPairLab { pair in
            for node in pair.nodes { try await node.daemon.start(as: .nobody) }
            try await pair.waitUntilServing(pair[1], within: .seconds(30))
            for node in pair.nodes {
                let process = try #require(node.daemon.process)
                let status = try String(contentsOfFile: "/proc/\(process.id)/status", encoding: .utf8)
                #expect(status.contains("\nUid:\t65534\t65534\t65534\t65534\n"), "\(status)")
                for set in ["Prm", "Eff", "Bnd", "Amb"] {
                    #expect(status.contains("\nCap\(set):\t0000000000003000\n"), "\(status)")
                }
            }
            try await pair.observe("switchover", endingAt: pair[2], within: Limits(gap: .seconds(1)), isFollowed: true)
            {
                let outcome = try await pair[1].daemon.command(["switchover"])
                try #require(outcome.exitCode == 0, "\(outcome)")
            }
            try await pair.observe("Redis killed", endingAt: pair[1], within: .death) { await pair[2].redis.kill() }
            try await pair[2].redis.start(empty: true)
            try await pair.waitUntilServing(pair[1])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `case 4: an hour in a nutshell: nothing happens`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            let before = try await pair[1].daemon.command(["history", "--format", "json"]).output
            try await pair.expectQuiet("nothing", for: .seconds(6), at: pair[1])
            #expect(try await pair[1].daemon.command(["history", "--format", "json"]).output == before)
        }
    }
}
