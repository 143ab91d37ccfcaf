import Replication
import SeededNumbers
import Testing

@testable import Salvage

/// The units of a file's bytes.
private func units(_ bytes: [UInt8], at offset: Int64 = 1, database: Int? = 0) -> [ReplayUnit] {
    var assembly = ReplayUnits()
    return Reading([bytes], at: offset, database: database).commands.compactMap { assembly.take($0) }
}

/// A batch's commands as words.
private func words(_ batch: ReplayBatch) -> [String] {
    batch.commands.map { $0.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ") }
}

@Suite("Replay: what is sent")
struct ReplaySendingTests {
    @Test("bookkeeping is not replayed, a transaction stays whole, and each write knows its database")
    func assembly() {
        let bytes =
            resp("PING") + resp("SET", "a", "1") + resp("SELECT", "3") + resp("MULTI") + resp("INCR", "n")
            + resp("SELECT", "0") + resp("DEL", "k") + resp("EXEC") + resp("REPLCONF", "GETACK", "*") + resp("MULTI")
            + resp("EXEC") + resp("INCR", "m")
        let found = units(bytes)
        #expect(found.map { $0.writes.map(\.name) } == [["SET"], ["INCR", "DEL"], ["INCR"]])
        #expect(found.map { $0.writes.map(\.database) } == [[0], [3, 0], [0]])
        // PING 14, SET 27, SELECT 23: MULTI begins at 65, and EXEC ends 15 + 21 + 23 + 20 + 14 bytes later.
        #expect(found.map(\.start) == [15, 65, 224])
        #expect(found.map(\.end) == [42, 158, 245])
        #expect(found[1].bytes == 41)
    }

    @Test("a transaction that began before the file is replayed write by write; one without an end is told")
    func cutTransactions() {
        #expect(units(resp("INCR", "a") + resp("EXEC") + resp("INCR", "b")).count == 2)
        var assembly = ReplayUnits()
        for command in Reading([resp("MULTI") + resp("INCR", "a")]).commands { #expect(assembly.take(command) == nil) }
        #expect(assembly.unfinishedWrites == 1)
    }

    @Test("a batch: databases, marker, and nothing of the file's own MULTI")
    func batch() {
        let file = units(
            resp("INCR", "a") + resp("SELECT", "3") + resp("MULTI") + resp("INCR", "b") + resp("INCR", "c")
                + resp("EXEC"))
        let batch = ReplayBatch(file, before: nil, marker: "m", database: 0)
        #expect(
            words(batch) == ["SELECT 0", "INCR a", "SELECT 3", "INCR b", "INCR c", "SELECT 0", "SET m 116"])
        #expect(batch.count == 3 && batch.end == 116)
        let unplaced = ReplayBatch(units(resp("INCR", "a"), database: nil), before: 7, marker: "m", database: 5)
        #expect(words(unplaced) == ["SELECT 5", "INCR a", "SELECT 0", "SET m 22"])
    }

    @Test("the marker survives FLUSHALL, and does not change places in SWAPDB")
    func marker() {
        let batch = ReplayBatch(
            units(resp("FLUSHALL") + resp("SWAPDB", "0", "1") + resp("INCR", "a"), database: 2), before: 1, marker: "m",
            database: 0)
        #expect(
            words(batch) == [
                "SELECT 2", "FLUSHALL", "SELECT 0", "DEL m", "SELECT 2", "SWAPDB 0 1", "INCR a", "SELECT 0", "SET m 70",
            ])
        #expect(ReplayMarker.key(replicationID: "8f3c", from: 51) == "syncgate:replay:8f3c:51")
        #expect(ReplayMarker(value: nil) == .absent)
        #expect(ReplayMarker(value: bytes("120")) == .at(120))
        for value in ["", "12a", "-1", "99999999999999999999"] {
            guard case .strange = ReplayMarker(value: bytes(value)) else {
                Issue.record("\(value) is no offset")
                continue
            }
        }
    }

    @Test("arguments as redis-cli prints them")
    func text() {
        #expect(CommandText.quoted(bytes("a\"\\\n\r\t\u{7}\u{8}\u{0}z") + [255]) == #""a\"\\\n\r\t\a\b\x00z\xff""#)
        #expect(CommandText.quoted(bytes("abcdef"), limit: 3) == #""abc"...(6 bytes)"#)
        #expect(CommandText.line([bytes("SET"), bytes("k"), []]) == #""SET" "k" """#)
        #expect(
            CommandText.line([bytes("DEL"), bytes("a"), bytes("b")], arguments: 2) == #""DEL" "a" ...(3 arguments)"#)
    }

    @Test("one bit for each unit, and what was kept is read again", arguments: [0, 1, 7, 8, 9, 1000])
    func skips(count: Int) {
        var random = SeededGenerator(seed: UInt64(count) + 1)
        let wanted = (0..<count).map { _ in Bool.random(using: &random) }
        var skips = ReplaySkips()
        for bit in wanted { skips.append(bit) }
        let again = ReplaySkips(skips.encoded)
        #expect(again == skips)
        #expect((0..<count).map { again?[$0] } == wanted.map { $0 })
        #expect(skips[count] == nil && skips[-1] == nil)
        for bad in [[], bytes("8:"), bytes(":"), bytes("x:"), skips.encoded + [0]] { #expect(ReplaySkips(bad) == nil) }
    }

    static let listed: [([String], [String])] = [
        (["set", "a", "1"], ["a"]), (["MSET", "a", "1", "b", "2"], ["a", "b"]), (["DEL", "a", "b"], ["a", "b"]),
        (["RENAME", "a", "b"], ["a", "b"]), (["BITOP", "AND", "d", "a", "b"], ["d", "a", "b"]),
        (["XGROUP", "CREATE", "s", "g", "$"], ["s"]), (["SET"], []),
    ]

    @Test("the keys of common commands", arguments: listed)
    func keys(command: [String], names: [String]) {
        let found = CommandKeys(Self.command(command), database: 4)
        #expect(found == .keys(Set(names.map { ReplayKey(database: 4, name: bytes($0)) })))
    }

    @Test("the keys of the others")
    func otherKeys() {
        func key(_ database: Int, _ name: String) -> ReplayKey { ReplayKey(database: database, name: bytes(name)) }
        #expect(CommandKeys(Self.command(["MOVE", "a", "7"]), database: 4) == .keys([key(4, "a"), key(7, "a")]))
        #expect(
            CommandKeys(Self.command(["COPY", "a", "b", "db", "2"]), database: 4)
                == .keys([key(4, "a"), key(4, "b"), key(2, "a"), key(2, "b")]))
        #expect(CommandKeys(Self.command(["PUBLISH", "c", "m"]), database: 0) == .none)
        for name in ["FLUSHALL", "flushdb", "SWAPDB"] {
            #expect(CommandKeys(Self.command([name]), database: 0) == .everything)
        }
        #expect(CommandKeys(Self.command(["EVAL", "return 1", "0"]), database: 0) == .script)
        #expect(CommandKeys(Self.command(["ZUNIONSTORE", "d", "1", "a"]), database: 0) == .unlisted)
    }

    @Test("what was left out takes what comes after it along")
    func omissions() {
        func keys(_ words: [String]) -> CommandKeys { CommandKeys(Self.command(words), database: 4) }
        func omitting(_ words: [String]) -> ReplayOmissions {
            var omissions = ReplayOmissions()
            omissions.add(Self.command(words), keys(words), database: 4)
            return omissions
        }
        let renamed = omitting(["RENAME", "a", "b"])
        #expect(renamed.reason(for: keys(["INCR", "b"])) == #"a write to "b" before it was left out"#)
        #expect(renamed.reason(for: keys(["INCR", "c"])) == nil)
        #expect(renamed.reason(for: CommandKeys(Self.command(["INCR", "b"]), database: 3)) == nil)
        let script = omitting(["EVAL", "return 1", "2", "a", "b", "c"])
        #expect(script.reason(for: keys(["INCR", "b"])) != nil && script.reason(for: keys(["INCR", "c"])) == nil)
        for words in [["EVAL", "return 1", "0"], ["FLUSHDB"], ["SOMETHING", "new"], ["FCALL", "f"]] {
            #expect(omitting(words).reason(for: keys(["INCR", "z"])) == "\(words[0]) before it was left out")
        }
        #expect(omitting(["PUBLISH", "c", "m"]).reason(for: keys(["INCR", "c"])) == nil)
    }

    @Test("batches of a replay in a file: what the server has of them, by that replay's marker")
    func replaysInside() {
        let batch = resp("MULTI") + resp("INCR", "n") + resp("SET", "syncgate:replay:f:5", "40") + resp("EXEC")
        let end = resp("SET", "syncgate:replay:f:5", "60", "PXAT", "1700000000000")
        let both =
            resp("MULTI") + resp("INCR", "n") + resp("SET", "syncgate:replay:f:5", "50") + resp("INCR", "m")
            + resp("SET", "syncgate:replay:g:7", "90") + resp("EXEC")
        let file = units(batch + end + both + resp("INCR", "x"))
        #expect(file.map { $0.markers(database: 0).map(\.key.last) } == [["5"], ["5"], ["5", "7"], []])
        #expect(file[0].markers(database: 0).map(\.offset) == [40])
        func held(_ replays: [String: Int64]) -> [Bool] { file.map { $0.isHeld(by: replays, database: 0) } }
        #expect(held([:]) == [false, false, false, false])
        #expect(held(["syncgate:replay:f:5": 39]) == [false, false, false, false])
        #expect(held(["syncgate:replay:f:5": 40]) == [true, false, false, false])
        #expect(held(["syncgate:replay:f:5": 60, "syncgate:replay:g:7": 90]) == [true, true, true, false])
        // The second replay's batch has more in it than what the server has.
        let first = ["syncgate:replay:f:5": Int64(60)]
        #expect(file.map { $0.partlyHeld(by: first, database: 0) } == [nil, nil, "syncgate:replay:f:5", nil])
        #expect(file[2].partlyHeld(by: ["syncgate:replay:g:7": 90], database: 0) == nil)
        // Markers are keys of database 0.
        #expect(units(end, database: 1)[0].markers(database: 0).isEmpty)
        #expect(units(end, database: nil)[0].markers(database: 0).count == 1)
        #expect(units(resp("SET", "syncgate:replay:f:5:skips", "8:x")).allSatisfy { $0.markers(database: 0).isEmpty })
    }

    private static func command(_ words: [String]) -> StreamCommand {
        StreamCommand(
            offset: 1, length: 1, arguments: words.map { Array($0.utf8) }, kind: .write, database: nil,
            isInTransaction: false)
    }
}

