import Failover
import Replication
import Testing
import VRRP

@Suite("Restarts and sleeps: what was known is not true any more")
struct RestartTests {
    private let nodes = NodeTests()

    @Test(
        "unrelated data sets: nothing until the operator has promoted one; then that one leads, without a word before")
    func decides() throws {
        var story = NodeStory()
        story.link()
        story.happens(.start)
        let parked = ServerText(runID: "b", follows: ("127.0.0.1", 1, false))
        let stranger = ServerText(runID: "c", replid: "x", follows: ("127.0.0.1", 1, false))
        try story.reads(local: parked, peer: stranger)
        try story.reads(local: parked, peer: stranger)
        #expect(story.state == .fault)
        story.actions = []
        for _ in 0..<50 {
            story.passes(.milliseconds(100))
            try story.reads(local: parked, peer: stranger)
        }
        #expect(story.actions.words == [])
        var other = story
        try story.reads(local: ServerText(runID: "b", replid: "new"))
        #expect(story.state == .standby)
        try other.reads(peer: ServerText(runID: "c", replid: "y"))
        #expect(other.actions.words.contains("follow(kin)"))
    }

    @Test(
        "beside a Redis that cannot be used, a master whose daemon was restarted serves; any other server waits",
        arguments: [RedisReading.unusable("WRONGPASS"), .busy("BUSY")], [true, false])
    func besideUnusable(peer: RedisReading, wasMaster: Bool) throws {
        var story = NodeStory(memory: Memory(epoch: 2, wasMaster: wasMaster))
        story.link()
        story.happens(.start)
        for _ in 0..<120 {
            try story.reads(local: NodeTests.master)
            story.happens(.peer(peer))
            story.passes(.milliseconds(100))
        }
        #expect(story.state == (wasMaster ? .serving : .starting))
    }

