import Failover
import Replication
import Salvage
import Testing
import VRRP

@Suite("Losses: what a promotion is remembered by, and what is found out later")
struct LossTests {
    private let nodes = NodeTests()

    private func evidence(_ history: String?, applied: Int64) -> Evidence {
        Evidence(
            target: history.map { ReplicationPosition(replicationID: ServerText.id($0), offset: applied + 310) },
            appliedOffset: applied, fence: nil, waited: .zero)
    }

    private func promotion(_ master: String, _ history: String, _ offset: Int64) -> RememberedPromotion {
        RememberedPromotion(
            masterRunID: ServerText.id(master), replicationID: ServerText.id(history), offset: offset)
    }

    /// A node whose Redis was promoted after the master's death, and which serves.
    private func promoted() throws -> NodeStory {
        var story = try nodes.standby()
        story.happens(.peer(.dead))
        story.ends(
            loss: .atMost(bytes: 310, sampleAge: .milliseconds(50)), evidence: evidence("h1", applied: 1000))
        story.hears(priority: 0)
        #expect(story.state == .serving)
        return story
    }

    @Test("whoever is promoted remembers of whom and at which offset, and shows it")
    func remembers() throws {
        let story = try promoted()
        let expected = promotion("c", "h1", 1000)
        #expect(story.actions.memory?.promotion == Memory.Promoted(expected, of: ServerText.id("b")))
        #expect(story.actions.presence?.promotion == expected)
    }

    @Test("it is remembered over a restart of the daemon, and not shown before the server is seen to be the same")
    func remembersOverRestart() throws {
        let memory = try #require(try promoted().actions.memory)
        var story = NodeStory(memory: memory)
        story.link()
        story.happens(.start)
        #expect(story.actions.presence?.promotion == nil)
        try story.reads(local: ServerText(runID: "b", replid: "h2"))
        #expect(story.actions.presence?.promotion == promotion("c", "h1", 1000))
        try story.reads(local: ServerText(runID: "z", replid: "h3"))
        #expect(story.actions.presence?.promotion == nil)
        #expect(story.actions.memory?.promotion == nil)
    }

    @Test(
        "once the old master has been its replica for a while, what that one loses later is no loss of this promotion")
    func isOver() throws {
        var story = try promoted()
        let replica = ServerText(runID: "c", replid: "h2", follows: ("198.51.100.1", 6379, true))
        let master = ServerText(runID: "b", replid: "h2", replicas: 1)
        try story.reads(local: master, peer: replica)
        story.now += .seconds(9)
        try story.reads(local: master, peer: replica)
        #expect(story.actions.presence?.promotion == promotion("c", "h1", 1000))
        story.now += .seconds(1)
        try story.reads(local: master, peer: replica)
        #expect(story.actions.memory?.promotion == nil)
        #expect(story.actions.presence?.promotion == nil)
    }

    @Test("before Redis 4 the old master's process is the history")
    func oldVersion() throws {
        var story = NodeStory()
        story.link()
        story.happens(.start)
        story.happens(.peerDaemon(Presence(virtualRouterID: 51, node: "node2", state: .serving, epoch: 1)))
        let local = ServerText(version: "2.8.17", runID: "b", replid: nil, follows: ("198.51.100.2", 6379, true))
        let peer = ServerText(version: "2.8.17", runID: "c", replid: nil, replicas: 1)
        for _ in 0..<2 { try story.reads(local: local, peer: peer) }
        story.hears()
        story.happens(.peer(.dead))
        story.ends(loss: .atMost(bytes: 1, sampleAge: .zero), evidence: evidence(nil, applied: 900))
        #expect(story.actions.memory?.promotion?.promotion == promotion("c", "c", 900))
    }

    @Test("a master that the gate could not ask was asked before")
    func neverAskedByTheGate() throws {
        var story = try nodes.standby()
        story.passes(.milliseconds(400))
        guard case .promote(let order) = story.lastOrder?.order else {
            Issue.record("not elected")
            return
        }
        #expect(order.knownMaster?.contact == .answering)
        #expect(order.knownMaster?.lastSample != nil)
        let evidence = Evidence(target: nil, appliedOffset: 1000, fence: nil, waited: .zero)
        story.ends(loss: .unknown(.neverSampled), evidence: evidence)
        #expect(story.actions.memory?.promotion?.promotion == promotion("c", "h1", 1000))
    }

