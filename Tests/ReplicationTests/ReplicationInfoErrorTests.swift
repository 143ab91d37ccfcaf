import Testing

@testable import Replication

@Suite("ReplicationInfo: texts that no server should send")
struct ReplicationInfoErrorTests {
    private static let replica = """
        # Replication\r
        role:slave\r
        master_host:10.0.0.1\r
        master_port:6379\r
        master_link_status:up\r
        master_last_io_seconds_ago:0\r
        master_sync_in_progress:0\r
        slave_repl_offset:58\r
        slave_priority:100\r
        slave_read_only:1\r
        master_repl_offset:58\r

        """
    private static let master =
        "role:master\r\nmaster_repl_offset:7\r\nslave0:ip=::1,port=1,state=online,offset=7,lag=0\r\n"

    private func error(_ text: String) -> ReplicationInfoError? {
        do throws(ReplicationInfoError) {
            _ = try ReplicationInfo(parsing: text)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "what cannot be left out",
        arguments: [
            "role", "master_host", "master_port", "master_link_status", "slave_repl_offset", "master_repl_offset",
        ])
    func missing(field: String) {
        let lines = Self.replica.split(separator: "\r\n").filter { !$0.hasPrefix("\(field):") }
        #expect(error(lines.joined(separator: "\r\n")) == .missing(field: field))
    }

    @Test(
        "what may be left out", arguments: ["master_last_io_seconds_ago", "master_sync_in_progress", "slave_priority"])
    func optional(field: String) {
        let lines = Self.replica.split(separator: "\r\n").filter { !$0.hasPrefix("\(field):") }
        #expect(error(lines.joined(separator: "\r\n")) == nil)
    }

    @Test(
        "values that cannot be",
        arguments: [
            ("role:sentinel", "role", "sentinel"), ("role:", "role", ""),
            ("master_port:65536", "master_port", "65536"), ("master_port:-1", "master_port", "-1"),
            ("master_port:6379x", "master_port", "6379x"), ("slave_repl_offset:", "slave_repl_offset", ""),
            ("slave_repl_offset:9223372036854775808", "slave_repl_offset", "9223372036854775808"),
            ("slave_repl_offset:9223372036854775807", "slave_repl_offset", "9223372036854775807"),
            ("slave_repl_offset:-2", "slave_repl_offset", "-2"),
            ("slave_read_repl_offset:-9223372036854775808", "slave_read_repl_offset", "-9223372036854775808"),
            ("master_repl_offset:1e3", "master_repl_offset", "1e3"),
            ("master_repl_offset:4611686018427387905", "master_repl_offset", "4611686018427387905"),
            (
                "repl_backlog_first_byte_offset:9223372036854775807", "repl_backlog_first_byte_offset",
                "9223372036854775807"
            ),
            ("repl_backlog_size:huge", "repl_backlog_size", "huge"),
            ("slave_read_only:yes", "slave_read_only", "yes"),
            ("slave0:10.0.0.2,6379,online", "slave0", "10.0.0.2,6379,online"),
            ("slave0:ip=::1,port=x,state=online", "slave0", "ip=::1,port=x,state=online"),
            ("slave0:ip=::1,port=1", "slave0", "ip=::1,port=1"),
            ("slave0:ip=::1,port=70000,state=online", "slave0", "ip=::1,port=70000,state=online"),
            (
                "slave0:ip=::1,port=1,state=online,offset=9223372036854775807", "slave0",
                "ip=::1,port=1,state=online,offset=9223372036854775807"
            ),
            ("redis_version:unstable", "redis_version", "unstable"),
            (
                "master_replid:x\r\nsecond_repl_offset:-9223372036854775808", "second_repl_offset",
                "-9223372036854775808"
            ),
            ("loading:1\r\nloading_eta_seconds:soon", "loading_eta_seconds", "soon"),
            ("sync_full:many", "sync_full", "many"),
            ("# Keyspace\r\ndb0:keys=-1,expires=0", "db0", "keys=-1,expires=0"),
            ("# Keyspace\r\ndb0:expires=0", "db0", "expires=0"),
        ])
    func malformed(line: String, field: String, value: String) {
        #expect(error(Self.replica + line + "\r\n") == .malformed(field: field, value: value))
    }

    @Test("a server section without its run_id or port")
    func partOfServer() {
        #expect(error(Self.master + "redis_version:7.0.15\r\ntcp_port:6379\r\n") == .missing(field: "run_id"))
        #expect(error(Self.master + "redis_version:7.0.15\r\nrun_id:ab\r\n") == .missing(field: "tcp_port"))
    }

    @Test(
        "not an INFO at all",
        arguments: ["", "\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "OK", ":", "role", "é:1\u{301}"])
    func foreign(text: String) {
        #expect(error(text) == .missing(field: "master_repl_offset"))
    }

    @Test("a Sentinel is told from a data server, whatever else it says")
    func sentinel() {
        #expect(error("redis_mode:sentinel\r\n") == .sentinel)
        #expect(error(Self.master + "redis_mode:sentinel\r\n") == .sentinel)
    }

    @Test("only the replication section: the others are nil")
    func replicationSectionOnly() throws {
        let info = try ReplicationInfo(parsing: Self.replica)
        #expect(info.server == nil)
        #expect(info.persistence == nil)
        #expect(info.keys == nil)
        #expect(info.identity == nil)
        #expect(info.isLoading == false)
        #expect(info.masterLink == link(applied: 58, isUp: true).with { $0.receivedOffset = nil })
    }

    @Test("line ends, comments, unknown fields and repeated fields")
    func lines() throws {
        let unix = Self.replica.split(separator: "\r\n").joined(separator: "\n")
        #expect(try ReplicationInfo(parsing: unix) == ReplicationInfo(parsing: Self.replica))
        let noisy = "# Nonsense\r\nno colon\r\nfuture_field:a:b:c\r\n" + Self.replica
        #expect(try ReplicationInfo(parsing: noisy) == ReplicationInfo(parsing: Self.replica))
        let repeated = Self.replica + "slave_repl_offset:59\r\n"
        #expect(try ReplicationInfo(parsing: repeated).dataOffset == 59)
    }

    @Test("keys are summed over the databases; other fields that begin with db are not databases")
    func keys() throws {
        let none = try ReplicationInfo(parsing: Self.master + "# Keyspace\r\n")
        #expect(none.keys == 0)
        let some = try ReplicationInfo(
            parsing: Self.master
                + "# Keyspace\r\ndb0:keys=3,expires=0\r\ndb15:keys=4,expires=1\r\ndbsize_hint:x\r\ndb:y\r\n")
        #expect(some.keys == 7)
    }

    @Test("replicas: IPv6, order, a gap ends the list, unknown acknowledgement")
    func replicas() throws {
        let text =
            "role:master\r\nmaster_repl_offset:7\r\nslave1:ip=fe80::1%eth0,port=0,state=send_bulk,offset=0,lag=-1\r\n"
            + "slave0:ip=::1,port=1,state=online,offset=7,lag=3,io-thread=0\r\nslave3:nonsense\r\n"
        let expected: [ReplicationInfo.Replica] = [
            .init(ip: "::1", port: 1, state: "online", acknowledgedOffset: 7, secondsSinceAcknowledgement: 3),
            .init(
                ip: "fe80::1%eth0", port: 0, state: "send_bulk", acknowledgedOffset: 0, secondsSinceAcknowledgement: nil
            ),
        ]
        #expect(try ReplicationInfo(parsing: text).replicas == expected)
        #expect(expected.map(\.isOnline) == [true, false])
    }

    @Test("the previous history: its last offset is one before second_repl_offset")
    func previous() throws {
        let zeros = String(repeating: "0", count: 40)
        let none = try ReplicationInfo(
            parsing: Self.master + "master_replid:a\r\nmaster_replid2:\(zeros)\r\nsecond_repl_offset:-1\r\n")
        #expect(none.identity == ReplicationIdentity(id: "a"))
        let one = try ReplicationInfo(
            parsing: Self.master + "master_replid:a\r\nmaster_replid2:b\r\nsecond_repl_offset:59\r\n")
        #expect(one.identity == ReplicationIdentity(id: "a", previous: .init(id: "b", end: 58)))
    }

    @Test("errors say what they found, without repeating a long value")
    func descriptions() {
        #expect(ReplicationInfoError.missing(field: "role").description.contains("'role'"))
        let long = ReplicationInfoError.malformed(field: "role", value: String(repeating: "x", count: 10_000))
        #expect(long.description.count < 120)
        #expect(ReplicationInfoError.sentinel.description.contains("Sentinel"))
    }
}

extension ReplicationInfo.MasterLink {
    func with(_ change: (inout Self) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }
}
