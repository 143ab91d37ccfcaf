import Failover
import Replication
import Testing
import VRRP

@Suite("Node: the four cases")
struct NodeTests {
    static let master = ServerText(runID: "a", replicas: 1)
    static let replica = ServerText(runID: "b", follows: ("198.51.100.2", 6379, true))
    static let peerMaster = ServerText(runID: "c", replicas: 1)
    static let peerReplica = ServerText(runID: "c", follows: ("198.51.100.1", 6379, true))

    /// A standby beside a serving peer.
    func standby(change: (inout NodeConfiguration) -> Void = { _ in }) throws -> NodeStory {
        var story = NodeStory(change: change)
        story.link()
        story.happens(.start)
        story.happens(.peerDaemon(Presence(virtualRouterID: 51, node: "node2", state: .serving, epoch: 1)))
        try story.reads(local: Self.replica, peer: Self.peerMaster)
        try story.reads(local: Self.replica, peer: Self.peerMaster)
        story.hears()
        #expect(story.state == .standby)
        return story
    }

    /// A node that serves beside a standby.
    func serving(change: (inout NodeConfiguration) -> Void = { _ in }) throws -> NodeStory {
        var story = NodeStory(change: change)
        story.link()
        story.happens(.start)
        try story.reads(local: Self.master, peer: Self.peerReplica)
        try story.reads(local: Self.master, peer: Self.peerReplica)
        story.passes(.milliseconds(400))
        story.happens(.peerDaemon(Presence(virtualRouterID: 51, node: "node2", state: .standby, epoch: 1)))
        #expect(story.state == .serving)
        #expect(story.hasVIP)
        return story
    }

    @Test("a node whose Redis is master beside a replica is elected, and serves: addresses, then announcement")
    func becomesServing() throws {
        let story = try serving()
        #expect(Array(story.actions.words.suffix(6)).contains("on_promote"))
        let words = story.actions.words
        let add = try #require(words.firstIndex(of: "add"))
        #expect(words[add + 1] == "announce")
        #expect(!words.contains { $0.hasPrefix("promote") || $0 == "lead" })
    }

    @Test("case 3: Redis dies: connections are reset, the addresses go, then the resignation; all at once")
    func redisDies() throws {
        var story = try serving()
        let words = story.happens(.local(.dead)).words
        #expect(words.filter { !$0.hasPrefix("->") } == ["reset", "remove", "resign", "on_fault"])
        #expect(story.state == .fault)
        #expect(!story.hasVIP)
    }

    @Test("a Redis that hangs is given its time, and not more")
    func redisHangs() throws {
        var story = try serving()
        let since = story.now
        story.happens(.local(.silent(since: since)))
        story.happens(.local(.silent(since: since)), after: .milliseconds(990))
        #expect(story.state == .serving)
        let words = story.happens(.local(.silent(since: since)), after: .milliseconds(10)).words
        #expect(words.contains("resign"))
        #expect(story.state == .fault)
    }

    @Test("whoever looks at Redis waits for a processor: that nothing is told is no silence")
    func lookerStarved() throws {
        var story = try serving()
        story.happens(.local(.silent(since: story.now)))
        story.passes(.seconds(5))
        #expect(story.state == .serving)
    }

    @Test("busy, loading elsewhere, a changed password: no reason to give anything away")
    func notDead() throws {
        var story = try serving()
        for reading in [RedisReading.busy("BUSY"), .unusable("NOAUTH")] {
            story.happens(.local(reading))
            story.passes(.seconds(5))
            #expect(story.state == .serving)
        }
    }

    @Test("a Redis that was restarted behind our back is not served any more")
    func restarted() throws {
        var story = try serving()
        let words = try story.reads(local: ServerText(runID: "z", replid: "z", offset: 0, keys: 0)).words
        #expect(words.starts(with: ["reset", "remove", "resign"]))
    }

    @Test("the standby promotes its Redis as soon as the master's process is gone, and takes over with the resignation")
    func standbyTakesOver() throws {
        var story = try standby()
        let gone = story.happens(.peer(.dead)).words
        #expect(gone == ["-> gating", "promote(dead)"] || gone == ["promote(dead)", "-> gating"])
        #expect(!story.hasVIP)
        story.ends(loss: .atMost(bytes: 10, sampleAge: .milliseconds(50)))
        #expect(story.state == .standby)
        let taken = story.hears(priority: 0).words
        #expect(taken.filter { !$0.hasPrefix("->") } == ["advertise", "add", "announce", "on_promote"])
        #expect(story.state == .serving)
    }

    @Test("the resignation comes before the promotion has ended: it takes over when it has")
    func resignationFirst() throws {
        var story = try standby()
        story.happens(.peer(.dead))
        story.hears(priority: 0)
        #expect(!story.hasVIP)
        story.ends()
        #expect(story.state == .serving)
    }

