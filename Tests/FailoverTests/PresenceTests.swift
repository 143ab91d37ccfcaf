import Failover
import Testing

@Suite("Presence: the channel name")
struct PresenceTests {
    @Test("what is written can be read")
    func roundTrip() {
        let presence = Presence(virtualRouterID: 51, node: "node1", state: .handingOver, epoch: 7, isMaster: true)
        #expect(presence.channel == "syncgate:51:node1:handing_over:7:master")
        #expect(Presence(channel: presence.channel) == presence)
    }

    @Test(
        "other names are none",
        arguments: [
            "", "syncgate", "syncgate:0:a:serving:1:master", "syncgate:51::serving:1:master",
            "syncgate:51:a:king:1:master",
            "syncgate:51:a:serving::master", "syncgate:51:a:serving:1", "syncgate:51:a:serving:1:king",
            "syncgate:51:a:serving:1:master:2", "other:51:a:serving:1:master", "syncgate:300:a:serving:1:master",
        ])
    func rejected(_ name: String) {
        #expect(Presence(channel: name) == nil)
    }
}
