import SeededNumbers
import Testing

@testable import Replication

@Suite("ReplicationHistory: offsets are subtracted only along a shared history")
struct ReplicationHistoryTests {
    typealias Relation = ReplicationHistory.Relation

    static func history(_ id: String, _ offset: Int64, from previous: (id: String, end: Int64)? = nil)
        -> ReplicationHistory
    {
        let previous = previous.map { ReplicationIdentity.Previous(id: $0.id, end: $0.end) }
        return ReplicationHistory(identity: ReplicationIdentity(id: id, previous: previous), offset: offset)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var own: ReplicationHistory
        var other: ReplicationHistory
        var relation: Relation
        var testDescription: String { name }
    }

    static let rows: [Row] = [
        Row(name: "one id, equal", own: history("a", 50), other: history("a", 50), relation: .same),
        Row(name: "one id, less", own: history("a", 50), other: history("a", 64), relation: .behind(bytes: 14)),
        Row(name: "one id, more", own: history("a", 64), other: history("a", 50), relation: .ahead(bytes: 14)),
        Row(name: "other id, equal offsets", own: history("a", 50), other: history("b", 50), relation: .unrelated),
        Row(
            name: "same id wins over a previous one", own: history("a", 50, from: ("p", 10)),
            other: history("a", 60, from: ("q", 5)), relation: .behind(bytes: 10)),
        Row(
            name: "promoted from us, we wrote on, it did too", own: history("a", 91),
            other: history("b", 115, from: ("a", 58)), relation: .diverged(ownBytes: 33, otherBytes: 57)),
        Row(
            name: "promoted from us, only we wrote on", own: history("a", 91), other: history("b", 58, from: ("a", 58)),
            relation: .ahead(bytes: 33)),
        Row(
            name: "promoted from us, only it wrote on", own: history("a", 58),
            other: history("b", 115, from: ("a", 58)),
            relation: .behind(bytes: 57)),
        Row(
            name: "promoted from us, nobody wrote", own: history("a", 58), other: history("b", 58, from: ("a", 58)),
            relation: .same),
        Row(
            name: "promoted beyond what we have", own: history("a", 40), other: history("b", 58, from: ("a", 58)),
            relation: .behind(bytes: 18)),
        Row(
            name: "promoted beyond what we have, wrote on", own: history("a", 40),
            other: history("b", 115, from: ("a", 58)), relation: .behind(bytes: 75)),
        Row(
            name: "we were promoted from it", own: history("b", 115, from: ("a", 58)), other: history("a", 91),
            relation: .diverged(ownBytes: 57, otherBytes: 33)),
        Row(
            name: "both promoted from one, at one point", own: history("b", 70, from: ("a", 58)),
            other: history("c", 90, from: ("a", 58)), relation: .diverged(ownBytes: 12, otherBytes: 32)),
        Row(
            name: "both promoted from one, the other earlier", own: history("b", 58, from: ("a", 58)),
            other: history("c", 50, from: ("a", 50)), relation: .ahead(bytes: 8)),
        Row(
            name: "both promoted from one, the other earlier, then it wrote", own: history("b", 58, from: ("a", 58)),
            other: history("c", 90, from: ("a", 50)), relation: .diverged(ownBytes: 8, otherBytes: 40)),
        Row(
            name: "both promoted from one, nobody wrote", own: history("b", 58, from: ("a", 58)),
            other: history("c", 58, from: ("a", 58)), relation: .same),
        Row(
            name: "promoted from different ones", own: history("b", 58, from: ("a", 58)),
            other: history("d", 58, from: ("c", 58)), relation: .unrelated),
        Row(
            name: "two promotions apart", own: history("a", 58), other: history("c", 90, from: ("b", 70)),
            relation: .unrelated),
    ]

    @Test("relation", arguments: rows)
    func relation(row: Row) {
        #expect(row.own.relation(to: row.other) == row.relation)
        #expect(row.other.relation(to: row.own) == Self.mirrored(row.relation))
    }

    static func mirrored(_ relation: Relation) -> Relation {
        switch relation {
        case .same, .unrelated: relation
        case .behind(let bytes): .ahead(bytes: bytes)
        case .ahead(let bytes): .behind(bytes: bytes)
        case .diverged(let own, let other): .diverged(ownBytes: other, otherBytes: own)
        }
    }

    @Test("a.relation(b) mirrors b.relation(a); numbers are never negative; a history is the same as itself")
    func antisymmetry() {
        var random = SeededGenerator(seed: 7)
        let ids = ["a", "b", "c"]
        func any() -> ReplicationHistory {
            let previous =
                Bool.random(using: &random)
                ? (ids.randomElement(using: &random) ?? "a", Int64.random(in: 0...60, using: &random)) : nil
            return Self.history(
                ids.randomElement(using: &random) ?? "a", Int64.random(in: -1...100, using: &random), from: previous)
        }
        for _ in 0..<20_000 {
            let (one, other) = (any(), any())
            // Ids are drawn at random: two histories that both continue each other cannot be.
            guard one.identity.previous?.id != other.identity.id || other.identity.previous?.id != one.identity.id
            else {
                continue
            }
            let relation = one.relation(to: other)
            #expect(other.relation(to: one) == Self.mirrored(relation), "\(one) \(other)")
            #expect(one.relation(to: one) == .same)
            switch relation {
            case .same, .unrelated: break
            case .behind(let bytes), .ahead(let bytes): #expect(bytes > 0)
            case .diverged(let own, let others): #expect(own > 0 && others > 0)
            }
        }
    }

    @Test("real servers: an old master that wrote on, and the new one", arguments: Capture.withIDs)
    func divergedCaptures(version: String) throws {
        let old = try #require(try Capture.info(version, "diverged-old-master").history)
        let new = try #require(try Capture.info(version, "diverged-new-master").history)
        #expect(old.relation(to: new) == .diverged(ownBytes: 33, otherBytes: 57))
    }

    @Test("real servers: promoted, then followed", arguments: Capture.withIDs)
    func promotedCaptures(version: String) throws {
        let promoted = try #require(try Capture.info(version, "promoted").history)
        let later = try #require(try Capture.info(version, "promoted-with-follower").history)
        let follower = try #require(try Capture.info(version, "old-master-following").history)
        #expect(promoted.relation(to: later) == .behind(bytes: 62))
        #expect(follower.relation(to: later) == .same)
    }

    @Test("real servers: a restarted empty master is a stranger to its replica", arguments: Capture.withIDs)
    func strangers(version: String) throws {
        let replica = try #require(try Capture.info(version, "replica-before-wipe").history)
        let master = try #require(try Capture.info(version, "empty-master-restarted").history)
        #expect(replica.relation(to: master) == .unrelated)
    }

    @Test("positions: bytes behind within one id, nil across ids")
    func positions() {
        let one = ReplicationPosition(replicationID: historyID, offset: 1000)
        let other = ReplicationPosition(replicationID: historyID, offset: 1014)
        #expect(one.bytesBehind(other) == 14)
        #expect(other.bytesBehind(one) == -14)
        #expect(one.bytesBehind(ReplicationPosition(replicationID: otherID, offset: 1014)) == nil)
        #expect(one.description == "8f3c1d2e…:1000")
    }
}
