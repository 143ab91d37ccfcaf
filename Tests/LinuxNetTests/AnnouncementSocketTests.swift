import Glibc
import LinuxNet
import Testing
import VRRP

@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct AnnouncementSocketTests {
    @Test func `a frame is sent as it is, and changes what the neighbour believes`() throws {
        let nodes = try TwoNodes()
        // Node 2 knows the virtual address at some other station, as after a failover.
        try nodes.ip(2, "neigh replace 198.51.100.100 lladdr 02:00:00:00:00:01 dev eth0 nud stale")
        let mac = try nodes.mac(1)
        let capture = try nodes.on(2) { try Capture(nodes.index(2)) }
        let socket = try nodes.forger(1)
        let address: [UInt8] = [198, 51, 100, 100]
        // A gratuitous ARP reply: Ethernet, type ARP; hardware 1, protocol 0x0800, lengths 6 and 4, operation 2.
        let arp: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 2] + mac.bytes + address + mac.bytes + address
        // As the target, the own address: else Linux does not take it for gratuitous, and may ignore it for a second.
        let frame = MACAddress.broadcast.bytes + mac.bytes + [0x08, 0x06] + arp
        try socket.send(frame)
        let seen = capture.first { $0.count >= 42 && $0[12] == 0x08 && $0[13] == 0x06 }
        #expect(seen.map { Array($0[..<42]) } == frame)
        try waitUntil("the neighbour has learnt it") {
            try nodes.ip(2, "neigh show 198.51.100.100 dev eth0").contains("lladdr \(mac)")
        }
    }

    @Test func `errors leave it working`() throws {
        let nodes = try TwoNodes()
        let socket = try nodes.forger(1)
        let frame = [UInt8](repeating: 0xff, count: 60)
        let tooShort = #expect(throws: SystemCallError.self) { try socket.send([1, 2, 3]) }
        #expect(tooShort?.code == .invalid)
        try nodes.ip(1, "link set eth0 down")
        let down = #expect(throws: SystemCallError.self) { try nodes.on(1) { try socket.send(frame) } }
        #expect(
            down?.description
                == "cannot announce an address on eth0: ENETDOWN (Network is down); the interface is down; "
                + "`ip link set dev … up`")
        try nodes.ip(1, "link set eth0 up")
        try socket.send(frame)
        try nodes.ip(1, "link delete eth0")
        let gone = #expect(throws: SystemCallError.self) { try socket.send(frame) }
        #expect(gone?.code == .noDeviceOrAddress)
        let missing = #expect(throws: SystemCallError.self) {
            try nodes.on(1) { _ = try AnnouncementSocket(interface: InterfaceIndex(rawValue: 4711)) }
        }
        #expect(
            missing?.description == "cannot open a packet socket on interface 4711: ENODEV (No such device); "
                + "see `ip link` for the interfaces that there are")
    }
}