@Suite("Replay: what replies mean")
struct ReplayDecisionTests {
    private static let file = units(resp("INCR", "a") + resp("INCR", "b") + resp("INCR", "c"))

    /// Connected, with the units read that are given; the next action.
    private func begun(
        _ change: (inout Replay.Request) -> Void = { _ in }, marker: ReplayMarker = .absent
    ) -> (Replay, [Replay.Action]) {
        var request = Replay.Request(marker: "m", from: 1, to: 64)
        change(&request)
        var replay = Replay(request)
        var actions = replay.handle(.connected(marker), now: .now)
        for unit in Self.file where actions == [.read] {
            actions = replay.handle(.unit(unit, isSkipped: false), now: .now)
        }
        if actions == [.read] { actions = replay.handle(.fileEnded, now: .now) }
        return (replay, actions)
    }

    private func reply(_ batch: ReplayBatch, errors: [Int: String] = [:]) -> Replay.Event {
        let results = batch.commands.indices.map { errors[$0] }
        return .replied(
            ReplayReply(queued: results.map { _ in nil }, execution: .executed(results), marker: .at(batch.end)))
    }

    private func batch(_ actions: [Replay.Action]) throws -> ReplayBatch {
        guard case .send(let batch)? = actions.first else { throw Unexpected(actions: actions) }
        return batch
    }