    @Test("where data sets could not be compared nothing is remembered")
    func incomparable() throws {
        var story = try nodes.standby()
        story.happens(.peer(.dead))
        story.ends(loss: .unknown(.notComparable), evidence: evidence("h1", applied: 1000))
        #expect(story.actions.memory?.epoch == 2)
        #expect(story.actions.memory?.promotion == nil)
    }

    @Test("a server that is no master any more was not promoted")
    func handedOver() throws {
        var story = try promoted()
        story.happens(.peerDaemon(Presence(virtualRouterID: 51, node: "node2", state: .standby, epoch: 2)))
        var peer = NodeTests.peerReplica
        (peer.runID, peer.replid) = ("d", "h2")
        try story.reads(local: ServerText(runID: "b", replid: "h2", replicas: 1), peer: peer)
        story.happens(.ordered(.switchover, number: 1))
        #expect(story.lastOrder?.order == .handOver(timeout: .seconds(10)))
        story.ends()
        #expect(story.actions.memory?.promotion == nil)
        #expect(story.actions.presence?.promotion == nil)
    }

    /// An old master that comes back beside one that serves.
    private func returning(_ presence: Presence) throws -> NodeStory {
        var story = NodeStory(memory: Memory(epoch: 1, wasMaster: true))
        story.link()
        story.happens(.start)
        story.hears()
        story.happens(.peerDaemon(presence))
        var (old, new) = (NodeTests.master, NodeTests.peerMaster)
        old.offset = 1310
        (new.replid, new.previous, new.offset) = ("h2", ("h1", 1000), 1500)
        try story.reads(local: old, peer: new)
        return story
    }

    private func serving(_ promotion: RememberedPromotion? = nil) -> Presence {
        Presence(
            virtualRouterID: 51, node: "node2", state: .serving, epoch: 2, isMaster: true, promotion: promotion)
    }

