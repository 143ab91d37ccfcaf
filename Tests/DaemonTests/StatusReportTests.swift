import Replication
import Testing
import VRRP

@testable import Daemon
@testable import Failover

/// What `syncgate status` tells an operator to do.
@Suite struct StatusReportTests {
    private static let parked = [
        "role:slave", "master_host:127.0.0.1", "master_port:1", "master_link_status:down", "master_sync_in_progress:0",
        "slave_repl_offset:1000", "slave_read_only:1", "slave_priority:100", "master_link_down_since_seconds:1",
    ]
    private static let master = ["role:master"]

    private func reading(_ role: [String]) throws -> RedisReading {
        let lines =
            ["redis_version:7.0.15", "redis_mode:standalone", "run_id:\(String(repeating: "a", count: 40))"]
            + ["tcp_port:6379", "uptime_in_seconds:100", "loading:0", "aof_enabled:0"] + role
            + ["connected_slaves:0", "master_repl_offset:1000", "repl_backlog_active:0", "repl_backlog_size:1048576"]
            + ["repl_backlog_first_byte_offset:0", "repl_backlog_histlen:0"]
        return .observed(Observation(try ReplicationInfo(parsing: lines.joined(separator: "\r\n")), at: .now))
    }

    private func report(
        _ fault: Fault, local: RedisReading? = nil, peer: RedisReading? = nil
    ) throws -> StatusReport.Router {
        let configuration = try Sample.read(Sample.smallest).virtualRouters[0]
        let status = NodeStatus(
            name: "redis", node: "node1", state: .fault, since: .now, reason: "\(fault)", fault: fault,
            vrrp: .initialize, priority: Priority(100), hasVirtualAddresses: false, address: nil, lastHeard: nil,
            local: local, peer: peer, peerDaemon: nil, isWitnessReachable: nil, operation: nil, epoch: 0)
        return StatusReport.Router(status, configuration)
    }

    @Test func `a fault says what can be done, beside trying again`() throws {
        #expect(
            try report(.notPromotable(code: "lag", reason: "it lags", remedy: "raise promote_timeout")).next
                == "it tries again by itself; raise promote_timeout")
        #expect(
            try report(.cannotFollow(code: "disk_full", reason: "no room", remedy: "make room")).next
                == "it tries again by itself; make room")
        #expect(
            try report(.cannotFollow(code: "failed", reason: "no answer", remedy: nil)).next?.contains("history")
                == true)
    }

    @Test func `unrelated data sets: the command that works depends on who is master`() throws {
        let (master, parked) = (try reading(Self.master), try reading(Self.parked))
        func next(_ local: RedisReading, _ peer: RedisReading) throws -> String {
            try report(.unrelatedDataSets("both have data"), local: local, peer: peer).next ?? ""
        }
        let (promote, demote) = ("'syncgate promote --config --force'", "'syncgate demote --config --force'")
        let end = "What is given up is saved first, unless on_divergence there is \"discard\""
        #expect(
            try next(parked, parked)
                == "to keep the data of node1, run \(promote) here; to keep the other node's, run \(promote) there. \(end)"
        )
        #expect(
            try next(master, master)
                == "to keep the data of node1, run \(demote) on the other node; to keep the other node's, run \(demote) here. "
                + end)
        #expect(try next(master, parked).contains("node1, run \(demote) on the other node;"))
        #expect(try next(master, parked).contains("other node's, run \(promote) there."))
    }

    @Test func `a busy server is shown with its own words`() throws {
        let words = "LOADING Redis is loading the dataset in memory"
        let report = try report(.redisLoading, local: .busy(words), peer: .busy("ERR max number of clients reached"))
        #expect(report.nodes[0].redis.detail == words)
        #expect(report.nodes[1].health == "Redis busy: ERR max number of clients reached")
    }
}
