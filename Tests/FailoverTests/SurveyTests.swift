import Failover
import Replication
import Testing

@Suite("Survey: whose data set is the pair's")
struct SurveyTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var local: ServerText
        var peer: ServerText?
        var expected: String
        var localFollows = false
        var peerFollows = false
        var peerServes = false
        var peerEpoch: UInt64?
        var peerIsMaster = false
        var memory = Memory()
        var hasWaited = true
        var testDescription: String { name }
    }

    static let master = ServerText()
    static let parked = ServerText(follows: ("127.0.0.1", 1, false))

    static func with(_ base: ServerText, _ change: (inout ServerText) -> Void) -> ServerText {
        var text = base
        change(&text)
        return text
    }

    static let cases: [Case] = [
        Case(
            name: "replica of a master", local: with(master) { $0.follows = ("198.51.100.2", 6379, true) },
            peer: master,
            expected: "in place", localFollows: true),
        Case(
            name: "master of a replica", local: master,
            peer: with(master) { $0.follows = ("198.51.100.1", 6379, true) },
            expected: "in place", peerFollows: true),
        Case(name: "the peer does not answer yet", local: master, peer: nil, expected: "wait", hasWaited: false),
        Case(name: "alone with data", local: master, peer: nil, expected: "lead"),
        Case(name: "alone and empty", local: with(master) { $0.keys = 0 }, peer: nil, expected: "wait"),
        Case(
            name: "alone, empty, and the pair's master before", local: with(master) { $0.keys = 0 }, peer: nil,
            expected: "lead", memory: Memory(epoch: 2, wasMaster: true)),
        Case(
            name: "empty beside data", local: with(master) { ($0.keys, $0.replid) = (0, "x") }, peer: master,
            expected: "follow(surplus)"),
        Case(
            name: "empty beside data that is not master yet", local: with(master) { ($0.keys, $0.replid) = (0, "x") },
            peer: parked, expected: "yield"),
        Case(
            name: "data beside empty", local: master, peer: with(master) { ($0.keys, $0.replid) = (0, "x") },
            expected: "lead"),
        Case(
            name: "data beside empty that serves", local: master,
            peer: with(master) { ($0.keys, $0.replid) = (0, "x") },
            expected: "lead", peerServes: true),
        Case(
            name: "parked with what the clients of an empty master that serves have deleted",
            local: with(parked) { $0.offset = 900 }, peer: with(master) { $0.keys = 0 },
            expected: "follow(nothing)", peerServes: true),
        Case(
            name: "the same where the empty master was promoted from it", local: with(parked) { $0.offset = 900 },
            peer: with(master) { ($0.replid, $0.previous, $0.offset, $0.keys) = ("h2", ("h1", 900), 1200, 0) },
            expected: "follow(nothing)", peerServes: true),
        Case(
            name: "beside an empty master that serves, with more of its own",
            local: with(parked) { $0.offset = 1100 }, peer: with(master) { $0.keys = 0 },
            expected: "lead", peerServes: true),
        Case(
            name: "beside an empty master that nobody is sent to", local: with(parked) { $0.offset = 900 },
            peer: with(master) { $0.keys = 0 }, expected: "lead"),
        Case(
            name: "both empty, both masters", local: with(master) { $0.keys = 0 },
            peer: with(master) { ($0.keys, $0.replid) = (0, "x") }, expected: "lead"),
        Case(
            name: "both empty, the peer serves", local: with(master) { $0.keys = 0 },
            peer: with(master) { ($0.keys, $0.replid) = (0, "x") }, expected: "follow(surplus)", peerServes: true),
        Case(
            name: "both parked with the same", local: parked, peer: parked, expected: "lead"),
        Case(
            name: "parked beside a master with the same", local: parked, peer: master, expected: "follow(nothing)"),
        Case(
            name: "behind a master", local: with(parked) { $0.offset = 900 }, peer: master, expected: "follow(nothing)"),
        Case(
            name: "behind a parked one", local: with(parked) { $0.offset = 900 }, peer: parked, expected: "yield"),
        Case(
            name: "ahead of a parked one", local: with(parked) { $0.offset = 1100 }, peer: parked, expected: "lead"),
        Case(
            name: "ahead of who was promoted from it and serves", local: with(master) { $0.offset = 1100 },
            peer: with(master) { ($0.replid, $0.previous, $0.offset) = ("h2", ("h1", 1000), 1000) },
            expected: "follow(surplus)", peerServes: true),
        Case(
            name: "ahead of who was promoted from it, or restarted from an old snapshot",
            local: with(master) { $0.offset = 1100 },
            peer: with(master) { ($0.replid, $0.previous, $0.offset) = ("h2", ("h1", 1000), 1000) },
            expected: "lead"),
        Case(
            name: "diverged from who was promoted from it", local: with(master) { $0.offset = 1100 },
            peer: with(master) { ($0.replid, $0.previous, $0.offset) = ("h2", ("h1", 1000), 1200) },
            expected: "follow(surplus)"),
        Case(
            name: "promoted from it or restarted from an old snapshot, and it went on",
            local: with(master) { ($0.replid, $0.previous, $0.offset) = ("h2", ("h1", 1000), 1000) },
            peer: with(master) { $0.offset = 1200 }, expected: "follow(nothing)"),
        Case(
            name: "promoted from it, and both went on",
            local: with(master) { ($0.replid, $0.previous, $0.offset) = ("h2", ("h1", 1000), 1100) },
            peer: with(master) { $0.offset = 1200 }, expected: "lead"),
        Case(
            name: "came back with an older data set, and its replica still has the rest",
            local: with(master) { ($0.replid, $0.previous, $0.offset) = ("h3", ("h1", 900), 900) },
            peer: with(master) { ($0.offset, $0.follows) = (1000, ("198.51.100.1", 6379, true)) },
            expected: "yield", peerFollows: true),
        Case(
            name: "promoted while it was cut off, and parked since: who serves stays master",
            local: with(master) {
                ($0.replid, $0.previous, $0.offset, $0.follows) = ("h2", ("h1", 1000), 1100, ("127.0.0.1", 1, false))
            },
            peer: with(master) { $0.offset = 1200 }, expected: "follow(surplus)", peerServes: true),
        Case(
            name: "an empty master whose replica has data and no link",
            local: with(master) { ($0.keys, $0.replid) = (0, "x") },
            peer: with(master) { $0.follows = ("198.51.100.1", 6379, false) }, expected: "yield", peerFollows: true),
        Case(
            name: "an empty master whose replica still reads what the process before had sent",
            local: with(master) { ($0.keys, $0.replid) = (0, "x") },
            peer: with(master) { $0.follows = ("198.51.100.1", 6379, true) }, expected: "yield", peerFollows: true),
        Case(
            name: "a master that was just emptied, and its replica", local: with(master) { $0.keys = 0 },
            peer: with(master) { $0.follows = ("198.51.100.1", 6379, true) }, expected: "in place", peerFollows: true),
        Case(
            name: "replica without a link of a master that is loading",
            local: with(master) { $0.follows = ("198.51.100.2", 6379, false) },
            peer: with(master) { $0.isLoading = true }, expected: "wait", localFollows: true),
        Case(
            name: "both promoted, more here",
            local: with(master) { ($0.replid, $0.previous, $0.offset) = ("h2", ("h1", 1000), 1300) },
            peer: with(master) { ($0.replid, $0.previous, $0.offset) = ("h3", ("h1", 1000), 1200) }, expected: "lead"),
        Case(
            name: "both promoted, more here, the peer serves",
            local: with(master) { ($0.replid, $0.previous, $0.offset) = ("h2", ("h1", 1000), 1300) },
            peer: with(master) { ($0.replid, $0.previous, $0.offset) = ("h3", ("h1", 1000), 1200) },
            expected: "follow(surplus)", peerServes: true),
        Case(name: "strangers", local: master, peer: with(master) { $0.replid = "x" }, expected: "unrelated"),
        Case(
            name: "strangers by their ids, but the lineage knows the peer", local: with(master) { $0.replid = "new" },
            peer: with(master) { ($0.replid, $0.previous) = ("h2", ("h1", 900)) }, expected: "follow(kin)",
            memory: Memory(epoch: 1, lineage: [.init(id: ServerText.id("h1"), offset: 950)])),
        Case(
            name: "strangers by their ids, both remember the pair, master last",
            local: with(master) { $0.replid = "new" },
            peer: with(parked) { $0.replid = "x" }, expected: "lead", peerEpoch: 3,
            memory: Memory(epoch: 3, wasMaster: true)),
        Case(
            name: "strangers by their ids, the peer was promoted later", local: with(master) { $0.replid = "new" },
            peer: with(parked) { $0.replid = "x" }, expected: "yield", peerEpoch: 4,
            memory: Memory(epoch: 3, wasMaster: true)),
        Case(
            name: "before Redis 4: strangers", local: with(master) { $0.replid = nil },
            peer: with(master) { $0.replid = nil },
            expected: "unrelated"),
        Case(
            name: "before Redis 4: returning to the one that serves", local: with(master) { $0.replid = nil },
            peer: with(master) { $0.replid = nil }, expected: "follow(kin)", peerServes: true, peerEpoch: 2,
            memory: Memory(epoch: 1, wasMaster: true)),
        Case(
            name: "the peer is loading", local: master, peer: with(master) { $0.isLoading = true }, expected: "wait"),
    ]

    @Test("verdicts", arguments: cases)
    func verdict(_ story: Case) throws {
        let survey = Survey(
            local: try story.local.info(), peer: try story.peer?.info(), localFollowsPeer: story.localFollows,
            peerFollowsLocal: story.peerFollows, peerServes: story.peerServes,
            presence: story.peerEpoch.map {
                Presence(virtualRouterID: 1, node: "n", state: .starting, epoch: $0, isMaster: story.peerIsMaster)
            },
            memory: story.memory, hasWaited: story.hasWaited)
        let word =
            switch survey.verdict {
            case .inPlace: "in place"
            case .lead: "lead"
            case .yield: "yield"
            case .follow(let discard, _): "follow(\(discard))"
            case .wait: "wait"
            case .unrelated: "unrelated"
            }
        #expect(word == story.expected, "\(survey.verdict)")
    }

    @Test("never do both lead, and never does who has data follow who has none, but who serves and was emptied since")
    func symmetric() throws {
        let some = Self.cases.flatMap { [$0.local] + ($0.peer.map { [$0] } ?? []) }.filter { !$0.isLoading }
        let texts = some + some.map { Self.with($0) { $0.runID = "b" } }
        for one in texts {
            for other in texts {
                for serving in [0, 1, 2] where one.runID != other.runID {
                    let (first, second) = (try one.info(), try other.info())
                    let left = Self.look(first, second, serving == 2)
                    let right = Self.look(second, first, serving == 1)
                    if serving == 0, case .follow = left, case .follow = right {
                        Issue.record("both follow: \(one) \(other)")
                    }
                    if case .follow = left {
                        #expect(first.keys == 0 || second.keys != 0 || serving == 2 && second.wasEmptied(after: first))
                    }
                    if case .follow = right {
                        #expect(second.keys == 0 || first.keys != 0 || serving == 1 && first.wasEmptied(after: second))
                    }
                }
            }
        }
    }

    private static func look(
        _ local: ReplicationInfo, _ peer: ReplicationInfo, _ peerServes: Bool
    ) -> Survey.Verdict {
        Survey(
            local: local, peer: peer, localFollowsPeer: false, peerFollowsLocal: false, peerServes: peerServes,
            presence: Presence(virtualRouterID: 1, node: "n", state: .starting, epoch: 1), memory: Memory(epoch: 1),
            hasWaited: true
        ).verdict
    }
}
