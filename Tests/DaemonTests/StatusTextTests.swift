import Foundation
import RedisLab
import Synchronization
import Testing

@testable import Daemon

/// What `syncgate status` and `syncgate history` print, to the letter: the command as a process, at a real control socket.
@Suite struct StatusTextTests {
    /// What an operator's commands print while a daemon answers with these, one after the other; the last one for good.
    private func atDaemon(
        _ answers: [ControlAnswer], _ body: (_ socket: String) async throws -> Void
    ) async throws {
        let folder = try TestFolder()
        let socket = try ControlSocket(.init(socket: "\(folder.path)/control.sock"))
        let given = Mutex(0)
        let server = try await ControlServer(socket.descriptor) { _ in
            let next = given.withLock { count in
                count += 1
                return min(count, answers.count) - 1
            }
            return JSONText.encode(answers[next])
        }
        do {
            try await body("\(folder.path)/control.sock")
        } catch {
            await server.close()
            throw error
        }
        await server.close()
    }

    private func printed(_ answer: ControlAnswer, _ arguments: String...) async throws -> String {
        var text = ""
        try await atDaemon([answer]) { socket in
            let outcome = try await SyncgateProcess.run(arguments + ["--control", socket])
            #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
            text = outcome.output
        }
        return text
    }

    @Test func `status: a pair that is well`() async throws {
        #expect(
            try await printed(.status(.pair), "status") == """
                redis  vrid 51 on eth0  198.51.100.100/24
                  NODE   ADDRESS       VRRP    REDIS    OFFSET   LAG  HEALTH  VIP
                  node1  198.51.100.1  active  master     2000     -  ok      yes
                  node2  198.51.100.2  backup  replica    1988  12 B  ok      no
                  serving since 2026-11-22T20:11:33.123Z: elected

                """)
    }

    @Test func `status: a peer that is paused, of which little is known, and two virtual routers`() async throws {
        var report = StatusReport.pair
        report.virtualRouters[0].nodes[1].state = "paused"
        report.virtualRouters[0].nodes[1].vrrp = nil
        report.virtualRouters[0].nodes[1].hasVirtualAddresses = nil
        var other = report.virtualRouters[0]
        (other.name, other.vrid, other.virtualAddresses) = ("other", 52, ["198.51.100.101/24", "2001:db8::101/64"])
        (other.state, other.reason, other.fault) = ("fault", "Redis is down: nothing listens there", "redis_down")
        other.next = "start Redis on node1; the node joins by itself as soon as it answers"
        (other.operation, other.witnessReachable, other.lagBytes) = ("following 198.51.100.2:6380", false, nil)
        other.nodes[0].redis = .seen("dead", "127.0.0.1:6380", detail: "nothing listens there")
        (other.nodes[0].health, other.nodes[0].hasVirtualAddresses) = ("Redis is down", false)
        other.nodes[0].vrrp = "initialize"
        (other.nodes[1].node, other.nodes[1].address, other.nodes[1].health) = (nil, nil, "no daemon to be seen")
        report.virtualRouters.append(other)
        #expect(
            try await printed(.status(report), "status") == """
                redis  vrid 51 on eth0  198.51.100.100/24
                  NODE   ADDRESS       VRRP    REDIS    OFFSET   LAG  HEALTH  VIP
                  node1  198.51.100.1  active  master     2000     -  ok      yes
                  node2  198.51.100.2  -       replica    1988  12 B  ok      -
                  serving since 2026-11-22T20:11:33.123Z: elected

                other  vrid 52 on eth0  198.51.100.101/24, 2001:db8::101/64
                  NODE   ADDRESS       VRRP        REDIS    OFFSET  LAG  HEALTH                VIP
                  node1  198.51.100.1  initialize  dead          -    -  Redis is down         no
                  ?      -             -           replica    1988    -  no daemon to be seen  -
                  fault since 2026-11-22T20:11:33.123Z: Redis is down: nothing listens there
                  now: following 198.51.100.2:6380
                  no witness answers
                  next: start Redis on node1; the node joins by itself as soon as it answers

                """)
    }

    @Test func `status --watch shows it again and again, also over a time without a daemon, and ends by a signal`()
        async throws
    {
        var later = StatusReport.pair
        later.virtualRouters[0].reason = "later"
        let trouble = ControlAnswer.failure("no_answer", "the daemon is busy")
        try await atDaemon([.status(.pair), trouble, .status(later)]) { socket in
            let command = try await SyncgateProcess.start(["status", "--watch", "100ms", "--control", socket])
            #expect(await eventually { command.output.components(separatedBy: ": later\n\n").count > 2 })
            command.signal(SIGINT)
            let outcome = await command.wait()
            #expect(outcome.exitCode == 0)
            #expect(outcome.errors == "syncgate: the daemon is busy\n")
            let tables = outcome.output.components(separatedBy: "\n\n").map { $0.split(separator: "\n") }
            try #require(tables.count > 2, "\(outcome.output)")
            #expect(tables[0].last == "  serving since 2026-11-22T20:11:33.123Z: elected")
            #expect(tables[1].last == "  serving since 2026-11-22T20:11:33.123Z: later")
            #expect(tables[0].dropLast() == tables[1].dropLast() && tables[0].count == 5)
            #expect(tables.last == [])
        }
    }

    @Test func `status --watch --format json: a line each time`() async throws {
        try await atDaemon([.status(.pair)]) { socket in
            let command = try await SyncgateProcess.start(
                ["status", "--watch", "50ms", "--format", "json", "--control", socket])
            #expect(await eventually { command.output.split(separator: "\n").count > 2 })
            command.signal(SIGTERM)
            let lines = await command.wait().output.split(separator: "\n")
            #expect(Set(lines).count == 1)
            #expect(try JSONText.decode(StatusReport.self, from: try #require(lines.first).utf8) == .pair)
        }
    }

    @Test func `history: what led to a promotion, with its timeline, and what was found out later`() async throws {
        #expect(
            try await printed(.history([.joined, .promoted]), "history") == """
                2026-11-22T20:11:30.000Z  starting -> standby  joined
                  the local Redis follows the peer's

                2026-11-22T20:11:33.123Z  gating -> serving  elected
                  nothing is heard of 198.51.100.1
                  promotion  2 of the pair
                  loss       at most 310 bytes
                  settled    2026-11-22T20:12:00.000Z: exact: 310 bytes, 10 commands
                  saved in   a.resp
                  write gap  12.3 ms
                  evidence   target 2310, applied 2000, fence pause
                         0.0 ms  elected             nothing is heard of 198.51.100.1
                        12.3 ms  promoted            it is master
                      1043.0 ms  serving             it has the addresses

                """)
        #expect(try await printed(.history([]), "history") == "nothing has happened yet\n")
    }
}

