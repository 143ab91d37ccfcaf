import Foundation
import LossOracle
import NetworkLab
import RedisClient
import RedisLab
import Testing

/// What has to be asked for: the write fence, preemption, hooks.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct OptionTests {
    /// The daemon sets a lag of 2 s, which Redis looks at once a second.
    @Test(.timeLimit(.minutes(1)))
    func `write_fence: a master that is silently cut off stops acknowledging its own host's writes`() async throws {
        var settings = PairLab.Settings()
        settings.daemon.routers[0].more = ["write_fence = true"]
        try await withPairLab(settings) { pair in
            for node in pair.nodes { try await node.daemon.start() }
            _ = try await Self.taker(of: pair)
            try await waitUntil("a replica is asked for", pause: .milliseconds(20)) {
                try await Self.setting("min-slaves-to-write", at: pair[1]) == "1"
            }
            #expect(try await Self.setting("min-slaves-max-lag", at: pair[1]) == "2")
            // Else the other node would be empty beside data, and would not be promoted.
            try await waitUntil("the first write is replicated", pause: .milliseconds(20)) {
                try await pair[2].redis.ask(["EXISTS", "taken"]) == .integer(1)
            }
            try await pair.lab.cut(pair[1].leaf)
            let start = ContinuousClock.now
            var acknowledged = 0
            let refusal = try await waitFor("a refusal", within: .seconds(10), pause: .milliseconds(10)) {
                do throws(RedisError) {
                    try await pair[1].redis.write("host:\(acknowledged)")
                    acknowledged += 1
                    return nil as String?
                } catch { return "\(error)" }
            }
            let time = ContinuousClock.now - start
            #expect(refusal.contains("NOREPLICAS"), "\(refusal)")
            #expect(acknowledged > 0)
            #expect(time > .milliseconds(500) && time < .seconds(3.8), "\(time)")
            // The other node is the pair now, without a replica, and takes writes.
            try await waitUntil("node 2 serves", pause: .milliseconds(50)) {
                try await pair.lab.holds(pair[2].leaf, pair.address)
            }
            var writes = LabWriter.Settings()
            writes.rate = 1000
            let writer = try await LabWriter(pair.lab, on: pair.client, to: .address(pair.endpoint), writes)
            try await writer.wait(for: 200)
            var keys = try await writer.notes().flatMap { notes in notes.acked.map { "\(notes.name):\($0)" } }
            keys += (0..<acknowledged).map { "host:\($0)" }
            await #expect(throws: RedisError.self) { try await pair[1].redis.write("later") }
            try await pair.lab.mend(pair[1].leaf)
            // One of both must give way, and what it took is saved first.
            let settled = try await Self.taker(of: pair)
            let kept = try pair.nodes.reduce(into: Set<String>()) {
                $0.formUnion(try KeptFiles($1.daemon.salvageDirectory).savedKeys())
            }
            for key in keys where !kept.contains(key) {
                #expect(try await settled.redis.ask(["EXISTS", key]) == .integer(1), "\(key) is nowhere")
            }
        }
    }

    /// The node that serves beside a replica, once it takes writes: a replica counts from its first acknowledgement on, up to
    /// a second after its link is up.
    private static func taker(of pair: PairLab) async throws -> PairLab.Node {
        try await waitFor("one serves and takes writes", within: .seconds(40), pause: .milliseconds(50)) {
            for node in pair.nodes where try await pair.isServing(node) {
                do throws(RedisError) {
                    try await node.redis.write("taken")
                    return node
                } catch { return nil as PairLab.Node? }
            }
            return nil
        }
    }

    private static func setting(_ name: String, at node: PairLab.Node) async throws -> String? {
        guard case .array(let pair) = try await node.redis.ask(["CONFIG", "GET", name]) else { return nil }
        return pair.last?.text
    }

    @Test(.timeLimit(.minutes(1)))
    func `preempt: the node of higher priority takes back after its delay, and nothing is lost`() async throws {
        var settings = PairLab.Settings()
        settings.daemon.routers[0].more = ["preempt = true", "preempt_delay = \"1s\""]
        try await withPairLab(settings) { pair in
            try await pair.start()
            try await pair.observe("Redis killed", endingAt: pair[2], within: .death) { await pair[1].redis.kill() }
            try await pair.observe(
                "it comes back", endingAt: pair[1], within: Limits(gap: .seconds(1)), isFollowed: true
            ) {
                try await pair[1].redis.start(empty: true)
            }
            let entries = try await Self.history(of: pair[1])
            #expect(entries.last?.to == "serving", "\(entries)")
            let entrance = try #require(entries.lastIndex { $0.to == "starting" })
            let joined = try #require(entries[entrance...].first { $0.to == "standby" })
            let elected = try #require(entries[entrance...].first { $0.to == "gating" })
            #expect(elected.at - joined.at >= 0.99, "\(entries)")
        }
    }

    /// States that a node has come to, and when, in seconds.
    private static func history(of node: PairLab.Node) async throws -> [(to: String, at: Double)] {
        let outcome = try await node.daemon.command(["history", "--format", "json"])
        let list = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        return try list.map { entry in
            let time = try Date(
                try #require(entry["at"] as? String),
                strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            return (try #require(entry["to"] as? String), time.timeIntervalSince1970)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `hooks are run in order, with keepalived's arguments and SyncGate's variables`() async throws {
        try await withPairLab { pair in
            for node in pair.nodes { try Notes(node, pair).configure() }
            try await pair.start()
            // The one that serves sees the other ready.
            try await pair.waitForStatus(pair[1], "standby")
            let outcome = try await pair[1].daemon.command(["switchover"])
            try #require(outcome.exitCode == 0, "\(outcome)")
            try await pair.waitUntilServing(pair[2])
            for node in pair.nodes { #expect(await node.daemon.stop() == 0) }
            let places = (1...2).map { "redis, node\($0), eth0, 198.51.100.100/24" }
            #expect(
                Notes(pair[1], pair).lines == [
                    "an argument INSTANCE redis BACKUP 110: on_demote, \(places[0]), starting, standby, joined, none",
                    "an argument INSTANCE redis MASTER 110: on_promote, \(places[0]), gating, serving, active_down, none",
                    "an argument INSTANCE redis BACKUP 110: on_demote, \(places[0]), handing_over, standby, joined, none",
                    "an argument INSTANCE redis STOP 110: on_stop, \(places[0]), standby, stopped, stopped, none",
                ])
            #expect(
                Notes(pair[2], pair).linesPastCopy == [
                    "an argument INSTANCE redis BACKUP 100: on_demote, \(places[1]), starting, standby, joined, none",
                    "an argument INSTANCE redis MASTER 100: on_promote, \(places[1]), standby, serving, handed_over, none",
                    "an argument INSTANCE redis STOP 100: on_stop, \(places[1]), serving, stopped, stopped, none",
                ])
        }
    }
}

/// A hook that notes how it was called, for each node.
private struct Notes {
    let node: PairLab.Node
    let pair: PairLab
    private var path: String { "\(node.redis.directory).hooks" }

    init(_ node: PairLab.Node, _ pair: PairLab) { (self.node, self.pair) = (node, pair) }

    /// Without the detour of a standby that looks just while its Redis takes the first copy: a fault, and back.
    var linesPastCopy: [String] {
        let all = lines
        guard let fault = all.firstIndex(where: { $0.hasSuffix("standby, fault, redis_loading, none") }) else {
            return all
        }
        return Array(all[..<fault] + all[(fault + 1)...].dropFirst())
    }

    var lines: [String] {
        // Not there yet: it has noted nothing.
        let data = FileManager.default.contents(atPath: path) ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    func configure() throws {
        let variables = ["HOOK", "ROUTER", "NODE", "INTERFACE", "ADDRESSES", "FROM", "STATE", "CAUSE", "LOSS"]
        let script =
            "#!/bin/sh\necho \"$*: " + variables.map { "$SYNCGATE_\($0)" }.joined(separator: ", ") + "\" >>\(path)\n"
        try script.write(toFile: "\(path).sh", atomically: false, encoding: .utf8)
        chmod("\(path).sh", 0o755)
        var settings = pair.settings.daemon
        settings.routers[0].priority = pair.settings.priorities[node.leaf.number - 1]
        settings.more =
            ["[virtual_router.hooks]"]
            + ["promote", "demote", "fault", "stop"].map {
                "on_\($0) = [\"\(path).sh\", \"an argument\"]"
            }
        try node.daemon.configure(settings, peer: pair.peer(of: node).leaf)
    }
}
