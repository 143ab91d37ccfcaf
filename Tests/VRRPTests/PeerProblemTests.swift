import Testing

@testable import VRRP

@Suite("Peers and the address to send from")
struct PeerProblemTests {
    private let first = IPAddress.v4(0xc633_6401)
    private let second = IPAddress.v4(0xc633_6402)
    private let other = IPAddress.v6(0x2001_0db8_0000_0000, 2)
    private let linkLocal = IPAddress.v6(0xfe80_0000_0000_0000, 2)

    private func find(
        source: IPAddress? = nil, peers: [IPAddress] = [], limit: UInt8 = 255, family: AddressFamily? = .ipv4
    ) -> [PeerProblem] {
        PeerProblem.find(source: source, peers: peers, minimumHopLimit: limit, family: family)
    }

    @Test("multicast, unicast, and IPv6 with the address that it needs, can be used")
    func usable() {
        #expect(find() == [])
        #expect(find(source: first, peers: [second], limit: 64) == [])
        #expect(find(source: .v6(0x2001_0db8_0000_0000, 1), peers: [other], family: .ipv6) == [])
        #expect(find(peers: [linkLocal], family: .ipv6) == [])
    }

    @Test("each is found, all at once, and without a family all but those that it decides")
    func found() {
        #expect(find(source: linkLocal, peers: [other]) == [.sourceFamily(linkLocal), .peerFamily(other)])
        #expect(find(source: linkLocal, peers: [other], family: nil) == [])
        #expect(find(peers: [other], family: .ipv6) == [.sourceNeeded])
        #expect(find(peers: [.v4(0xe000_0012), second, second]) == [.group(.v4(0xe000_0012)), .duplicatePeer])
        #expect(find(limit: 64) == [.hopLimitWithoutPeers])
    }

    @Test("the texts name the settings as their reader knows them")
    func texts() {
        let texts = [PeerProblem.peerFamily(other), .sourceNeeded, .group(.v4(0xe000_0012)), .hopLimitWithoutPeers]
            .map { $0.text(source: "--source", peers: "--peer") }
        #expect(
            texts == [
                "2001:db8::2 is not of the family of the first virtual address",
                "over IPv6 --source is needed as well: the address that the other node knows this one by",
                "224.0.0.18 is a group, and no router; without --peer the right one is used",
                "means nothing without --peer",
            ])
    }
}