    @Test("who is made to follow is told by what promotion the other one is master")
    func passesOn() throws {
        let known = promotion("a", "h1", 1000)
        let origin = SurplusOrigin(epoch: 2)
        #expect(
            try returning(serving(known)).lastOrder?.order
                == .follow(accepting: .surplus, promotion: known, origin: origin))
        #expect(try returning(serving()).lastOrder?.order == .follow(accepting: .surplus, origin: origin))
    }

    @Test("and of which promotion that was, and since when it may hold more")
    func origin() throws {
        var story = NodeStory(memory: Memory(epoch: 1, wasMaster: true))
        story.link()
        story.happens(.start)
        var presence = serving()
        presence.epoch = 7
        story.happens(.peerDaemon(presence))
        var (old, new) = (NodeTests.master, NodeTests.peerMaster)
        (new.replid, new.previous, new.offset) = ("h2", ("h1", 1000), 1500)
        var seen: [Instant] = []
        for offset in [900, 1000, 1000, 1310] as [Int64] {
            old.offset = offset
            story.now += .milliseconds(100)
            seen.append(story.now)
            try story.reads(local: old)
        }
        try story.reads(peer: new)
        #expect(
            story.lastOrder?.order
                == .follow(accepting: .surplus, origin: SurplusOrigin(epoch: 7, writtenAfter: seen[2])))
    }

    @Test("promoted by somebody who does not count, a server is master by no promotion that has a number")
    func uncounted() throws {
        var presence = serving()
        presence.epoch = 1
        #expect(try returning(presence).lastOrder?.order == .follow(accepting: .surplus))
    }

    // MARK: What takes minutes

    @Test("told to stop while writes are being saved: the operation is ended, and then the node")
    func stops() throws {
        var story = try returning(serving())
        let id = try #require(story.lastOrder?.id)
        #expect(story.happens(.stop).contains(.abort(id)))
        #expect(!story.passes(.seconds(1)).contains(.abort(id)))
        #expect(story.ends(.refused(code: "aborted", reason: "told to stop")).words.last == "finished")
    }

    @Test("what is being saved is shown")
    func shows() throws {
        var story = try returning(serving())
        let id = try #require(story.lastOrder?.id)
        story.happens(.progress(id, .step(Step(at: .zero, step: "saving", detail: "a snapshot is kept"))))
        let words = story.node.status(now: story.now).operation ?? ""
        #expect(words.hasSuffix("saved first: a snapshot is kept"), "\(words)")
        story.happens(.progress(id + 1, .step(Step(at: .zero, step: "x", detail: "of another one"))))
        #expect(story.node.status(now: story.now).operation == words)
    }

    @Test("elected while its Redis is busy saving, a node is not in the way of the other one")
    func busy() throws {
        var story = try nodes.standby()
        var (old, new) = (ServerText(runID: "b"), NodeTests.peerMaster)
        old.offset = 1310
        (new.replid, new.previous, new.offset) = ("h2", ("h1", 1000), 1500)
        try story.reads(local: old)
        try story.reads(peer: new)
        #expect(story.lastOrder?.order == .follow(accepting: .surplus))
        story.passes(.milliseconds(500))
        #expect(story.state == .standby)
        #expect(story.node.isActive)
        let words = story.passes(.seconds(5)).words
        #expect(words.contains("resign"))
        #expect(!words.contains("add"))
        #expect(story.state == .starting)
        #expect(!story.node.isActive)
        story.ends()
        try story.reads(local: NodeTests.replica)
    }

    // MARK: What is found out

    private var over: RememberedPromotion { promotion("a", "h1", 1000) }
    private static let lost = LossAmendment(bytes: 310, commands: 10)
    private static let account = Rejoin.Account(
        missing: lost,
        kept: [
            .file(.init(name: "x.resp", span: StreamSpan(psyncID: "h1", from: 1001, to: 1311), writes: 10)),
            .snapshot(name: "x.rdb", offset: 1310),
        ])

    /// The old master follows, and its link is up.
    private func returned(_ presence: Presence? = nil) throws -> NodeStory {
        var story = try returning(presence ?? serving(over))
        story.ends(loss: .exact(bytes: 310), account: Self.account)
        return story
    }

    private func linkUp(_ story: inout NodeStory) throws {
        var (follower, new) = (NodeTests.replica, NodeTests.peerMaster)
        (follower.runID, follower.replid, follower.offset) = ("a", "h2", 1500)
        (new.replid, new.previous, new.offset) = ("h2", ("h1", 1000), 1500)
        try story.reads(local: follower, peer: new)
    }

    @Test("what following has discarded is in the history, remembered, and shown with the number of the promotion")
    func settles() throws {
        var story = try returned()
        let entry = try #require(story.actions.transitions.last { $0.cause == "followed" })
        #expect(entry.account == Self.account)
        #expect(entry.loss == .exact(bytes: 310))
        #expect(entry.epoch == nil)
        let memory = try #require(story.actions.memory)
        #expect(
            memory.discarded == Memory.Discarded(epoch: 2, lost: Self.lost, isCopied: false, runID: ServerText.id("a")))
        #expect(story.actions.presence?.settled == Settlement(epoch: 2, lost: Self.lost))
        try linkUp(&story)
        #expect(story.actions.memory?.discarded?.isCopied == true)
        var restarted = NodeStory(memory: memory)
        restarted.happens(.start)
        #expect(restarted.actions.presence?.settled == Settlement(epoch: 2, lost: Self.lost))
    }

    @Test("a process that had not been the master cannot tell what a promotion has lost")
    func anotherProcess() throws {
        let story = try returned(serving(promotion("before", "h1", 1000)))
        #expect(story.actions.memory?.discarded?.epoch == nil)
        #expect(story.actions.presence?.settled == nil)
        #expect(try returned(serving()).actions.presence?.settled == nil)
    }

    @Test("what a server discarded before it became master is nothing that a promotion over it has lost")
    func forgottenAsMaster() throws {
        var story = try returned(serving())
        #expect(try #require(story.actions.memory).discarded != nil)
        story.passes(.milliseconds(500))
        try story.reads(local: NodeTests.master, peer: NodeTests.peerReplica)
        #expect(try #require(story.actions.memory).discarded == nil)
    }

    @Test("a promotion whose daemon is not to be seen is settled when it is")
    func settlesLater() throws {
        var story = try returning(serving(over))
        story.happens(.peerDaemon(nil))
        story.ends(loss: .exact(bytes: 310), account: Self.account)
        #expect(story.actions.presence?.settled == nil)
        #expect(
            story.actions.memory?.discarded
                == Memory.Discarded(epoch: nil, lost: Self.lost, isCopied: false, runID: ServerText.id("a")))
        story.happens(.peerDaemon(Presence(virtualRouterID: 51, node: "node2", state: .starting, epoch: 2)))
        #expect(story.actions.presence?.settled == nil)
        story.happens(.peerDaemon(serving(over)))
        #expect(story.actions.presence?.settled == Settlement(epoch: 2, lost: Self.lost))
    }

    /// An old master whose Redis was restarted with writes of its own, as `memory` tells, and which is made to follow again.
    private func followsAgain(_ memory: Memory?, epoch: UInt64, _ found: LossAmendment) throws -> Settlement? {
        var story = NodeStory(memory: try #require(memory))
        story.link()
        story.happens(.start)
        story.hears()
        var presence = serving(over)
        presence.epoch = epoch
        story.happens(.peerDaemon(presence))
        var (old, new) = (NodeTests.master, NodeTests.peerMaster)
        old.offset = 1310
        (new.replid, new.previous, new.offset) = ("h2", ("h1", 1000), 1500)
        try story.reads(local: old, peer: new)
        story.ends(loss: .exact(bytes: found.bytes), account: Rejoin.Account(missing: found))
        return story.actions.presence?.settled
    }

    @Test(
        "found out again before the copy came it is the same, after that it comes on top; another promotion is another")
    func settlesAgain() throws {
        var story = try returned()
        let found = LossAmendment(bytes: 320, commands: 11)
        #expect(
            try followsAgain(story.actions.memory, epoch: 2, found) == Settlement(epoch: 2, lost: found))
        try linkUp(&story)
        #expect(
            try followsAgain(story.actions.memory, epoch: 2, found)
                == Settlement(epoch: 2, lost: LossAmendment(bytes: 630, commands: 21)))
        #expect(
            try followsAgain(story.actions.memory, epoch: 2, LossAmendment(bytes: 0, commands: 0))
                == Settlement(epoch: 2, lost: Self.lost))
        #expect(try followsAgain(story.actions.memory, epoch: 3, found) == Settlement(epoch: 3, lost: found))
    }

    @Test("a promotion's entry has its number; what the other node finds out amends it, once")
    func amends() throws {
        var story = try promoted()
        #expect(story.actions.transitions.filter { $0.epoch != nil }.map(\.epoch) == [2])
        #expect(story.actions.transitions.last { $0.epoch != nil }?.loss?.bytes == 310)
        let settled = Settlement(epoch: 2, lost: Self.lost)
        var presence = Presence(virtualRouterID: 51, node: "node2", state: .standby, epoch: 2, settled: settled)
        let amendment = Node.Action.amend(settled, by: "node2", kept: [])
        #expect(story.happens(.peerDaemon(presence)).contains(amendment))
        presence.state = .fault
        for presence in [presence, nil, presence] {
            #expect(!story.happens(.peerDaemon(presence)).words.contains("amend"))
        }
        presence.settled?.lost.bytes = 400
        #expect(story.happens(.peerDaemon(presence)).words.contains("amend"))
        // Restarted, it says so once more: the history knows.
        var restarted = NodeStory(memory: try #require(story.actions.memory))
        restarted.happens(.start)
        presence.settled = settled
        #expect(restarted.happens(.peerDaemon(presence)).contains(amendment))
    }

    @Test("a promotion that made the old master follow itself has its account at once")
    func amendsItself() throws {
        var story = try nodes.standby()
        story.happens(.peer(.dead))
        let actions = story.ends(
            loss: .atMost(bytes: 1, sampleAge: .zero), account: Self.account, evidence: evidence("h1", applied: 1000))
        #expect(
            actions.contains(
                .amend(Settlement(epoch: 2, lost: Self.lost), by: "node1", kept: ["x.resp", "x.rdb"])))
        let words = actions.words
        let entry = try #require(words.firstIndex { $0.hasPrefix("->") })
        #expect(try #require(words.firstIndex(of: "amend")) > entry)
    }
}
