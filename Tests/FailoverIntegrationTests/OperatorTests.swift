import Glibc
import NetworkLab
import RedisLab
import Testing

/// What an operator asks for.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct OperatorTests {
    @Test(.timeLimit(.minutes(1)))
    func `switchover, from either node, there and back`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            let limits = Limits(gap: .seconds(1))
            // Asked for on the node that serves, and on the one that shall.
            for (asked, next) in [(1, 2), (1, 1), (1, 2), (2, 1)] {
                try await pair.observe(
                    "switchover to node \(next), asked on node \(asked)", endingAt: pair[next], within: limits,
                    isFollowed: true
                ) {
                    let outcome = try await pair[asked].daemon.command(["switchover"])
                    try #require(outcome.exitCode == 0, "\(outcome)")
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a switchover to a node without Redis is refused, and changes nothing`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            await pair[2].redis.kill()
            try await pair.waitForStatus(pair[2], "fault")
            try await pair.expectQuiet("refused switchover", for: .seconds(1), at: pair[1], gap: .seconds(1)) {
                let outcome = try await pair[1].daemon.command(["switchover"])
                try #require(outcome.exitCode == 1, "\(outcome)")
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `nothing is moved while the daemons are paused, and all is well afterwards`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            for node in pair.nodes { try #require(try await node.daemon.command(["pause"]).exitCode == 0) }
            try await pair.expectQuiet("paused", for: .seconds(1), at: pair[1])
            await pair[1].redis.kill()
            try await Task.sleep(for: .seconds(2))
            try #require(try await pair[2].redis.info()["role"] == "slave")
            for node in pair.nodes { try #require(try await node.daemon.command(["resume"]).exitCode == 0) }
            try await pair.waitUntilServing(pair[2], isFollowed: false)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a bad file changes nothing on SIGHUP, and a good one is taken`() async throws {
        try await withPairLab { pair in
            try await pair.start()
            var settings = pair.settings.daemon
            settings.routers[0].more = ["down_after = \"no time\""]
            try pair[1].daemon.configure(settings, peer: pair[2].leaf)
            let length = pair[1].daemon.text.count
            try await pair.expectQuiet("SIGHUP with a bad file", for: .seconds(1), at: pair[1]) {
                pair[1].daemon.signal(SIGHUP)
                try await waitUntil("the daemon says what is wrong") {
                    pair[1].daemon.text.dropFirst(length).contains("down_after")
                }
            }
            settings.routers[0].more = ["down_after = \"700ms\""]
            settings.routers[0].priority = 110
            try pair[1].daemon.configure(settings, peer: pair[2].leaf)
            try await pair.expectQuiet("SIGHUP with a good file", for: .seconds(1), at: pair[1]) {
                pair[1].daemon.signal(SIGHUP)
            }
        }
    }
}