    @Test("a master that answers as another process is gone as well")
    func masterRestarted() throws {
        var story = try standby()
        let words = try story.reads(peer: ServerText(runID: "z", replid: "z", offset: 0, keys: 0)).words
        #expect(words.contains("promote(restarted)"))
    }

    @Test(
        "case 2: the other daemon dies: elected, the gate asks the living master; the addresses come after the promotion"
    )
    func daemonDies() throws {
        var story = try standby()
        let elected = story.passes(.milliseconds(400)).words
        #expect(elected.contains("advertise"))
        #expect(elected.contains("promote"))
        #expect(!elected.contains("add"))
        let done = story.ends().words
        #expect(done.starts(with: ["add", "announce"]))
        #expect(story.state == .serving)
    }

    @Test("case 1: the host is gone: nothing waits for it")
    func hostDies() throws {
        var story = try standby()
        story.happens(.peer(.silent(since: story.now)))
        let words = story.passes(.milliseconds(400)).words
        #expect(words.contains("promote(silent)"))
    }

    @Test("a gate that refuses: the election is given up, and tried again")
    func refused() throws {
        var story = try standby()
        story.passes(.milliseconds(400))
        let words = story.ends(.refused(code: "full_resync", reason: "a full resync"), remedy: "wait").words
        #expect(words.contains("resign"))
        #expect(!words.contains("add"))
        #expect(story.state == .fault)
        #expect(
            story.node.status(now: story.now).fault
                == .notPromotable(code: "full_resync", reason: "a full resync", remedy: "wait"))
        story.passes(.milliseconds(1100))
        #expect(story.state != .fault)
    }

    @Test("switchover on the serving node: gate, reset, remove, resign; then standby")
    func handsOver() throws {
        var story = try serving()
        #expect(story.happens(.ordered(.switchover, number: 7)).words.contains("hand over"))
        #expect(story.hasVIP)
        let id = try #require(story.lastOrder?.id)
        #expect(story.happens(.progress(id, .promoted)).words == ["reset", "remove", "resign"])
        let words = story.ends().words
        #expect(words.contains("done"))
        #expect(story.state == .standby)
    }

    @Test("a switchover that is refused leaves everything as it was")
    func handOverRefused() throws {
        var story = try serving()
        story.happens(.ordered(.switchover, number: 7))
        let words = story.ends(.refused(code: "lag", reason: "the replica lags")).words
        #expect(words.contains("refused"))
        #expect(story.state == .serving)
        #expect(story.hasVIP)
        // Nor is it taken for what becomes of the node later.
        try story.reads(local: Self.replica, peer: Self.peerMaster)
        #expect(story.state == .standby)
    }

    @Test("without the other daemon nothing is handed over")
    func nobodyThere() throws {
        var story = try serving()
        story.happens(.peerDaemon(nil))
        #expect(story.happens(.ordered(.switchover, number: 7)).words == ["refused"])
        let words = story.happens(.stop).words
        #expect(words.starts(with: ["reset", "remove", "resign"]))
        #expect(words.last == "finished")
    }

    @Test("told to stop: hands over first, on the standby it leaves silently")
    func stops() throws {
        var story = try serving()
        #expect(story.happens(.stop).words.contains("hand over"))
        story.happens(.progress(try #require(story.lastOrder?.id), .promoted))
        #expect(story.ends().words.last == "finished")
        var other = try standby()
        let words = other.happens(.stop).words
        #expect(!words.contains("resign"))
        #expect(words.last == "finished")
    }

    @Test("switchover on the standby: promoted, and then the addresses")
    func switchoverFromStandby() throws {
        var story = try standby()
        #expect(story.happens(.ordered(.switchover, number: 3)).words.contains("promote"))
        story.ends()
        let words = story.hears(priority: 0).words
        #expect(words.contains("add"))
        #expect(words.last == "done" || words.contains("done"))
        #expect(story.state == .serving)
    }

    @Test("only the daemon was started anew, beside a peer that is gone: a master that went on is not kept waiting")
    func goesOn() throws {
        for (remembered, goesOn) in [(ServerText.id("h1"), true), (ServerText.id("h9"), false)] {
            var story = NodeStory(
                memory: Memory(epoch: 1, wasMaster: true, lineage: [.init(id: remembered, offset: 900)]))
            story.link()
            story.happens(.start)
            story.happens(.peer(.dead))
            try story.reads(local: ServerText(runID: "a", replid: "h1"))
            story.passes(.milliseconds(400))
            #expect((story.state == .serving) == goesOn)
        }
    }

    @Test("the serving node's Redis was made a replica: the addresses follow the role")
    func demotedElsewhere() throws {
        var story = try serving()
        let words = try story.reads(local: ServerText(runID: "a", follows: ("198.51.100.2", 6379, true))).words
        #expect(words.starts(with: ["reset", "remove", "resign"]))
        #expect(story.state == .standby)
    }

    @Test("a returning node counts, follows, and does not take the addresses back")
    func returns() throws {
        var story = NodeStory(memory: Memory(epoch: 1, wasMaster: true))
        story.link()
        story.happens(.start)
        story.hears()
        story.happens(.peerDaemon(Presence(virtualRouterID: 51, node: "node2", state: .serving, epoch: 2)))
        var old = Self.master
        old.offset = 1100
        var new = Self.peerMaster
        (new.replid, new.previous, new.offset) = ("h2", ("h1", 1000), 1500)
        let words = try story.reads(local: old, peer: new).words
        #expect(words.contains("follow(surplus)"))
        story.ends(loss: .exact(bytes: 100))
        var follower = Self.replica
        (follower.replid, follower.runID) = ("h2", "a")
        try story.reads(local: follower, peer: new)
        #expect(story.state == .standby)
        #expect(!story.actions.words.contains("add"))
    }

    @Test("paused: nothing is moved, whatever happens")
    func paused() throws {
        var story = try serving()
        #expect(story.happens(.ordered(.pause, number: 1)).words.contains("done"))
        #expect(story.happens(.local(.dead)).words == [])
        #expect(story.hasVIP)
        var other = try standby()
        other.happens(.ordered(.pause, number: 1))
        other.happens(.peer(.dead))
        #expect(!other.passes(.seconds(5)).words.contains { $0 == "advertise" || $0.hasPrefix("promote") })
    }

    @Test("cut off from all witnesses: the addresses go, and the Redis takes no writes")
    func witness() throws {
        var other = NodeStory { $0.policy.hasWitnesses = true }
        other.link()
        other.happens(.start)
        other.witness(isReachable: true)
        try other.reads(local: Self.master, peer: Self.peerReplica)
        try other.reads(local: Self.master, peer: Self.peerReplica)
        other.passes(.milliseconds(400))
        other.witness(isReachable: true)
        #expect(other.state == .serving)
        let words = other.witness(isReachable: false).words
        #expect(words.starts(with: ["reset", "remove", "resign", "park"]))
    }

    @Test("the interface goes down and comes back")
    func interface() throws {
        var story = try serving()
        story.happens(.network(.link(.init(isUp: false, primaryAddress: nil))))
        #expect(story.state == .fault)
        #expect(!story.hasVIP)
        story.link()
        #expect(story.state != .fault)
    }

    @Test("a week of quiet: not one transition, on either side")
    func quiet() throws {
        for var story in [try serving(), try standby()] {
            story.actions = []
            let (local, peer) =
                story.state == .serving ? (Self.master, Self.peerReplica) : (Self.replica, Self.peerMaster)
            for _ in 0..<3000 {
                try story.reads(local: local, peer: peer)
                if story.state == .standby { story.hears() }
                story.passes(.milliseconds(98))
            }
            #expect(!story.actions.words.contains { $0.hasPrefix("->") })
        }
    }

    @Test("preemption is a switchover that loses nothing; without it nothing is taken back")
    func preempts() throws {
        let plain = try standby { $0.router.priority = Priority(200) }
        #expect(plain.lastOrder == nil)
        var story = try standby {
            $0.router.priority = Priority(200)
            $0.router.preempts = true
            $0.router.preemptDelay = .milliseconds(50)
        }
        #expect(story.lastOrder == nil)
        story.passes(.milliseconds(60))
        try story.reads(local: Self.replica)
        #expect(story.actions.words.contains("promote"))
        #expect(!story.actions.words.contains("advertise"))
        guard case .promote(let order) = story.lastOrder?.order else { return }
        #expect(!order.promotesAfterTimeout)
    }

    @Test("a full copy from the master: out of the election until it is done")
    func fullResync() throws {
        var story = try standby()
        var copying = Self.replica
        (copying.isSyncing, copying.follows) = (true, ("198.51.100.2", 6379, false))
        try story.reads(local: copying)
        #expect(story.state == .fault)
        try story.reads(local: Self.replica)
        #expect(story.state == .standby)
    }

    @Test("an isolated master stops acknowledging writes, one whose peer is dead goes on")
    func writeFence() throws {
        var story = try serving { $0.policy.fencesIsolatedMaster = true }
        #expect(story.actions.words.contains("write fence 1"))
        #expect(!story.happens(.peer(.silent(since: story.now)), after: .seconds(2)).words.contains("write fence 0"))
        #expect(story.happens(.peer(.dead)).words.contains("write fence 0"))
        #expect(try story.reads(peer: Self.peerReplica).words.contains("write fence 1"))
    }

    @Test("a resignation by somebody who may have promoted our Redis: it is asked at once")
    func refreshes() throws {
        var story = try standby()
        #expect(story.hears(priority: 0).contains(.refresh))
    }
}