    @Test(
        "what fails is tried again after retry_after, then twice as long each time, up to 10 s or retry_after itself",
        arguments: [
            (Duration.seconds(1), [1, 2, 4, 8, 10, 10]), (.milliseconds(500), [0.5, 1, 2, 4, 8, 8]),
            (.seconds(30), [30, 30, 30]),
        ])
    func retries(retryAfter: Duration, pauses: [Double]) throws {
        var story = NodeStory { $0.timing.retryAfter = retryAfter }
        story.link()
        story.happens(.start)
        story.happens(.peerDaemon(Presence(virtualRouterID: 51, node: "node2", state: .serving, epoch: 1)))
        var seen: [Double] = []
        for _ in pauses + [0] {
            let start = story.now
            story.actions = []
            while !story.actions.words.contains(where: { $0.hasPrefix("follow(") }) {
                try #require(story.now - start < .seconds(60))
                story.passes(.milliseconds(20))
                try story.reads(
                    local: ServerText(runID: "b", follows: ("127.0.0.1", 1, false)), peer: NodeTests.peerMaster)
            }
            seen.append((story.now - start) / .seconds(1))
            story.ends(.failed(reason: "no"))
            #expect(story.state == .fault)
        }
        // The first look at both servers is no pause.
        for (pause, expected) in zip(seen.dropFirst(), pauses) { #expect(abs(pause - expected) < 0.1, "\(seen)") }
    }

    @Test("a process that stood still until its addresses expired does not put them back")
    func woken() throws {
        var story = try nodes.serving()
        let new = story.happens(.network(.removed(NodeStory.vip)), after: .seconds(4))
        #expect(!new.words.contains("add"))
        #expect(!story.hasVIP)
        #expect(story.state != .serving)
    }

    @Test("a resignation that was heard in a short sleep: the own Redis is asked before the addresses come")
    func oldReading() throws {
        var story = try nodes.standby()
        story.now += .milliseconds(700)
        let resignation = Advertisement(
            version: .v3, virtualRouterID: story.node.configuration.router.virtualRouterID, priority: .resigning,
            interval: .milliseconds(100), addresses: [NodeStory.vip.address])
        story.happens(.network(.packet(.success(resignation), from: NodeStory.otherAddress)))
        story.passes(.milliseconds(100))
        #expect(!story.hasVIP)
        #expect(story.lastOrder == nil)
    }

    @Test("our Redis was promoted by a hand-over: who has resigned serves no more, whatever was read of it before")
    func handedOver() throws {
        var story = try nodes.standby()
        #expect(story.hears(priority: 0).contains(.refresh))
        #expect(try story.reads(local: Self.promoted).words.contains("add"))
        story = try nodes.standby()
        story.hears(priority: 0)
        let behind = ServerText(runID: "b", offset: 900)
        #expect(try !story.reads(local: behind).words.contains("add"), "it lacks what the peer has")
    }

    @Test("restarted without data beside a master that hangs: nobody takes over with that")
    func emptyBesideSilent() throws {
        var story = try nodes.standby()
        try story.reads(local: ServerText(runID: "z", replid: "h9", offset: 0, keys: 0))
        story.happens(.peer(.silent(since: story.now)), after: .milliseconds(10))
        story.hears(priority: 0)
        story.passes(.milliseconds(200))
        #expect(!story.actions.words.contains("add"))
        #expect(!story.hasVIP)
    }

    @Test(
        "what a promotion may have lost is in the history at once, also where the node is out of the election by then")
    func endsInFault() throws {
        var story = try nodes.standby()
        story.happens(.peer(.dead))
        story.happens(.network(.link(.init(isUp: false, primaryAddress: nil))))
        #expect(story.state == .fault)
        let loss = Loss.unknown(.neverSampled)
        #expect(story.ends(loss: loss).transitions.map(\.loss) == [loss])
        story.link()
        #expect(story.actions.transitions.filter { $0.loss == loss }.count == 1)
    }

    @Test("seen to be promoted before the other node has resigned: its master is looked at again before it is followed")
    func promotedFirst() throws {
        var story = try nodes.standby()
        try story.reads(local: Self.promoted)
        story.hears()
        #expect(story.lastOrder == nil)
        #expect(story.hears(priority: 0).words.contains("add"))
        // Promoted by hand: the peer's is still master after that.
        story = try nodes.standby()
        try story.reads(local: Self.promoted)
        try story.reads(peer: NodeTests.peerMaster)
        story.hears()
        #expect(story.lastOrder?.order == .follow(accepting: .surplus))
    }

    /// What the other node's hand-over makes of our Redis; the peer's was seen at 1000 last.
    private static let promoted = ServerText(runID: "b", replid: "h2", previous: ("h1", 1100), offset: 1100)

    @Test("a master that was restarted while the own Redis hung is the master again once it has been copied")
    func copiedSince() throws {
        var story = try nodes.standby()
        story.happens(.local(.silent(since: story.now)))
        let again = ServerText(runID: "d", replid: "h2", replicas: 1)
        try story.reads(peer: again)
        var copy = NodeTests.replica
        copy.replid = "h2"
        try story.reads(local: copy)
        try story.reads(peer: again)
        story.happens(.peer(.dead))
        guard case .promote(let order) = story.lastOrder?.order else {
            Issue.record("not promoted: \(story.actions.words)")
            return
        }
        #expect(order.knownMaster?.lastSample?.info.identity?.id == ServerText.id("h2"))
    }

    @Test("an own Redis that was restarted has no master that is gone")
    func ownRestart() throws {
        var story = try nodes.standby()
        story.happens(.local(.dead))
        story.happens(.peer(.dead))
        try story.reads(local: ServerText(runID: "e", follows: ("127.0.0.1", 1, false), keys: 0))
        story.passes(.seconds(1))
        try story.reads(
            local: ServerText(runID: "e", follows: ("127.0.0.1", 1, false), keys: 0), peer: NodeTests.peerMaster)
        #expect(story.lastOrder?.order == .follow(accepting: .surplus))
    }

    @Test(
        "a master that was restarted with an older data set while the own Redis hung is known to be gone with the next answer"
    )
    func missedRestart() throws {
        var story = try nodes.standby()
        story.happens(.local(.silent(since: story.now)))
        story.happens(.peer(.dead))
        try story.reads(peer: ServerText(runID: "d", replid: "h3", offset: 500, keys: 3))
        #expect(story.state == .standby)
        var down = NodeTests.replica
        down.follows?.2 = false
        #expect(try story.reads(local: down).words.contains("promote(restarted)"))
    }

    @Test(
        "made to follow a master whose host dies before the copy is there: it keeps its own data set, also over a restart"
    )
    func copyNeverComes() throws {
        var waiting = NodeTests.replica
        waiting.follows?.2 = false
        for wasRestarted in [false, true] {
            var story = NodeStory(memory: Memory(isCopyPending: wasRestarted))
            story.link()
            story.happens(.start)
            if wasRestarted {
                try story.reads(local: waiting)
            } else {
                try story.reads(local: NodeTests.master, peer: Self.promoted)
                #expect(story.actions.words.contains("follow(nothing)"))
                story.ends()
                try story.reads(local: waiting)
            }
            let since = story.now
            for _ in 0..<110 {
                story.happens(.peer(.silent(since: since)), after: .milliseconds(100))
                try story.reads(local: waiting)
            }
            #expect(story.actions.words.contains("park"), "restarted: \(wasRestarted): \(story.actions.words)")
            story.ends()
            #expect(story.actions.memory?.isCopyPending == false)
            for _ in 0..<20 {
                story.happens(.peer(.silent(since: since)), after: .milliseconds(100))
                try story.reads(local: ServerText(runID: "b", follows: ("127.0.0.1", 1, false)))
                story.passes(.milliseconds(1))
            }
            #expect(story.actions.words.contains("lead"), "restarted: \(wasRestarted): \(story.actions.words)")
        }
    }

    @Test("a copy that is on its way is waited for, however long, also while its master stalls")
    func copyTakesLong() throws {
        var story = NodeStory(memory: Memory(isCopyPending: true))
        var copying = NodeTests.replica
        copying.follows?.2 = false
        copying.isSyncing = true
        story.link()
        story.happens(.start)
        try story.reads(local: copying, peer: NodeTests.peerMaster)
        for _ in 0..<150 {
            story.happens(.peer(.silent(since: story.now - .seconds(3))), after: .milliseconds(100))
            try story.reads(local: copying)
        }
        #expect(!story.actions.words.contains("park"))
        #expect(story.state == .starting)
    }

    @Test("what a master without a backlog holds beyond the peer is not known")
    func uncounted() throws {
        var own = ServerText(hasBacklog: false)
        let peer = try ServerText(runID: "c", offset: 2000).info()
        for accepted in [Demotion.Accepted.nothing, .surplus, .kin] {
            let purpose = Demotion.Purpose.follow(accepting: accepted)
            for hasBacklog in [false, true] {
                own.hasBacklog = hasBacklog
                let local = try own.info()
                let decision = Demotion.decide(
                    local: local, peer: peer, peerFollowsLocal: false, localFollowsPeer: false)
                #expect(
                    Demotion.settle(decision, for: purpose, local: local, peer: peer)
                        == .follow(discarding: hasBacklog ? .nothing : .dataSet(keys: 10)))
            }
        }
    }
}