    private struct Unexpected: Error { let actions: [Replay.Action] }

    @Test("all in one batch, then the marker says so")
    func straight() throws {
        var (replay, actions) = begun()
        let batch = try self.batch(actions)
        #expect(batch.units == Self.file && batch.before == nil)
        #expect(replay.handle(reply(batch), now: .now) == [.conclude])
        #expect(replay.position == 64)
        #expect(replay.handle(.concluded, now: .now) == [.end(.done)])
        #expect(replay.tally.applied == 3 && replay.tally.bytes == 63 && replay.tally.unconfirmed == 0)
        actions = replay.handle(.fileEnded, now: .now)
        #expect(actions == [])
    }

    @Test("it goes on behind the marker, and leaves out what the server had from its replication")
    func resumed() throws {
        var (replay, actions) = begun(marker: .at(22))
        var sent = try batch(actions)
        #expect(sent.units.map(\.start) == [22, 43] && sent.before == 22)
        _ = replay.handle(reply(sent), now: .now)
        #expect(replay.tally.earlier == 1 && replay.tally.applied == 2 && replay.resumedAt == 22)
        (replay, actions) = begun { $0.held = 42 }
        sent = try batch(actions)
        #expect(sent.units.map(\.start) == [43])
        // A command of which the server has a part only was not executed.
        (replay, actions) = begun { $0.held = 41 }
        #expect(try batch(actions).units.map(\.start) == [22, 43])
        #expect(replay.tally.held == 1)
    }

