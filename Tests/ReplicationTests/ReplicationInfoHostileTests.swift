import SeededNumbers
import Testing

@testable import Replication

@Suite("ReplicationInfo: damaged texts never trap")
struct ReplicationInfoHostileTests {
    @Test(
        "every truncation of a capture",
        arguments: [("2.8.17", "replica-syncing"), ("8.2.3", "promoted-with-follower")])
    func truncations(version: String, state: String) throws {
        let bytes = try core(version, state)
        var parsed = 0
        for length in 0...bytes.count
        where (try? ReplicationInfo(parsing: String(decoding: bytes[..<length], as: UTF8.self))) != nil {
            parsed += 1
        }
        // A text that ends behind the replication section is whole for our purposes.
        #expect((1..<bytes.count).contains(parsed))
    }

    /// What decisions make of two readings, so that every subtraction is done on the damaged numbers.
    private func decide(_ one: ReplicationInfo, _ other: ReplicationInfo) {
        let address = GateConditions.ReplicaAddress(ips: ["127.0.0.1"], ports: [6379])
        _ = GateConditions.obstacle(master: one, replica: other, listedAs: address)
        _ = Demotion.decide(local: one, peer: other, peerFollowsLocal: false, localFollowsPeer: false)
        if let own = one.history, let theirs = other.history { _ = own.relation(to: theirs) }
        if let own = SyncGate.position(one), let theirs = SyncGate.position(other) { _ = own.bytesBehind(theirs) }
        var attempt = SyncGate.Attempt(policy: policy(), startedAt: at(0))
        attempt.master = seen(one, at: 1)
        attempt.firstReplica = seen(other, at: 1)
        attempt.replica = seen(other, at: 2)
        _ = SyncGate.lag(attempt)
        _ = SyncGate.loss(attempt, target: nil, at(3))
        _ = SyncGate.isInReach(attempt, at(3))
        var tracker = LagTracker()
        let reading = LagTracker.ReplicaReading(
            address: "a", listed: one.replicas.first, observation: seen(other, at: 2))
        _ = tracker.report(master: seen(one, at: 1), replicas: [reading])
        _ = tracker.report(master: seen(other, at: 100_000), replicas: [reading])
    }

    private static let digits: [[UInt8]] = [
        Array("9223372036854775807".utf8), Array("-9223372036854775808".utf8), Array("-1".utf8),
        Array("4611686018427387904".utf8), Array("99999999999999999999".utf8), Array("1".utf8),
    ]

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch UInt8.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: place)
            case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 3: bytes.removeSubrange(place..<min(place + 40, bytes.count))
            case 4: bytes.append(contentsOf: bytes[place..<min(place + 40, bytes.count)])
            default: replaceNumber(&bytes, from: place, &random)
            }
        }
    }

    /// Puts an extreme number behind the next colon or equals sign.
    private func replaceNumber(_ bytes: inout [UInt8], from place: Int, _ random: inout SeededGenerator) {
        guard let sign = bytes[place...].firstIndex(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "=") })
        else { return }
        let end = bytes[(sign + 1)...].firstIndex { $0 == 13 || $0 == UInt8(ascii: ",") } ?? bytes.count
        bytes.replaceSubrange((sign + 1)..<end, with: Self.digits.randomElement(using: &random) ?? [])
    }

    /// The part of a capture that is read, so that mutations hit.
    private func core(_ version: String, _ state: String) throws -> [UInt8] {
        let kept = [
            "role:", "master_host", "master_port", "master_link_status", "master_link_down", "master_sync_in",
            "master_sync_left", "slave_repl_offset", "slave0", "master_repl", "second_repl", "repl_backlog_f",
            "loading:",
            "# Key", "db0",
        ]
        let lines = try Capture.text(version, state).split(whereSeparator: \.isNewline)
        return Array(lines.filter { line in kept.contains { line.hasPrefix($0) } }.joined(separator: "\r\n").utf8)
    }

    @Test("100,000 random mutations, and the decisions on what still parses", arguments: [1, 2, 3, 4] as [UInt64])
    func mutations(seed: UInt64) throws {
        let states = [
            "master-with-replica", "replica-online", "diverged-new-master", "replica-syncing", "replica-loading",
        ]
        let texts = try ["3.2.6", "8.2.3"].flatMap { version in try states.map { try core(version, $0) } }
        var random = SeededGenerator(seed: seed)
        var last = try Capture.info("8.2.3", "master-with-replica")
        var (parsed, refused) = (0, 0)
        for _ in 0..<25_000 {
            var bytes = texts[Int.random(in: 0..<texts.count, using: &random)]
            mutate(&bytes, &random)
            do throws(ReplicationInfoError) {
                let info = try ReplicationInfo(parsing: String(decoding: bytes, as: UTF8.self))
                parsed += 1
                if parsed % 16 == 0 { decide(info, last) }
                if parsed % 16 == 2 { decide(last, info) }
                last = info
            } catch {
                refused += 1
            }
        }
        #expect(parsed > 2_000)
        #expect(refused > 2_000)
    }

    @Test("50,000 unknown lines, and more replicas than anybody has, are read in a bounded way")
    func big() throws {
        let base = "role:master\nmaster_repl_offset:1\n"
        #expect(try ReplicationInfo(parsing: base + String(repeating: "x:1\n", count: 50_000)).dataOffset == 1)
        let replicas = (0..<12_000).map { "slave\($0):ip=1,port=1,state=online\n" }.joined()
        #expect(try ReplicationInfo(parsing: base + replicas).replicas.count == 10_000)
    }
}
