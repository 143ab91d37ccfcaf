import Failover
import Replication
import Testing
import VRRP

@Suite("Cut off: what a node that sees nobody still does, and what it does again")
struct CutOffTests {
    private let nodes = NodeTests()

    private func serving() throws -> NodeStory { withWitnesses(try nodes.serving()) }

    private func withWitnesses(_ story: NodeStory) -> NodeStory {
        var story = story
        var configuration = story.node.configuration
        configuration.policy.hasWitnesses = true
        story.happens(.reconfigured(configuration))
        story.witness(isReachable: true)
        story.actions = []
        return story
    }

    @Test("a park that does not work is ordered again, after a pause, until it has worked")
    func parksAgain() throws {
        var story = try serving()
        #expect(story.witness(isReachable: false).words.contains("park"))
        #expect(!story.ends(.failed(reason: "busy")).words.contains("park"))
        #expect(try !story.reads(local: NodeTests.master).words.contains("park"))
        story.passes(.seconds(1))
        #expect(try story.reads(local: NodeTests.master).words.contains("park"))
        story.ends()
        story.passes(.seconds(2))
        var parked = NodeTests.master
        parked.follows = ("127.0.0.1", 1, false)
        #expect(try !story.reads(local: parked).words.contains("park"))
    }

    @Test("cut off in the middle of a hand-over: parked once that is over")
    func handingOver() throws {
        var story = try serving()
        story.happens(.ordered(.switchover, number: 1))
        #expect(!story.witness(isReachable: false).words.contains("park"))
        #expect(story.state == .fault)
        #expect(story.ends(.failed(reason: "cut off")).words.contains("park"))
    }

    @Test("the cable goes first, the witnesses are missed later")
    func interfaceFirst() throws {
        var story = try serving()
        story.happens(.network(.link(.init(isUp: false, primaryAddress: nil))))
        #expect(story.state == .fault)
        #expect(!story.actions.words.contains("park"))
        #expect(story.witness(isReachable: false, after: .seconds(3)).words.contains("park"))
    }

    @Test("elected by silence: a witness is asked first, once, and its answer opens the way")
    func elected() throws {
        var story = withWitnesses(try nodes.standby())
        #expect(story.passes(.milliseconds(400)).words.filter { $0 == "ask witnesses" } == ["ask witnesses"])
        #expect(story.node.isActive)
        #expect(story.state == .standby)
        // It was asked before the election.
        let early = story.now - .milliseconds(300)
        #expect(!story.happens(.witness(isReachable: true, askedAt: early)).words.contains("promote"))
        #expect(try story.reads(local: NodeTests.replica).words == [])
        #expect(story.witness(isReachable: true).words.contains("promote"))
        #expect(story.state == .gating)
    }

    @Test("a standby that was elected by its own deafness does not promote")
    func deaf() throws {
        var story = withWitnesses(try nodes.standby())
        story.passes(.milliseconds(400))
        for _ in 0..<4 { try story.reads(local: NodeTests.replica) }
        #expect(story.witness(isReachable: false, after: .seconds(2)).words.contains("-> fault"))
        #expect(!story.actions.words.contains { $0.hasPrefix("promote") || $0 == "lead" || $0 == "add" })
        #expect(!story.node.isActive)
    }

    @Test("handed over, nobody is asked; a Redis that was promoted before the election waits for the witness's word")
    func others() throws {
        var story = withWitnesses(try nodes.standby())
        story.happens(.peer(.dead))
        story.ends()
        #expect(story.state == .standby)
        #expect(story.passes(.milliseconds(400)).words.contains("ask witnesses"))
        #expect(!story.hasVIP)
        try story.reads(local: ServerText(runID: "b"))
        #expect(!story.hasVIP)
        #expect(story.witness(isReachable: true).words.contains("add"))
        var other = withWitnesses(try nodes.standby())
        other.happens(.peer(.dead))
        other.ends()
        other.hears(priority: 0)
        try other.reads(local: ServerText(runID: "b"))
        #expect(other.hasVIP)
        #expect(!other.actions.words.contains("ask witnesses"))
    }

    @Test("asked for a switchover while it hears nobody: refused, as it may be this node that is cut off")
    func switchover() throws {
        var story = withWitnesses(try nodes.standby())
        story.passes(.milliseconds(400))
        #expect(story.node.isActive)
        #expect(story.happens(.ordered(.switchover, number: 3)).words == ["refused"])
        #expect(story.state == .standby)
    }

    @Test("cut off while it is being promoted: that is told to end")
    func gating() throws {
        var story = withWitnesses(try nodes.standby())
        story.passes(.milliseconds(400))
        story.witness(isReachable: true)
        #expect(story.state == .gating)
        #expect(story.witness(isReachable: false).words.contains("abort"))
        // It was too late.
        #expect(story.ends().words.contains("park"))
    }