    @Test("it leaves out the batches of another replay that the server has")
    func heldByReplay() throws {
        let bytes =
            resp("MULTI") + resp("INCR", "n") + resp("SET", "syncgate:replay:f:5", "40") + resp("EXEC")
            + resp("INCR", "x")
        var request = Replay.Request(marker: "m", from: 1, to: 1 + Int64(bytes.count))
        request.replays = ["syncgate:replay:f:5": 40]
        var replay = Replay(request)
        var actions = replay.handle(.connected(.absent), now: .now)
        for unit in units(bytes) { actions = replay.handle(.unit(unit, isSkipped: false), now: .now) }
        #expect(actions == [.read])
        actions = replay.handle(.fileEnded, now: .now)
        #expect(try batch(actions).units.flatMap(\.writes).map(\.arguments) == [[Array("INCR".utf8), Array("x".utf8)]])
        #expect(replay.tally.held == 2)
    }

    @Test("a marker that no replay of this file can have written ends it")
    func foreignMarker() {
        for marker in [ReplayMarker.at(65), .at(0), .strange("\"x\"")] {
            #expect(begun(marker: marker).1 == [.end(.lostMarker(expected: nil, found: marker))])
        }
    }

    @Test("a failed write: stop behind it, or go on and list it")
    func failed() throws {
        var (replay, actions) = begun()
        var sent = try batch(actions)
        // SELECT, INCR a, INCR b …
        #expect(replay.handle(reply(sent, errors: [2: "WRONGTYPE no"]), now: .now) == [.end(.failed)])
        #expect(replay.failures.map(\.command) == [#""INCR" "b""#] && replay.failures.map(\.offset) == [22])
        #expect(replay.tally.applied == 2 && replay.tally.failed == 1 && replay.position == 64)
        (replay, actions) = begun { $0.skipsErrors = true }
        sent = try batch(actions)
        #expect(replay.handle(reply(sent, errors: [2: "WRONGTYPE no"]), now: .now) == [.conclude])
        // Our own SELECT: the writes behind it went somewhere else.
        (replay, actions) = begun { $0.skipsErrors = true }
        sent = try batch(actions)
        #expect(replay.handle(reply(sent, errors: [0: "ERR index"]), now: .now) == [.end(.refused("ERR index"))])
    }

    private func discarded(_ batch: ReplayBatch, _ errors: [Int: String], _ words: String = "EXECABORT no")
        -> Replay.Event
    {
        .replied(
            ReplayReply(
                queued: batch.commands.indices.map { errors[$0] }, execution: .discarded(words),
                marker: batch.before.map { .at($0) } ?? .absent))
    }

    @Test("a command that is refused before the EXEC is found by sending one by one")
    func refusedCommand() throws {
        var (replay, actions) = begun()
        let sent = try batch(actions)
        actions = replay.handle(discarded(sent, [2: "ERR unknown command"]), now: .now)
        let first = try batch(actions)
        #expect(first.units.map(\.start) == [1])
        actions = replay.handle(reply(first), now: .now)
        let second = try batch(actions)
        #expect(second.units.map(\.start) == [22] && second.before == 22)
        let end = replay.handle(discarded(second, [1: "ERR unknown command"]), now: .now)
        #expect(end == [.end(.failed)])
        // It was not executed: the next run tries it again.
        #expect(replay.position == 22 && replay.tally.failed == 1 && replay.tally.applied == 1)
    }

