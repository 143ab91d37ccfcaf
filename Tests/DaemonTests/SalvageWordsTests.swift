import Failover
import Operations
import RedisClient
import Replication
import Salvage
import Testing

@testable import Daemon

/// What the log says of what was lost.
@Suite struct SalvageWordsTests {
    private let master = Endpoint(url: RedisURL(address: .tcp(host: "198.51.100.2", port: 6379)))
    private let file = Rejoin.Kept.file(
        .init(name: "a.resp", span: StreamSpan(psyncID: "h", from: 1, to: 311), writes: 10))
    private let snapshot = Rejoin.Kept.snapshot(name: "a.rdb", offset: 310)
    private let lost = LossAmendment(bytes: 310, commands: 10)

    private func words(_ account: Rejoin.Account) -> String? {
        SalvageWords.line(of: account, folder: "/s", master: master).map { "\($0.level) \($0.code): \($0.text)" }
    }

    @Test func `where the writes are, and what comes next`() {
        #expect(
            words(Rejoin.Account(missing: lost, kept: [file]))
                == "warning salvaged: what the new master lacks (exact: 310 bytes, 10 commands) is saved in /s/a.resp; see "
                + "'syncgate salvage show /s/a.resp'; 'syncgate salvage replay /s/a.resp --to redis://198.51.100.2:6379' "
                + "puts it back")
        let unplaced = Rejoin.Kept.file(
            .init(name: "a.resp", span: StreamSpan(psyncID: "h", from: 1, to: 311), writes: 10, isPlaced: false))
        #expect(
            words(Rejoin.Account(missing: lost, kept: [unplaced]))?.hasSuffix(
                "'syncgate salvage replay /s/a.resp --to redis://198.51.100.2:6379 --database N' puts it back; for which "
                    + "database the first of them are meant is not known: replay asks for it (--database N)") == true)
        #expect(
            words(Rejoin.Account(missing: lost, kept: [snapshot]))?.hasSuffix(
                "is saved in /s/a.rdb; 'syncgate salvage list' has all that is kept") == true)
        #expect(words(Rejoin.Account(missing: nil, kept: [snapshot]))?.contains("is kept in /s/a.rdb") == true)
    }

    @Test func `a command can be pasted where the master has a password, a user and certificates`() throws {
        var master = master
        master.url = try RedisURL(parsing: "rediss://ann:secret@198.51.100.2:6380")
        master.tls.certificateAuthority = "/etc/ca.pem"
        let line = SalvageWords.line(
            of: Rejoin.Account(missing: lost, kept: [file]), folder: "/s", master: master)
        #expect(
            line?.text.hasSuffix(
                "'syncgate salvage replay /s/a.resp --to rediss://198.51.100.2:6380 --user ann --password-file FILE "
                    + "--cacert /etc/ca.pem' puts it back") == true)
    }

    @Test func `what was discarded is said, what was nothing is not`() {
        #expect(
            words(Rejoin.Account(missing: lost, isDiscarded: true))
                == "warning discarded: discarded by on_divergence what the new master lacks: exact: 310 bytes, 10 commands"
        )
        #expect(words(Rejoin.Account(missing: nil, isDiscarded: true))?.hasPrefix("warning discarded") == true)
        #expect(words(Rejoin.Account(missing: LossAmendment(bytes: 0, commands: 0))) == nil)
        #expect(words(Rejoin.Account(missing: LossAmendment(bytes: 28, commands: 0))) == nil)
    }

    private func words(_ loss: Loss, _ found: LossAmendment) throws -> String? {
        let folder = try TestFolder()
        var file = HistoryFile(folder: folder.path, router: "redis", node: "node1")
        var promotion = transition(1)
        (promotion.epoch, promotion.loss) = (5, loss)
        try file.record(promotion)
        let entry = try file.amend(Settlement(epoch: 5, lost: found), by: "node2", kept: [])
        return entry.flatMap { SalvageWords.line(of: $0) }.map { "\($0.level) \($0.code): \($0.text)" }
    }

    @Test func `what an account was, and what it is known to be`() throws {
        #expect(
            try words(.unknown(.neverSampled), lost)
                == "warning amended: what the promotion of entry 1 has lost is known now: exact: 310 bytes, 10 commands, "
                + "found out when the Redis of node2 was made to follow (was: \(Loss.unknown(.neverSampled)))")
        let nothing = LossAmendment(bytes: 0, commands: 0)
        #expect(try words(.atMost(bytes: 1, sampleAge: .zero), nothing)?.hasPrefix("notice amended") == true)
        #expect(try words(.exact(bytes: 310), lost)?.hasPrefix("warning amended") == true)
    }

    @Test func `a promise that was broken is an error`() throws {
        #expect(try words(.none, lost)?.hasPrefix("error promise_broken") == true)
        #expect(try words(.exact(bytes: 309), lost)?.hasPrefix("error promise_broken") == true)
    }
}
