import Failover
import Replication
import Salvage
import Testing

@Suite("Presence: the channel name")
struct PresenceTests {
    @Test("what is written can be read")
    func roundTrip() {
        let presence = Presence(virtualRouterID: 51, node: "node1", state: .handingOver, epoch: 7, isMaster: true)
        #expect(presence.channel == "syncgate:51:node1:handing_over:7:master:-:-")
        #expect(Presence(channel: presence.channel) == presence)
    }

    private static let promotion = RememberedPromotion(
        masterRunID: String(repeating: "a", count: 40), replicationID: String(repeating: "9", count: 40), offset: .max)

    @Test("with all that there is to be shown, in a name that is not long")
    func full() {
        let presence = Presence(
            virtualRouterID: 255, node: String(repeating: "n", count: 64), state: .handingOver, epoch: Memory.mostEpoch,
            isMaster: true, promotion: Self.promotion,
            settled: Settlement(epoch: Memory.mostEpoch, lost: LossAmendment(bytes: .max, commands: .max)))
        #expect(Presence(channel: presence.channel) == presence)
        #expect(presence.channel.utf8.count < 360)
        #expect(
            presence.channel.contains(
                ":\(String(repeating: "a", count: 40)),\(String(repeating: "9", count: 40)),9223372036854775807"))
    }

    @Test("numbers of promotions that no pair comes to are nobody's of ours, and the last one is not gone beyond")
    func strangeEpochs() throws {
        let beyond = Memory.mostEpoch + 1
        for epoch in [beyond, .max] {
            #expect(Presence(channel: "syncgate:51:x:standby:\(epoch):replica:-:-") == nil)
            #expect(Presence(channel: "syncgate:51:x:standby:1:replica:-:\(epoch),1,1") == nil)
            #expect(Memory(epoch: epoch).epoch == Memory.mostEpoch)
        }
        var story = try NodeTests().standby()
        story.happens(
            .peerDaemon(Presence(virtualRouterID: 51, node: "x", state: .serving, epoch: Memory.mostEpoch)))
        story.happens(.peer(.dead))
        story.ends()
        #expect(story.actions.memory?.epoch == Memory.mostEpoch)
    }

    @Test("a promotion whose ids cannot stand in a name is left out", arguments: ["", "a:b", "a,b", "ä", "a*", "A b"])
    func unpresentable(_ id: String) {
        var promotion = Self.promotion
        promotion.replicationID = id
        let presence = Presence(
            virtualRouterID: 51, node: "a", state: .serving, epoch: 1, isMaster: true, promotion: promotion)
        #expect(presence.channel == "syncgate:51:a:serving:1:master:-:-")
    }

    @Test(
        "other names are none",
        arguments: [
            "", "syncgate", "syncgate:0:a:serving:1:master:-:-", "syncgate:51::serving:1:master:-:-",
            "syncgate:51:a:king:1:master:-:-", "syncgate:51:a:serving::master:-:-", "syncgate:51:a:serving:1:-:-",
            "syncgate:51:a:serving:1:king:-:-", "syncgate:51:a:serving:1:master", "syncgate:51:a:serving:1:master:-",
            "other:51:a:serving:1:master:-:-",
            "syncgate:300:a:serving:1:master:-:-", "syncgate:51:a b:serving:1:master:-:-",
            "syncgate:51:\u{1B}[31m:serving:1:master:-:-", "syncgate:51:ä:serving:1:master:-:-",
            "syncgate:51:a:serving:18446744073709551616:master:-:-",
        ])
    func rejected(_ name: String) {
        #expect(Presence(channel: name) == nil)
    }

    @Test(
        "a promotion that is none, from whoever is subscribed",
        arguments: [
            "", "--", "a", "a,b", "a,b,", "a,b,x", "a,b,-1", "a,b,+1", "a,b,9223372036854775808", "a,b,1,2", ",b,1",
            "a,,1", "a b,c,1", "a,*,1", "é,b,1", "A,b,1",
        ])
    func hostile(_ field: String) {
        #expect(Presence(channel: "syncgate:51:a:serving:1:master:\(field):-") == nil)
        #expect(Presence(channel: "syncgate:51:a:serving:1:master:a,b,1:-") != nil)
    }

    @Test("names that are too long are none")
    func long() {
        let node = String(repeating: "n", count: 65)
        #expect(Presence(channel: "syncgate:51:\(node):serving:1:master:-:-") == nil)
        let id = String(repeating: "a", count: 41)
        #expect(Presence(channel: "syncgate:51:a:serving:1:master:\(id),b,1:-") == nil)
        #expect(Presence(channel: "syncgate:51:a:serving:1:master:a,b,\(String(repeating: "0", count: 500))1:-") == nil)
    }

    @Test("what is settled, with and without a number of commands")
    func settled() {
        var presence = Presence(virtualRouterID: 51, node: "a", state: .standby, epoch: 6)
        presence.settled = Settlement(epoch: 5, lost: LossAmendment(bytes: 310, commands: 10))
        #expect(presence.channel == "syncgate:51:a:standby:6:replica:-:5,310,10")
        #expect(Presence(channel: presence.channel) == presence)
        presence.settled?.lost.commands = nil
        #expect(presence.channel == "syncgate:51:a:standby:6:replica:-:5,310,-")
        #expect(Presence(channel: presence.channel) == presence)
        presence.settled?.lost.bytes = -1
        #expect(presence.channel == "syncgate:51:a:standby:6:replica:-:-")
    }

    @Test(
        "what is settled by whoever is subscribed",
        arguments: [
            "", "5", "5,310", "5,310,", "5,310,10,1", ",310,10", "5,,10", "-1,310,10", "5,-1,10", "5,310,-1",
            "5,310,+1",
            "5,9223372036854775808,10", "5,310,9223372036854775808", "5,310,x", "x,310,10", "5, 310,10", "5,310,--",
        ])
    func hostileSettled(_ field: String) {
        #expect(Presence(channel: "syncgate:51:a:serving:1:master:-:\(field)") == nil)
        #expect(Presence(channel: "syncgate:51:a:serving:1:master:-:5,310,10") != nil)
    }
}