    @Test(
        "what is about the server stops it, with or without --skip-errors",
        arguments: ["READONLY You", "OOM command", "MISCONF x", "NOREPLICAS x", "LOADING x"])
    func serverState(words: String) throws {
        for skips in [false, true] {
            var (replay, actions) = begun { $0.skipsErrors = skips }
            let sent = try batch(actions)
            #expect(replay.handle(discarded(sent, [1: words]), now: .now) == [.end(.refused(words))])
            #expect(replay.position == nil)
            (replay, actions) = begun { $0.skipsErrors = skips }
            let late = try batch(actions)
            let whole = "EXECABORT Transaction discarded because of: \(words)"
            #expect(replay.handle(discarded(late, [:], whole), now: .now) == [.end(.refused(whole))])
        }
    }

    @Test("a connection that was lost under a batch: the marker tells")
    func lost() throws {
        let start = ContinuousClock.now
        for (marker, isApplied) in [(ReplayMarker.absent, false), (.at(64), true)] {
            var (replay, actions) = begun()
            let sent = try batch(actions)
            #expect(replay.handle(.disconnected("closed"), now: start) == [.connect(after: .zero)])
            actions = replay.handle(.connected(marker), now: start)
            #expect(actions == (isApplied ? [.conclude] : [.send(sent)]))
            #expect(replay.tally.unconfirmed == (isApplied ? 3 : 0) && replay.tally.reconnects == 1)
        }
        // Neither where it was nor where it would be: another run has begun.
        var (replay, actions) = begun()
        _ = replay.handle(.disconnected("closed"), now: start)
        #expect(
            replay.handle(.connected(.at(22)), now: start) == [.end(.lostMarker(expected: nil, found: .at(22)))])
        // Forward, in a replay that has a marker: what was sent before is executed late.
        (replay, actions) = begun(marker: .at(22))
        _ = replay.handle(.disconnected("closed"), now: start)
        actions = replay.handle(.connected(.at(43)), now: start)
        #expect(try batch(actions).units.map(\.start) == [43])
        #expect(replay.tally.unconfirmed == 1)
        // Backward: the server has lost it.
        (replay, actions) = begun(marker: .at(22))
        _ = replay.handle(.disconnected("closed"), now: start)
        #expect(
            replay.handle(.connected(.absent), now: start) == [.end(.lostMarker(expected: 22, found: .absent))])
    }

    @Test("a file that was replayed is not sent again")
    func concluded() {
        var (replay, actions) = begun(marker: .at(64))
        #expect(actions == [.conclude])
        actions = replay.handle(.concluded, now: .now)
        #expect(actions == [.end(.done)] && replay.tally.earlier == 3 && replay.tally.applied == 0)
    }

    @Test("a server that stays away is given up in time, and a short silence is not the end")
    func patience() {
        let start = ContinuousClock.now
        var (replay, _) = begun { $0.patience = .seconds(10) }
        #expect(replay.handle(.disconnected("closed"), now: start) == [.connect(after: .zero)])
        #expect(
            replay.handle(.disconnected("refused"), now: start + .seconds(9)) == [.connect(after: .milliseconds(500))])
        #expect(
            replay.handle(.disconnected("refused"), now: start + .seconds(10))
                == [.end(.unreachable("closed; then: refused"))])
    }

    @Test("a signal ends it when nothing is under way")
    func stopped() throws {
        var (replay, actions) = begun()
        let sent = try batch(actions)
        #expect(replay.handle(.stopRequested, now: .now) == [])
        #expect(replay.handle(reply(sent), now: .now) == [.end(.stopped)])
        #expect(replay.position == 64)
    }

    @Test("everything left out: the server is not touched")
    func allSkipped() {
        var replay = Replay(Replay.Request(marker: "m", from: 1, to: 64))
        var actions = replay.handle(.connected(.absent), now: .now)
        for unit in Self.file { actions = replay.handle(.unit(unit, isSkipped: true), now: .now) }
        #expect(actions == [.read])
        #expect(replay.handle(.fileEnded, now: .now) == [.end(.done)])
        #expect(replay.tally.skipped == 3)
    }
}
