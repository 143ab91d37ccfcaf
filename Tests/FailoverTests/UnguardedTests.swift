import Failover
import Replication
import Testing

@Suite("A master that no gate has passed: what it may lack is said")
struct UnguardedTests {
    private static let loss = Loss.unknown(.neverSampled)

    /// The daemon starts beside a master, and the peer's Redis does not answer.
    private func alone(
        _ memory: Memory, _ local: ServerText = ServerText(runID: "a"), maxLossBytes: Int64? = nil
    ) throws -> NodeStory {
        var story = NodeStory(memory: memory) { $0.policy.maxLossBytes = maxLossBytes }
        story.link()
        story.happens(.start)
        for _ in 0..<120 {
            try story.reads(local: local)
            story.happens(.peer(.silent(since: story.now - .seconds(20))))
            story.passes(.milliseconds(100))
        }
        return story
    }

    private func memory(_ history: String, wasMaster: Bool = true) -> Memory {
        Memory(epoch: 3, wasMaster: wasMaster, lineage: [.init(id: ServerText.id(history), offset: 900)])
    }

    private func losses(_ story: NodeStory) -> [Loss] {
        story.actions.transitions.filter { $0.to == .serving }.map { $0.loss ?? .none }
    }

    private func warnings(_ story: NodeStory) -> [String] {
        story.actions.compactMap { if case .log(.warning, let code, _) = $0 { code } else { nil } }
    }

    @Test("started anew, and the peer's may have served meanwhile: the loss is not known")
    func olderSurvivor() throws {
        for memory in [memory("h0"), memory("h1", wasMaster: false)] {
            let story = try alone(memory)
            #expect(story.state == .serving)
            #expect(losses(story) == [Self.loss])
            #expect(warnings(story).contains("loss_unknown"))
        }
    }

    @Test("with a limit it does not serve, until the peer answers")
    func limited() throws {
        var story = try alone(memory("h0"), maxLossBytes: 1000)
        #expect(story.state != .serving && !story.hasVIP)
        #expect(losses(story) == [])
        #expect(story.actions.transitions.contains { $0.reason.contains("within the limit of 1000 bytes") })
        let follower = ServerText(runID: "c", follows: ("198.51.100.1", 6379, true))
        for _ in 0..<150 {
            try story.reads(local: ServerText(runID: "a", replicas: 1), peer: follower)
            story.passes(.milliseconds(100))
        }
        #expect(story.state == .serving)
        #expect(losses(story) == [.none])
    }

    @Test("with a limit, where the operator has promoted it: it serves, and the loss is said")
    func forced() throws {
        var story = NodeStory(memory: memory("h0")) { $0.policy.maxLossBytes = 0 }
        story.link()
        story.happens(.start)
        for round in 0..<300 {
            try story.reads(
                local: ServerText(runID: "a", follows: round < 150 ? ("127.0.0.1", 1, false) : nil))
            story.happens(.peer(.silent(since: story.now - .seconds(20))))
            story.passes(.milliseconds(100))
            if story.lastOrder?.order == .lead, round < 150, story.node.status(now: story.now).state == .gating {
                story.ends(.refused(code: "loss_above_limit", reason: "the loss is not known"))
            }
            #expect(round < 150 ? story.state != .serving : true)
        }
        #expect(story.state == .serving)
        #expect(losses(story) == [Self.loss])
    }

    @Test("the daemon was restarted, and its Redis is the process that served: nothing is lost")
    func continues() throws {
        for limit in [nil, 0] as [Int64?] {
            let story = try alone(memory("h1"), maxLossBytes: limit)
            #expect(losses(story) == [.none])
            #expect(!warnings(story).contains("loss_unknown"))
        }
        // Before Redis 4 the process is the history.
        let old = ServerText(version: "3.2.6", runID: "a", replid: nil)
        #expect(losses(try alone(memory("a"), old)) == [.none])
        #expect(losses(try alone(memory("b"), old)) == [Self.loss])
    }

    @Test("a node that remembers nothing has nothing to have lost")
    func first() throws {
        let story = try alone(Memory(), maxLossBytes: 0)
        #expect(losses(story) == [.none])
    }

    @Test("a queue that the clients of a serving master have emptied is not to be kept")
    func emptiedQueue() throws {
        var story = NodeStory()
        story.link()
        story.happens(.start)
        story.hears()
        let parked = ServerText(runID: "b", offset: 900, follows: ("127.0.0.1", 1, false))
        let emptied = ServerText(runID: "c", offset: 1200, keys: 0)
        try story.reads(local: parked, peer: emptied)
        #expect(story.lastOrder?.order == .follow(accepting: .nothing))
        story.ends()
        // The link is not up yet: that is no danger to what its clients have deleted.
        try story.reads(
            local: ServerText(runID: "b", offset: 900, follows: ("198.51.100.2", 6379, false)), peer: emptied)
        #expect(!story.actions.contains(order: "park"))
        // Another process without data is one.
        try story.reads(
            local: ServerText(runID: "b", offset: 900, follows: ("198.51.100.2", 6379, false)),
            peer: ServerText(runID: "d", replid: "x", offset: 1200, keys: 0))
        #expect(story.actions.contains(order: "park"))
    }
}