extension ControlAnswer {
    fileprivate static func status(_ report: StatusReport) -> Self {
        ControlAnswer(error: nil, status: report, history: nil, order: nil)
    }

    fileprivate static func history(_ entries: [HistoryEntry]) -> Self {
        ControlAnswer(error: nil, status: nil, history: entries, order: nil)
    }
}

extension StatusReport {
    /// Node 1 serves and answers, node 2 stands by.
    fileprivate static let pair = StatusReport(
        node: "node1", pid: 77, startedAt: "2026-11-22T20:00:00.000Z",
        virtualRouters: [
            Router(
                name: "redis", vrid: 51, interface: "eth0", virtualAddresses: ["198.51.100.100/24"], state: "serving",
                since: "2026-11-22T20:11:33.123Z", reason: "elected", fault: nil, next: nil, operation: nil, epoch: 1,
                witnessReachable: nil, lagBytes: 12,
                nodes: [
                    Node(
                        node: "node1", isLocal: true, address: "198.51.100.1", vrrp: "active", priority: 110,
                        state: "serving", hasVirtualAddresses: true, health: "ok",
                        redis: .seen("observed", "127.0.0.1:6379", role: "master", offset: 2000)),
                    Node(
                        node: "node2", isLocal: false, address: "198.51.100.2", vrrp: "backup", priority: nil,
                        state: "standby", hasVirtualAddresses: false, health: "ok",
                        redis: .seen("observed", "198.51.100.2:6379", role: "replica", offset: 1988)),
                ])
        ])
}

extension StatusReport.Redis {
    fileprivate static func seen(
        _ reading: String, _ address: String, role: String? = nil, offset: Int64? = nil, detail: String? = nil
    ) -> Self {
        Self(
            address: address, reading: reading, detail: detail, role: role, follows: nil, linkUp: nil, offset: offset,
            replicationId: nil, version: nil, loading: nil, ageMs: nil)
    }
}

extension HistoryEntry {
    fileprivate static let joined = HistoryEntry(
        number: 1, at: "2026-11-22T20:11:30.000Z", virtualRouter: "redis", node: "node2", from: "starting",
        to: "standby", cause: "joined", reason: "the local Redis follows the peer's", vrrp: "backup", loss: nil,
        amendment: nil, account: nil, epoch: nil, writeGapMs: nil, evidence: nil,
        startedAt: "2026-11-22T20:11:30.000Z",
        steps: [StepText(atMs: 0, step: "standby", detail: "the local Redis follows the peer's")])

    fileprivate static let promoted = HistoryEntry(
        number: 2, at: "2026-11-22T20:11:33.123Z", virtualRouter: "redis", node: "node2", from: "gating",
        to: "serving", cause: "elected", reason: "nothing is heard of 198.51.100.1", vrrp: "active",
        loss: LossText(kind: "at_most", bytes: 310, sampleAgeMs: 40, detail: "at most 310 bytes"),
        amendment: Amendment(
            at: "2026-11-22T20:12:00.000Z", bytes: 310, commands: 10, detail: "exact: 310 bytes, 10 commands",
            kept: ["a.resp"]), account: nil, epoch: 2, writeGapMs: 12.345,
        evidence: EvidenceText(
            replicationId: "h1", targetOffset: 2310, appliedOffset: 2000, fence: "pause", waitedMs: 3),
        startedAt: "2026-11-22T20:11:32.080Z",
        steps: [
            StepText(atMs: 0, step: "elected", detail: "nothing is heard of 198.51.100.1"),
            StepText(atMs: 12.345, step: "promoted", detail: "it is master"),
            StepText(atMs: 1043, step: "serving", detail: "it has the addresses"),
        ])
}