    @Test("what was said of witnesses that were taken out says nothing of those that come later")
    func otherWitnesses() throws {
        var story = try serving()
        var none = story.node.configuration
        none.policy.hasWitnesses = false
        let others = story.node.configuration
        story.happens(.reconfigured(none))
        story.witness(isReachable: false)
        story.happens(.reconfigured(none))
        #expect(!story.happens(.reconfigured(others)).words.contains("park"))
        #expect(story.state == .serving)
        #expect(story.witness(isReachable: false).words.contains("park"))
    }

    @Test("elected with a Redis that runs a script for long: it leaves the election to others, until it answers")
    func busy() throws {
        var story = try nodes.standby()
        story.happens(.local(.busy("BUSY")))
        story.passes(.milliseconds(400))
        #expect(story.state == .standby)
        #expect(story.node.isActive)
        let words = story.happens(.local(.busy("BUSY")), after: .seconds(1)).words
        #expect(words.contains("resign") && words.contains("-> starting"))
        #expect(!story.node.isActive)
        for _ in 0..<2 { try story.reads(local: NodeTests.replica, peer: NodeTests.peerMaster) }
        #expect(story.state == .standby)
    }

    @Test("a write fence that could not be set is set again, after a pause")
    func writeFenceFails() throws {
        var story = try nodes.serving { $0.policy.fencesIsolatedMaster = true }
        let words = story.happens(.peer(.dead)).words
        #expect(words.contains("write fence 0"))
        #expect(!story.ends(.failed(reason: "busy")).words.contains("write fence 0"))
        #expect(!story.happens(.peer(.dead)).words.contains("write fence 0"))
        #expect(story.happens(.peer(.dead), after: .seconds(1)).words.contains("write fence 0"))
        story.ends()
        #expect(!story.happens(.peer(.dead), after: .seconds(5)).words.contains("write fence 0"))
    }

    @Test("a write fence that is switched off is taken away, once")
    func writeFenceOff() throws {
        var story = try nodes.serving { $0.policy.fencesIsolatedMaster = true }
        story.ends()
        var configuration = story.node.configuration
        configuration.policy.fencesIsolatedMaster = false
        #expect(story.happens(.reconfigured(configuration)).words == ["write fence 0"])
        story.ends()
        #expect(try story.reads(peer: NodeTests.peerReplica).words == [])
    }

    @Test(
        "a write fence is taken away before the daemon pauses, or stops without a hand-over: nobody would keep it in step"
    )
    func writeFenceLeft() throws {
        for order in ["pause", "stop"] {
            var story = try nodes.serving { $0.policy.fencesIsolatedMaster = true }
            story.ends()
            if order == "pause" {
                #expect(story.happens(.ordered(.pause, number: 1)).words.contains("write fence 0"))
                story.ends()
                #expect(story.happens(.ordered(.resume, number: 2)).words.contains("write fence 1"))
            } else {
                // Nobody to hand over to.
                story.happens(.peerDaemon(nil))
                let words = story.happens(.stop).words
                #expect(words.contains("write fence 0") && !words.contains("finished"))
                #expect(story.ends().words.contains("finished"))
            }
        }
    }

    @Test("paused, a write fence is taken away also where the order for it was under way, or has failed")
    func writeFencePaused() throws {
        var raising = try nodes.serving { $0.policy.fencesIsolatedMaster = true }
        raising.happens(.ordered(.pause, number: 1))
        #expect(!raising.actions.words.contains("write fence 0"))
        #expect(raising.ends().words.contains("write fence 0"))
        raising.ends(.failed(reason: "busy"))
        #expect(try !raising.reads(local: NodeTests.master).words.contains("write fence 0"))
        raising.passes(.seconds(1))
        #expect(try raising.reads(local: NodeTests.master).words.contains("write fence 0"))
        raising.ends()
        #expect(try !raising.reads(local: NodeTests.master).words.contains("write fence 0"))
        var failed = try nodes.serving { $0.policy.fencesIsolatedMaster = true }
        failed.ends(.failed(reason: "no answer"))
        failed.happens(.peerDaemon(nil))
        #expect(failed.happens(.stop).words.contains("write fence 0"))
        #expect(failed.ends(.failed(reason: "no answer")).words.contains("finished"))
    }

    @Test("a switchover that was refused does not keep a node from promoting its Redis when the master dies then")
    func refusedBefore() throws {
        var story = try nodes.standby()
        story.happens(.ordered(.switchover, number: 3))
        story.ends(.refused(code: "master_absent", reason: "no answer"))
        #expect(story.happens(.peer(.dead)).words.contains("promote(dead)"))
    }

    @Test("a Redis that lives and is of no use moves nothing while it serves, and that is said once")
    func impaired() throws {
        var story = try serving()
        for _ in 0..<3 { story.happens(.local(.unusable("WRONGPASS"))) }
        #expect(story.state == .serving && story.hasVIP)
        #expect(story.actions.logged("redis_impaired") == 1)
        story.happens(.local(.silent(since: story.now)))
        #expect(story.actions.logged("redis_recovered") == 0)
        try story.reads(local: NodeTests.master)
        #expect(story.actions.logged("redis_recovered") == 1)
    }
}
