import Foundation
import RedisClient
import RedisLab

/// A way to move the master's role from one server to the other.
enum Method: Hashable {
    /// `syncgate promote`.
    case syncgate
    /// Redis's own `FAILOVER TO`, from 6.2 on.
    case failover
    /// keepalived's notify scripts as they are often written: `SLAVEOF …; sleep N; SLAVEOF NO ONE`.
    case classic(sleep: Int)
    /// The same, but the old master is left alone until the new one is promoted: what the sleep by itself does.
    case patientClassic(sleep: Int)

    var name: String {
        switch self {
        case .syncgate: "syncgate promote"
        case .failover: "FAILOVER TO"
        case .classic(let seconds): "classic, sleep \(seconds)"
        case .patientClassic(let seconds): "classic, sleep \(seconds), no notify_backup"
        }
    }
}

/// What one switchover came to.
struct SwitchoverRun {
    var acknowledged: Int
    var lost: Int
    var gap: Duration
    /// What syncgate printed; nil for the other methods.
    var timeline: Timeline?
}

/// The moments of one `syncgate promote`, ms from its start.
struct Timeline {
    /// The fence's command was sent.
    var fenced: Double
    /// The last reading of the replica that was still behind was sent; where there was none, the target was read then.
    var behind: Double
    /// The reading that showed the target applied was sent.
    var applied: Double
    /// `SLAVEOF NO ONE` was sent.
    var sent: Double
    /// From the fence to the reply to `SLAVEOF NO ONE`.
    var writeGap: Double
    /// The offset that was to be reached, and the one that was.
    var offsets: (target: Int64, applied: Int64)

    init(_ outcome: SyncgateProcess.Outcome) throws {
        guard outcome.exitCode == 0, outcome.json("loss.kind") as? String == "none",
            let fenced = outcome.step("fenced"), let applied = outcome.step("caught_up"),
            let sent = outcome.step("promoting"), let writeGap = outcome.json("write_gap_ms") as? Double,
            let target = outcome.json("evidence.target_offset") as? NSNumber,
            let reached = outcome.json("evidence.applied_offset") as? NSNumber
        else { throw BenchError("syncgate promote: exit code \(outcome.exitCode), \(outcome.errors)\(outcome.output)") }
        self.fenced = fenced
        behind = outcome.step("behind") ?? fenced
        self.applied = applied
        self.sent = sent
        self.writeGap = writeGap
        offsets = (target.int64Value, reached.int64Value)
        guard offsets.applied >= offsets.target else {
            throw BenchError("promoted before it was caught up: \(offsets)")
        }
    }
}

/// Why a run did not come to its end.
struct BenchError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// One master, one replica, and the roles that they have at present.
struct Roles {
    var old: RedisServer
    var new: RedisServer
    let stateDirectory: String

    /// Does one switchover, while `load` writes. Returns when the new master takes writes.
    func perform(_ method: Method, under load: WriteLoad, more: [String] = []) async throws -> Timeline? {
        switch method {
        case .syncgate:
            let arguments = [
                "promote", "--local", "\(new.url)", "--format", "json", "--state-dir", stateDirectory,
            ]
            return try Timeline(try await SyncgateProcess.start(arguments + more).wait(limit: .seconds(120)))
        case .failover:
            try await RedisPair.send(["FAILOVER", "TO", "127.0.0.1", "\(new.port)"], to: old)
            try await waitForMaster()
        case .classic(let seconds):
            try await classic(sleep: seconds, load, demotingFirst: true)
        case .patientClassic(let seconds):
            try await classic(sleep: seconds, load, demotingFirst: false)
        }
        return nil
    }

    /// The address moves at once; notify_backup runs on the old master and notify_master on the new one, side by side.
    private func classic(sleep seconds: Int, _ load: WriteLoad, demotingFirst: Bool) async throws {
        let master = try await new.connection()
        // The port that the replica knows its master by: a proxy's, where there is one.
        let followed = Int(try await RedisPair.info(new)["master_port"] ?? "") ?? old.port
        load.moveAddress(to: 1)
        // notify_master: a no-op while it follows that one already.
        try await master.slaveOf(host: "127.0.0.1", port: followed, timeout: .seconds(5))
        if demotingFirst { try await RedisPair.send(["SLAVEOF", "127.0.0.1", "\(new.port)"], to: old) }
        try await Task.sleep(for: .seconds(seconds))
        _ = try await master.send(["SLAVEOF", "NO", "ONE"], timeout: .seconds(60))
        await master.close()
        if !demotingFirst { try await RedisPair.send(["SLAVEOF", "127.0.0.1", "\(new.port)"], to: old) }
    }

    private func waitForMaster() async throws {
        let connection = try await new.connection()
        try await RedisPair.wait("the new master's role") {
            try await connection.info("replication", timeout: .seconds(5)).contains("role:master")
        }
        await connection.close()
    }

    /// Waits until the replica has everything and the master says the same.
    func settle() async throws {
        try await RedisPair.wait("the replica's link", limit: .seconds(60)) {
            let replica = try await RedisPair.info(new)
            let master = try await RedisPair.info(old)
            return replica["master_link_status"] == "up" && replica["master_sync_in_progress"] == "0"
                && replica["slave_repl_offset"] == master["master_repl_offset"] && master["role"] == "master"
                && master["slave0"]?.contains("state=online") == true
        }
    }
}
