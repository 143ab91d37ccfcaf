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
        story.happens(.witness(isReachable: true))
        story.actions = []
        return story
    }

    @Test("a park that does not work is ordered again, after a pause, until it has worked")
    func parksAgain() throws {
        var story = try serving()
        #expect(story.happens(.witness(isReachable: false)).words.contains("park"))
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
        #expect(!story.happens(.witness(isReachable: false)).words.contains("park"))
        #expect(story.state == .fault)
        #expect(story.ends(.failed(reason: "cut off")).words.contains("park"))
    }

    @Test("the cable goes first, the witnesses are missed later")
    func interfaceFirst() throws {
        var story = try serving()
        story.happens(.network(.link(.init(isUp: false, primaryAddress: nil))))
        #expect(story.state == .fault)
        #expect(!story.actions.words.contains("park"))
        #expect(story.happens(.witness(isReachable: false), after: .seconds(3)).words.contains("park"))
    }

    @Test("a standby that was elected by its own deafness does not promote any more")
    func gating() throws {
        var story = withWitnesses(try nodes.standby())
        story.passes(.milliseconds(400))
        #expect(story.state == .gating)
        #expect(story.happens(.witness(isReachable: false)).words.contains("abort"))
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
        story.happens(.witness(isReachable: false))
        story.happens(.reconfigured(none))
        #expect(!story.happens(.reconfigured(others)).words.contains("park"))
        #expect(story.state == .serving)
        #expect(story.happens(.witness(isReachable: false)).words.contains("park"))
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
}
