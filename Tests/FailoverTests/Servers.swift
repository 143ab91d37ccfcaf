import Failover
import Replication
import VRRP

/// What a Redis server says, as text that the real parser reads.
struct ServerText {
    var version = "7.0.15"
    var runID = "a"
    var port = 6379
    var replid: String? = "h1"
    var previous: (id: String, end: Int64)?
    var offset: Int64 = 1000
    /// nil: a master.
    var follows: (host: String, port: Int, isUp: Bool)?
    var isLoading = false
    var isSyncing = false
    var keys: Int64 = 10
    var replicas = 0
    var hasBacklog = true

    static func id(_ name: String) -> String { name + String(repeating: "0", count: 40 - name.count) }

    var text: String {
        var lines = [
            "redis_version:\(version)", "redis_mode:standalone", "run_id:\(Self.id(runID))", "tcp_port:\(port)",
            "uptime_in_seconds:100", "loading:\(isLoading ? 1 : 0)", "aof_enabled:0",
        ]
        if let follows {
            lines += [
                "role:slave", "master_host:\(follows.host)", "master_port:\(follows.port)",
                "master_link_status:\(follows.isUp ? "up" : "down")", "master_sync_in_progress:\(isSyncing ? 1 : 0)",
                "slave_repl_offset:\(offset)", "slave_read_only:1", "slave_priority:100",
            ]
            if !follows.isUp { lines.append("master_link_down_since_seconds:1") }
        } else {
            lines.append("role:master")
        }
        lines.append("connected_slaves:\(replicas)")
        for index in 0..<replicas {
            lines.append("slave\(index):ip=198.51.100.2,port=6379,state=online,offset=1,lag=0")
        }
        if let replid {
            lines += [
                "master_replid:\(Self.id(replid))",
                "master_replid2:\(previous.map { Self.id($0.id) } ?? String(repeating: "0", count: 40))",
                "second_repl_offset:\(previous.map { $0.end + 1 } ?? -1)",
            ]
        }
        lines += [
            "master_repl_offset:\(offset)", "repl_backlog_active:\(hasBacklog ? 1 : 0)", "repl_backlog_size:1048576",
            "repl_backlog_first_byte_offset:1", "repl_backlog_histlen:\(offset)",
        ]
        if keys > 0 { lines.append("db0:keys=\(keys),expires=0,avg_ttl=0") }
        return lines.joined(separator: "\r\n") + "\r\n# Keyspace\r\n"
    }

    func info() throws -> ReplicationInfo { try ReplicationInfo(parsing: text) }
}
