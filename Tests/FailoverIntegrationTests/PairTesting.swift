import Foundation
import NetworkLab
import RedisLab
import Testing

/// Whether the tests of this target can run here.
enum PairTesting {
    /// Why not; nil: they can.
    static var whyUnavailable: String? {
        NetworkLab.whyUnavailable ?? (RedisVersion.v7_0.serverPath == nil ? "there is no Redis 7.0.15" : nil)
    }
    static var isAvailable: Bool { whyUnavailable == nil }
}

/// What clients may see at most. The bounds of time are generous: the build is for debugging, and the machine is small and
/// busy with the writers. What is lost, and who is master, is not a matter of time.
struct Limits {
    /// Acknowledged writes that are missing in the end.
    var lost = 0
    /// The longest time without an acknowledged write.
    var gap = Duration.seconds(2)
    /// Both nodes hold the virtual address. Each node is watched by a process of its own, which notes the time when it runs:
    /// what is shorter than a wait for a processor cannot be told from nothing. The order itself is the simulation's.
    var twoAddresses = Duration.milliseconds(5)
    /// Both servers take writes.
    var twoMasters = Duration.zero

    /// A master that dies takes with it what it had acknowledged and not yet sent: a few writes of one round of its loop.
    static let death = Limits(lost: 200)
}

extension PairLab {
    /// Lets something happen under writers at full speed, waits until `node` serves, and holds what was seen against the
    /// limits. `isFollowed`: the other server must be its replica by then.
    @discardableResult
    func observe(
        _ what: String, endingAt node: Node, within limits: Limits = Limits(), isFollowed: Bool = false,
        _ event: () async throws -> Void
    ) async throws -> Onlooker.Sight {
        let onlooker = try await Onlooker(self)
        let time = WallTime.now
        try await event()
        try await waitUntilServing(node, isFollowed: isFollowed)
        try await onlooker.writer.wait(since: .now)
        try await onlooker.writer.wait(for: 200)
        let sight = try await onlooker.stop(since: time)
        try hold(sight, within: limits, what)
        return sight
    }

    /// Holds what was seen against the limits.
    func hold(_ sight: Onlooker.Sight, within limits: Limits, _ what: String) throws {
        if ProcessInfo.processInfo.environment["SYNCGATE_LAB_VERBOSE"] != nil { print("    \(what): \(sight)") }
        let comment = Comment(rawValue: "\(what): \(sight)")
        let lost = try #require(sight.writes.lost, comment)
        try #require(lost <= limits.lost, comment)
        let gap = try #require(sight.writes.gap, comment)
        try #require(gap <= limits.gap, comment)
        try #require(sight.twoAddresses <= limits.twoAddresses, comment)
        try #require(sight.twoMasters <= limits.twoMasters, comment)
    }

    /// Waits until a daemon says a word in its status, such as a state or a fault.
    func waitForStatus(_ node: Node, _ word: String, within limit: Duration = .seconds(15)) async throws {
        var last = ""
        try await waitUntil("node \(node.leaf.number) says \(word): \(last)", within: limit, pause: .milliseconds(100))
        {
            let outcome = try await node.daemon.command(["status", "--format", "json"])
            last = outcome.output + outcome.errors
            return outcome.exitCode == 0 && outcome.output.contains("\"\(word)\"")
        }
    }

    /// Waits until a daemon sees nothing wrong with either node.
    func waitUntilHealthy(_ node: Node, within limit: Duration = .seconds(15)) async throws {
        try await waitUntil("node \(node.leaf.number) sees both well", within: limit, pause: .milliseconds(100)) {
            let outcome = try await node.daemon.command(["status", "--format", "json"])
            return outcome.output.split(separator: "\"health\" : \"ok\"", omittingEmptySubsequences: false).count == 3
        }
    }

    /// Lets `duration` pass under writers, in which nothing may happen. `rate`: writes in a second, where it may take long
    /// to look all of them up.
    func expectQuiet(
        _ what: String, for duration: Duration, at node: Node, gap: Duration = .milliseconds(500), rate: Int? = nil,
        _ event: () async throws -> Void = {}
    ) async throws {
        var writes = LabWriter.Settings()
        writes.rate = rate
        let onlooker = try await Onlooker(self, writes)
        let time = WallTime.now
        try await event()
        try await Task.sleep(for: duration)
        try await onlooker.writer.wait(for: 200)
        let sight = try await onlooker.stop(since: time)
        try hold(sight, within: Limits(gap: gap), what)
        try #require(try await holder()?.leaf == node.leaf, "\(what): the address moved")
    }
}
