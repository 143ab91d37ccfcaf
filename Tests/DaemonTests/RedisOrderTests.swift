import Daemon
import Failover
import Glibc
import RedisClient
import RedisLab
import Replication
import Testing

@testable import Operations

/// What a `RedisSide` does to the servers when the node orders it.
@Suite("RedisSide: orders", .serialized)
struct RedisOrderTests {
    private func promotion(_ known: RedisOrder.KnownMaster? = nil) -> RedisOrder {
        .promote(.init(timeout: .seconds(5), promotesAfterTimeout: true, knownMaster: known))
    }

    /// The last reading of the master, and since when the replica's offset stands still.
    private func known(_ side: ObservedSide, _ contact: SyncGate.Contact, still: Bool = false) -> RedisOrder.KnownMaster
    {
        let sample = side.readings(ofPeer: true).compactMap(\.observation).last { $0.info.masterLink == nil }
        let offset = side.readings().compactMap(\.observation).last?.info.dataOffset ?? 0
        return .init(
            contact: contact, lastSample: sample,
            still: still ? .init(at: offset, since: .now - .milliseconds(300)) : nil)
    }

    private func role(_ server: RedisServer) async throws -> String? { try await RedisPair.info(server)["role"] }
    private func keys(_ server: RedisServer) async throws -> RedisReply {
        try await RedisPair.send(["DBSIZE"], to: server)
    }

    @Test("a living master: through the gate, nothing is lost, roles are swapped", arguments: RedisVersion.available)
    func promote(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            let load = WriteLoad([pair.master.url, pair.replica.url])
            await load.waitForWrites(100)
            let (outcome, promoted, ended) = try await side.carryOut(promotion())
            await load.waitForWrites(100)
            print("promoted \(version) after \(promoted ?? .zero), ended \(ended), gap \(outcome.writeGap ?? .zero)")
            #expect(outcome.result == .done)
            #expect(outcome.loss == .none)
            #expect(outcome.writeGap != nil && outcome.evidence?.target != nil && promoted != nil)
            #expect(outcome.steps.contains { $0.step == "promoted" })
            #expect(try await load.stop(lookingAt: pair.replica.url).lost == [])
            #expect(try await role(pair.replica) == "master")
            #expect(try await RedisPair.info(pair.master)["master_port"] == "\(pair.replica.port)")
        }
    }

    @Test("a dead master: promoted at once, with what may be lost", arguments: RedisVersion.available)
    func promoteDead(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            let start = ContinuousClock.now
            pair.master.signal(SIGKILL)
            try await side.wait("death", since: start) { $0.peer == .dead }
            let (outcome, promoted, ended) = try await side.carryOut(promotion(known(side, .dead)))
            print("dead \(version): promoted after \(promoted ?? .zero), ended after \(ended)")
            #expect(outcome.result == .done)
            #expect(try #require(promoted) < .milliseconds(150))
            guard case .atMost(let bytes, let age) = outcome.loss else {
                Issue.record("\(outcome.loss)")
                return
            }
            #expect(bytes <= 1 && age < .milliseconds(400), "\(outcome.loss)")
            #expect(try await role(pair.replica) == "master")
        }
    }

    @Test("a hung master whose stream has ended: promoted at once", arguments: [RedisVersion.v2_8, .v7_0])
    func promoteSilent(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            pair.master.signal(SIGSTOP)
            let (outcome, promoted, _) = try await side.carryOut(promotion(known(side, .silent, still: true)))
            pair.master.signal(SIGCONT)
            print("silent \(version): promoted after \(promoted ?? .zero)")
            #expect(outcome.result == .done, "\(outcome)")
            #expect(try #require(promoted) < .milliseconds(150))
        }
    }

    @Test(
        "restarted empty within 50 ms: the replica's data is saved, whatever it had begun to copy",
        arguments: RedisVersion.available, [0, 150, 250])
    func emptyRestart(version: RedisVersion, delay: Int) async throws {
        try await withStandby(version, keys: 1000) { pair, side in
            let before = known(side, .restarted)
            let id = before.lastSample?.info.server?.runID
            let start = ContinuousClock.now
            try await pair.restartEmpty(pair.master)
            let new = try await side.wait("another run_id", since: start) { event in
                event.peer?.runID.map { $0 != id } ?? false
            }
            try await Task.sleep(for: .milliseconds(delay))
            let link = try await RedisPair.info(pair.replica)
            let (outcome, promoted, _) = try await side.carryOut(promotion(before))
            print(
                "restarted \(version): seen after \(new.at - start), promoted \(promoted ?? .zero) after the order;",
                "link \(link["master_link_status"] ?? ""), sync \(link["master_sync_in_progress"] ?? ""):",
                outcome.result, outcome.loss)
            let saved = try await keys(pair.replica)
            // What was wiped before the order came (0.4 s after the restart at the earliest) must be refused.
            if outcome.result == .done {
                #expect(saved == .integer(1000))
                #expect(try #require(promoted) < .milliseconds(150))
            } else {
                #expect(delay > 0 && saved != .integer(1000), "\(outcome)")
            }
            try await Task.sleep(for: .milliseconds(800))
            #expect(try await keys(pair.replica) == saved)
            #expect(try await role(pair.replica) == (outcome.result == .done ? "master" : "slave"))
        }
    }

    @Test(
        "restarted with other data, and the transfer has begun: the replica's data is saved",
        arguments: [RedisVersion.v6_2, .v7_0, .v8_2])
    func transferring(version: RedisVersion) async throws {
        try await withStandby(version, keys: 1000) { pair, side in
            let before = known(side, .restarted)
            try await withRedisServer(version) { other in
                for number in 0..<500 { try await RedisPair.send(["SET", "other:\(number)", "1"], to: other) }
                try await RedisPair.send(["SAVE"], to: other)
                await pair.master.kill()
                unlink("\(pair.master.directory)/dump.rdb")
                try #require(link("\(other.directory)/dump.rdb", "\(pair.master.directory)/dump.rdb") == 0)
            }
            // 5 ms for each key that is sent.
            let slow = [
                "--rdb-key-save-delay", "5000", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
            ]
            try await pair.master.restart(arguments: slow)
            try await RedisPair.wait("the full resync", limit: .seconds(5)) {
                try await RedisPair.info(pair.replica)["master_sync_in_progress"] == "1"
            }
            let (outcome, promoted, _) = try await side.carryOut(promotion(before))
            print("transferring \(version):", outcome.result, outcome.loss, promoted ?? .zero)
            #expect(outcome.result == .done)
            #expect(try #require(promoted) < .milliseconds(150))
            try await Task.sleep(for: .seconds(3))
            #expect(try await keys(pair.replica) == .integer(1000))
            #expect(try await role(pair.replica) == "master")
        }
    }

    @Test("a replica that has been wiped meanwhile is refused", arguments: RedisVersion.available)
    func wiped(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            let before = known(side, .restarted)
            try await pair.restartEmpty(pair.master)
            try await RedisPair.wait("the wiping") { try await keys(pair.replica) == .integer(0) }
            try await RedisPair.wait("the link") {
                try await RedisPair.info(pair.replica)["master_link_status"] == "up"
            }
            let (outcome, promoted, _) = try await side.carryOut(promotion(before))
            guard case .refused(let code, _) = outcome.result else {
                Issue.record("\(outcome)")
                return
            }
            #expect(["empty", "other_history"].contains(code))
            #expect(promoted == nil)
            #expect(try await role(pair.replica) == "slave")
        }
    }

    @Test(
        "the other way round: handed over, told before the clients are disconnected", arguments: RedisVersion.available)
    func handOver(version: RedisVersion) async throws {
        try await withPair(version) { pair, side in
            let load = WriteLoad([pair.master.url, pair.replica.url])
            await load.waitForWrites(100)
            let (outcome, promoted, ended) = try await side.carryOut(.handOver(timeout: .seconds(5)))
            await load.waitForWrites(100)
            print("handed over \(version): promoted after \(promoted ?? .zero), ended after \(ended)")
            #expect(outcome.result == .done && outcome.loss == .none && outcome.writeGap != nil, "\(outcome)")
            #expect(try #require(promoted) <= ended)
            #expect(try await load.stop(lookingAt: pair.replica.url).lost == [])
            #expect(try await role(pair.replica) == "master")
            let again = try await side.carryOut(.handOver(timeout: .seconds(5)), 2)
            #expect(again.outcome.result == .done)
        }
    }

    /// The side of the master's node.
    private func withPair(
        _ version: RedisVersion, isolation: isolated (any Actor)? = #isolation,
        _ body: (RedisPair, ObservedSide) async throws -> Void
    ) async throws {
        let pair = try await RedisPair.start(version)
        do {
            let side = try ObservedSide(local: pair.master, peer: pair.replica)
            do { try await body(pair, side) } catch {
                await side.stop()
                throw error
            }
            await side.stop()
        } catch {
            await pair.stop()
            throw error
        }
        await pair.stop()
    }

    private func refusal(_ outcome: OperationOutcome) -> String? {
        if case .refused(let code, _) = outcome.result { code } else { nil }
    }

    @Test("following discards only what is accepted", arguments: [RedisVersion.v5_0, .v6_2, .v7_0, .v8_2])
    func follow(version: RedisVersion) async throws {
        try await withPair(version) { pair, side in
            #expect(refusal(try await side.carryOut(.follow(accepting: .kin)).outcome) == "peer_is_replica")
            try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
            try await RedisPair.send(["SET", "elsewhere", "1"], to: pair.replica)
            try await pair.fill(3)
            #expect(refusal(try await side.carryOut(.follow(accepting: .nothing), 2).outcome) == "would_discard")
            #expect(try await role(pair.master) == "master")
            let (outcome, _, ended) = try await side.carryOut(.follow(accepting: .surplus), 3)
            print("followed \(version) after \(ended)")
            #expect(outcome.result == .done)
            #expect([114, 128].contains { outcome.loss == .exact(bytes: $0) }, "\(outcome.loss)")
            #expect(try await role(pair.master) == "slave")
            try await RedisPair.wait("the copy") { try await keys(pair.master) == .integer(101) }
        }
    }

    @Test("following where no ids tell: only as kin, and the loss is unknown", arguments: [RedisVersion.v2_8, .v3_2])
    func followKin(version: RedisVersion) async throws {
        try await withPair(version) { pair, side in
            try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
            try await RedisPair.send(["SET", "elsewhere", "1"], to: pair.replica)
            #expect(refusal(try await side.carryOut(.follow(accepting: .surplus)).outcome) == "would_discard")
            let (outcome, _, _) = try await side.carryOut(.follow(accepting: .kin), 2)
            #expect(outcome.result == .done && outcome.loss == .unknown(.notComparable), "\(outcome)")
            try await RedisPair.wait("the copy") { try await keys(pair.master) == .integer(101) }
        }
    }

    @Test("an empty peer is never followed, an empty server follows", arguments: RedisVersion.available)
    func followEmpty(version: RedisVersion) async throws {
        try await withPair(version) { pair, side in
            try await pair.restartEmpty(pair.replica)
            #expect(refusal(try await side.carryOut(.follow(accepting: .kin)).outcome) == "peer_empty")
            #expect(try await keys(pair.master) == .integer(100))
            let other = try ObservedSide(local: pair.replica, peer: pair.master)
            #expect(try await other.carryOut(.follow(accepting: .nothing)).outcome.result == .done)
            try await RedisPair.wait("the copy") { try await keys(pair.replica) == .integer(100) }
            await other.stop()
        }
    }

    @Test("park and lead", arguments: RedisVersion.available)
    func lead(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            #expect(refusal(try await side.carryOut(.lead).outcome) == "peer_is_master")
            let other = try ObservedSide(local: pair.master, peer: pair.replica)
            #expect(try await other.carryOut(.park).outcome.result == .done)
            let parked = try await RedisPair.info(pair.master)
            #expect(parked["role"] == "slave" && parked["master_port"] == "1")
            #expect(try await side.carryOut(.lead, 2).outcome.result == .done)
            #expect(try await role(pair.replica) == "master")
            #expect(try await side.carryOut(.lead, 3).outcome.result == .done)
            #expect(refusal(try await other.carryOut(.lead, 4).outcome) == "peer_is_master")
            #expect(try await keys(pair.master) == .integer(100))
            await other.stop()
        }
    }

    @Test("leading where the peer holds more, or all", arguments: [RedisVersion.v5_0, .v7_0])
    func leadBehind(version: RedisVersion) async throws {
        try await withStandby(version) { pair, side in
            try await RedisPair.send(["SLAVEOF", "127.0.0.1", "1"], to: pair.replica)
            try await pair.fill(3)
            try await RedisPair.send(["SLAVEOF", "127.0.0.1", "1"], to: pair.master)
            #expect(refusal(try await side.carryOut(.lead).outcome) == "peer_newer")
            try await pair.restartEmpty(pair.replica)
            try await RedisPair.send(["SLAVEOF", "127.0.0.1", "1"], to: pair.replica)
            #expect(refusal(try await side.carryOut(.lead, 2).outcome) == "empty")
            await pair.master.kill()
            #expect(try await side.carryOut(.lead, 3).outcome.result == .done)
        }
    }

    @Test("clients are disconnected; the write fence follows", arguments: [RedisVersion.v2_8, .v7_0])
    func smallOrders(version: RedisVersion) async throws {
        try await withPair(version) { pair, side in
            let client = try await pair.master.connection()
            #expect(try await side.carryOut(.disconnectClients).outcome.result == .done)
            #expect(await client.closed() == .closed)
            #expect(try await side.carryOut(.writeFence(minReplicas: 1), 2).outcome.result == .done)
            // Its first acknowledgement comes within a second.
            try await RedisPair.wait("a good replica") {
                try await RedisPair.send(["SET", "a", "1"], to: pair.master) == .simpleString("OK")
            }
            try await RedisPair.send(["SLAVEOF", "NO", "ONE"], to: pair.replica)
            try await RedisPair.wait("the fence") {
                do { try await RedisPair.send(["SET", "a", "1"], to: pair.master) } catch RedisError.server(let error) {
                    return error.code == .noReplicas
                }
                return false
            }
            #expect(try await side.carryOut(.writeFence(minReplicas: 0), 3).outcome.result == .done)
            #expect(try await RedisPair.send(["SET", "a", "1"], to: pair.master) == .simpleString("OK"))
        }
    }

    @Test("an operation that is told to end before it has begun leaves all as it was; the next one is another")
    func aborts() async throws {
        try await withStandby(.v7_0) { pair, side in
            side.side.abort(7)
            let (outcome, promoted, ended) = try await side.carryOut(promotion(), 7)
            #expect(outcome.result != .done)
            #expect(promoted == nil)
            #expect(ended < .seconds(2))
            #expect(try await side.carryOut(promotion(), 8).outcome.result == .done)
        }
    }

    @Test("with servers that hang or are gone, every order ends, and the next one is taken")
    func outcomes() async throws {
        try await withStandby(.v7_0) { pair, side in
            pair.replica.signal(SIGSTOP)
            pair.master.signal(SIGSTOP)
            let orders: [RedisOrder] = [
                promotion(known(side, .silent, still: true)), promotion(), .lead, .handOver(timeout: .seconds(1)),
                .follow(accepting: .kin), .park, .disconnectClients, .writeFence(minReplicas: 1),
            ]
            for (number, order) in orders.enumerated() {
                let (outcome, _, ended) = try await side.carryOut(order, number)
                guard case .failed = outcome.result else {
                    Issue.record("\(order): \(outcome)")
                    continue
                }
                #expect(ended < .seconds(4), "\(order)")
            }
            await pair.replica.kill()
            await pair.master.kill()
            for (number, order) in orders.enumerated() {
                let (outcome, _, ended) = try await side.carryOut(order, 100 + number)
                if case .failed = outcome.result {} else { Issue.record("\(order): \(outcome)") }
                #expect(ended < .seconds(2), "\(order)")
            }
        }
    }

    @Test("a fence that an interrupted run has left is undone at the start", arguments: [RedisVersion.v2_8, .v5_0])
    func recovery(version: RedisVersion) async throws {
        let pair = try await RedisPair.start(version)
        let directory = try TemporaryDirectory.make()
        try await RedisPair.send(["CONFIG", "SET", "requirepass", "left"], to: pair.master)
        let journal = FenceJournal(directory: directory, local: "redis://127.0.0.1:\(pair.replica.port)")
        try journal.write(
            .init(
                master: "redis://127.0.0.1:\(pair.master.port)", masterRunID: "x", fencePassword: "left",
                previousPassword: "", connectionName: "syncgate-gone"))
        let side = try ObservedSide(local: pair.replica, peer: pair.master, stateDirectory: directory)
        try await side.wait("the peer") { $0.peer?.observation != nil }
        #expect(side.logged.contains { $0.hasPrefix("released") }, "\(side.logged)")
        await side.stop()
        await pair.stop()
    }

    @Test("two sides do not delay each other: one pair hangs, the other one is promoted")
    func independent() async throws {
        try await withStandby(.v7_0) { hung, stuck in
            hung.replica.signal(SIGSTOP)
            hung.master.signal(SIGSTOP)
            try await withStandby(.v7_0) { pair, side in
                stuck.side.order(.handOver(timeout: .seconds(5)), 1)
                stuck.side.order(promotion(), 2)
                let start = ContinuousClock.now
                pair.master.signal(SIGKILL)
                let dead = try await side.wait("death", since: start) { $0.peer == .dead }
                let (outcome, promoted, _) = try await side.carryOut(promotion(known(side, .dead)))
                #expect(outcome.result == .done)
                #expect(dead.at - start < .milliseconds(150))
                #expect(try #require(promoted) < .milliseconds(150))
                #expect(!stuck.entries.contains { if case .ended = $0.event { true } else { false } })
            }
        }
    }
}
