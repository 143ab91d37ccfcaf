import Glibc
import LinuxNet
import Testing
import VRRP

let routerOne = VirtualRouterID(1)!
let router51 = VirtualRouterID(51)!

/// A socket in each node, and who they are.
struct Pair: ~Copyable {
    let nodes: TwoNodes
    let family: AddressFamily
    /// Node 1's and node 2's address.
    let addresses: [IPAddress]
    /// Where node 1 sends to, and node 2.
    let destinations: [IPAddress]
    var first: VRRPSocket
    var second: VRRPSocket

    enum Mode: CaseIterable { case multicast, unicast }

    init(_ family: AddressFamily, _ mode: Mode, virtualRouterIDs: [VirtualRouterID] = [router51]) throws {
        let nodes = try TwoNodes()
        let addresses = try [nodes.primary(1, family), nodes.primary(2, family)]
        let first = try nodes.open(1, family, mode == .multicast ? [] : [addresses[1]], virtualRouterIDs)
        let second = try nodes.open(2, family, mode == .multicast ? [] : [addresses[0]], virtualRouterIDs)
        self.nodes = nodes
        self.family = family
        self.addresses = addresses
        destinations =
            mode == .multicast ? [.vrrpGroup(family), .vrrpGroup(family)] : [addresses[1], addresses[0]]
        self.first = first
        self.second = second
    }

    func sendFromFirst(_ message: [UInt8]) throws {
        try first.send(message, from: addresses[0], to: destinations[0])
    }

    func sendFromSecond(_ message: [UInt8]) throws {
        try second.send(message, from: addresses[1], to: destinations[1])
    }
}

extension TwoNodes {
    func open(
        _ node: Int, _ family: AddressFamily, _ peers: [IPAddress] = [],
        _ virtualRouterIDs: [VirtualRouterID] = [router51]
    ) throws -> VRRPSocket {
        let index = try index(node)
        return try on(node) {
            try VRRPSocket(family: family, interface: index, peers: peers, virtualRouterIDs: virtualRouterIDs)
        }
    }

    func forger(_ node: Int) throws -> AnnouncementSocket {
        let index = try index(node)
        return try on(node) { try AnnouncementSocket(interface: index) }
    }

    func mac(_ node: Int, _ name: String = "eth0") throws -> MACAddress {
        let index = try index(node, name)
        return try on(node) {
            var netlink = try Netlink()
            return try netlink.link(index)!.mac!
        }
    }
}

@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct VRRPSocketTests {
    static let all = AddressFamily.allCases.flatMap { family in Pair.Mode.allCases.map { (family, $0) } }

    @Test(arguments: all)
    func `a message arrives as it was sent, with source, destination and hop limit`(
        family: AddressFamily, mode: Pair.Mode
    ) throws {
        var pair = try Pair(family, mode)
        // Wrong checksums: the kernel neither mends nor drops them.
        let long = message(51, [UInt8](repeating: 0xa5, count: 326))
        try pair.sendFromFirst(message(51))
        try pair.sendFromFirst(long)
        let there = try receive(2, from: &pair.second)
        let (one, two) = (pair.addresses[0], pair.addresses[1])
        let (toTwo, toOne) = (pair.destinations[0], pair.destinations[1])
        #expect(
            there == [
                Received(message: message(51), source: one, destination: toTwo, hopLimit: 255),
                Received(message: long, source: one, destination: toTwo, hopLimit: 255),
            ])
        try pair.sendFromSecond(message(51, [1]))
        // And nothing of its own comes back: this would have been before it.
        let back = try receive(1, from: &pair.first)
        #expect(back == [Received(message: message(51, [1]), source: two, destination: toOne, hopLimit: 255)])
        #expect(!isReadable(pair.first.fd, within: 0) && !isReadable(pair.second.fd, within: 0))
    }

    /// `type` and what follows stand where every IPv4 or IPv6 header has them.
    @Test(arguments: all)
    func `what is on the wire`(family: AddressFamily, mode: Pair.Mode) throws {
        let pair = try Pair(family, mode)
        let nodes = pair.nodes
        // Not from the address that the kernel would choose.
        let source = family == .ipv4 ? IPAddress("198.51.100.9")! : IPAddress("fe80::9")!
        try nodes.ip(1, "addr add \(source)/\(family == .ipv4 ? "24" : "64 nodad") dev eth0")
        let capture = try nodes.on(2) { try Capture(nodes.index(2)) }
        try pair.first.send(message(51), from: source, to: pair.destinations[0])
        let number = family == .ipv4 ? 14 + 9 : 14 + 6
        let seen = capture.first { $0.count > 45 && $0[number] == 112 }
        let frame = try #require(seen)
        let mac =
            try mode == .multicast
            ? (family == .ipv4 ? [0x01, 0, 0x5e, 0, 0, 0x12] : [0x33, 0x33, 0, 0, 0, 0x12]) : nodes.mac(2).bytes
        #expect(Array(frame[0..<6]) == mac)
        switch family {
        case .ipv4:
            #expect(frame[14] == 0x45 && frame[15] == 0xc0, "no options, DSCP CS6")
            #expect(frame[22] == 255)
            #expect(Array(frame[26..<30]) == [198, 51, 100, 9])
            #expect(Array(frame[30..<34]) == (mode == .multicast ? [224, 0, 0, 18] : [198, 51, 100, 2]))
            #expect(Array(frame[34...]) == message(51))
        case .ipv6:
            #expect(frame[14] == 0x6c && frame[15] & 0xf0 == 0x00, "traffic class 0xc0")
            #expect(frame[21] == 255)
            #expect(Array(frame[22..<38]) == [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9])
            #expect(Array(frame[38..<54]) == pair.destinations[0].bytes)
            #expect(Array(frame[54...]) == message(51))
        }
    }

    @Test(arguments: all)
    func `only its virtual routers reach it, all of them without a list`(
        family: AddressFamily, mode: Pair.Mode
    ) throws {
        var pair = try Pair(family, mode, virtualRouterIDs: [routerOne, router51])
        for router: UInt8 in [7, 1, 52, 51, 255] { try pair.sendFromFirst(message(router)) }
        // Too short to be about any.
        try pair.sendFromFirst([0x31])
        try pair.sendFromFirst(message(51, [9]))
        #expect(try receive(3, from: &pair.second).map { $0.message } == [message(1), message(51), message(51, [9])])
        #expect(!isReadable(pair.second.fd, within: 0))

        let peers = mode == .multicast ? [] : [pair.addresses[0]]
        var watcher = try pair.nodes.open(2, family, peers, [])
        for router: UInt8 in [7, 1, 52] { try pair.sendFromFirst(message(router)) }
        try pair.sendFromFirst([0x31])
        #expect(try receive(4, from: &watcher).map { $0.message } == [message(7), message(1), message(52), [0x31]])
    }

    @Test(arguments: AddressFamily.allCases)
    func `a full list of virtual routers and many peers`(family: AddressFamily) throws {
        let nodes = try TwoNodes()
        let (one, two) = try (nodes.primary(1, family), nodes.primary(2, family))
        let routers = (1...255).compactMap { VirtualRouterID($0) }
        let strangers = (1...200).map { number in
            family == .ipv4 ? IPAddress.v4(0xc633_6400 + UInt32(number) + 20) : .v6(0xfe80 << 48, UInt64(number))
        }
        let sender = try nodes.open(1, family, [two], routers)
        for peers in [strangers + [one], [one] + strangers] {
            var receiver = try nodes.open(2, family, peers, routers)
            // If a comparison skipped too little or too much, they would be doubtful, and come after these.
            for router: UInt8 in [255, 128, 1] { try sender.send(message(router), from: one, to: two) }
            #expect(try receive(3, from: &receiver).map { $0.message[1] } == [255, 128, 1])
        }
    }

    @Test(arguments: all)
    func `packets that cannot be valid come last and a few at a time`(
        family: AddressFamily, mode: Pair.Mode
    ) throws {
        var pair = try Pair(family, mode)
        let forger = try pair.nodes.forger(1)
        let mac = mode == .multicast ? nil : try pair.nodes.mac(2)
        let (one, to) = (pair.addresses[0], pair.destinations[0])
        let distant = frame(from: one, to: to, mac: mac, hopLimit: 254, message: message(51, [1]))
        for _ in 0..<30 { try forger.send(distant) }
        try pair.sendFromFirst(message(51, [2]))
        #expect(isReadable(pair.second.fd, within: 2000))
        usleep(20_000)
        let valid = Received(message: message(51, [2]), source: one, destination: to, hopLimit: 255)
        let doubtful = Received(message: message(51, [1]), source: one, destination: to, hopLimit: 254)
        #expect(try receive(1, from: &pair.second) == [valid])
        #expect(try receive(1, from: &pair.second) == Array(repeating: doubtful, count: 16))
        // The rest waits a moment, and does not keep the loop busy meanwhile; advertisements do not wait.
        #expect(!isReadable(pair.second.fd, within: 0))
        try pair.sendFromFirst(message(51, [2]))
        #expect(try receive(1, from: &pair.second) == [valid])
        #expect(try receive(1, from: &pair.second) == Array(repeating: doubtful, count: 14))
        // And then the next one is seen at once.
        try forger.send(distant)
        #expect(try receive(1, from: &pair.second) == [doubtful])
        #expect(pair.second.doubtfulOverruns == 0)
    }

    @Test(arguments: AddressFamily.allCases)
    func `unicast strangers are doubtful, and multicast is not heard`(family: AddressFamily) throws {
        var pair = try Pair(family, .unicast)
        let forger = try pair.nodes.forger(1)
        let mac = try pair.nodes.mac(2)
        let stranger = family == .ipv4 ? IPAddress("198.51.100.66")! : IPAddress("fe80::66")!
        // A multicast socket of another program on the same interface must not bring its packets in here.
        let multicast = try pair.nodes.open(2, family)
        try forger.send(frame(from: pair.addresses[0], to: .vrrpGroup(family), message: message(51, [1])))
        #expect(isReadable(multicast.fd, within: 2000))
        for _ in 0..<2000 {
            try forger.send(frame(from: stranger, to: pair.addresses[1], mac: mac, message: message(51, [2])))
        }
        try pair.sendFromFirst(message(51, [3]))
        let first = try receive(1, from: &pair.second)
        #expect(first.map { $0.message } == [message(51, [3])])
        // The queue for these is small: most are gone.
        var rest: [Received] = []
        while isReadable(pair.second.fd, within: 200) { rest += try receive(1, from: &pair.second) }
        #expect(pair.second.doubtfulOverruns > 1500)
        #expect(rest.count < 500 && rest.allSatisfy { $0.source == stranger && $0.message == message(51, [2]) })
        #expect(pair.second.overruns == 0)
    }

    @Test(arguments: all)
    func `packets of other interfaces are not heard, and it sends on its own alone`(
        family: AddressFamily, mode: Pair.Mode
    ) throws {
        var pair = try Pair(family, mode)
        let nodes = pair.nodes
        try nodes.addCable("eth1")
        let other = try nodes.index(1, "eth1")
        let forger = try nodes.on(1) { try AnnouncementSocket(interface: other) }
        let capture = try nodes.on(2) { try Capture(nodes.index(2, "eth1")) }
        // It comes by the other interface, and is to node 2 all the same.
        let mac = try mode == .multicast ? nil : nodes.mac(2, "eth1")
        let foreign = frame(from: pair.addresses[0], to: pair.destinations[0], mac: mac, message: message(51, [1]))
        try forger.send(foreign)
        #expect(capture.first { Array($0.suffix(3)) == [0x31, 51, 1] } != nil)
        try pair.sendFromFirst(message(51, [2]))
        #expect(try receive(1, from: &pair.second).map { $0.message } == [message(51, [2])])
        #expect(!isReadable(pair.second.fd, within: 0))
        #expect(capture.first(within: 50) { Array($0.suffix(3)) == [0x31, 51, 2] } == nil)
    }

    @Test(arguments: AddressFamily.allCases)
    func `packets to other groups are not heard`(family: AddressFamily) throws {
        var pair = try Pair(family, .multicast)
        let forger = try pair.nodes.forger(1)
        // Every station is in these groups.
        let all = family == .ipv4 ? IPAddress("224.0.0.1")! : IPAddress("ff02::1")!
        let mac = MACAddress(bytes: family == .ipv4 ? [1, 0, 0x5e, 0, 0, 1] : [0x33, 0x33, 0, 0, 0, 1])
        try forger.send(frame(from: pair.addresses[0], to: all, mac: mac, message: message(51, [1])))
        try pair.sendFromFirst(message(51, [2]))
        #expect(try receive(1, from: &pair.second).map { $0.message } == [message(51, [2])])
        #expect(!isReadable(pair.second.fd, within: 0))
    }

    @Test func `a queue that overflows is counted and keeps what came first`() throws {
        var pair = try Pair(.ipv4, .multicast)
        #expect(pair.second.overruns == 0)
        let forger = try pair.nodes.forger(1)
        try pair.sendFromFirst(message(51, [1]))
        let flood = frame(from: pair.addresses[0], to: pair.destinations[0], message: message(51, [2]))
        for _ in 0..<30_000 { try forger.send(flood) }
        try waitUntil("the queue is full") { pair.second.overruns > 0 }
        usleep(20_000)
        let overruns = Int(pair.second.overruns)
        let received = try receive(30_001 - overruns, from: &pair.second)
        #expect(received.count == 30_001 - overruns)
        #expect(received.first?.message == message(51, [1]))
        #expect(received.count > 5000, "a generous buffer")
    }

    @Test(arguments: AddressFamily.allCases)
    func `sending errors say what they are and leave the socket working`(family: AddressFamily) throws {
        var pair = try Pair(family, .multicast)
        let foreign = family == .ipv4 ? IPAddress("198.51.100.66")! : IPAddress("fe80::66")!
        let invalid = #expect(throws: SystemCallError.self) {
            try pair.nodes.on(1) { try pair.first.send(message(51), from: foreign, to: pair.destinations[0]) }
        }
        #expect(
            invalid?.description == "cannot send an advertisement from "
                + (family == .ipv4
                    ? "198.51.100.66 to 224.0.0.18 on eth0: ENETUNREACH (Network is unreachable); is eth0 up, and "
                        + "198.51.100.66 an address of it?"
                    : "fe80::66 to ff02::12 on eth0: EINVAL (Invalid argument); is eth0 up, and fe80::66 an address of it?")
        )
        try pair.nodes.ip(1, "link set eth0 down")
        let down = #expect(throws: SystemCallError.self) { try pair.sendFromFirst(message(51)) }
        // IPv6 has lost the address together with the interface.
        #expect(down?.code == (family == .ipv4 ? .networkUnreachable : .invalid))
        try pair.nodes.ip(1, "link set eth0 up")
        try waitUntil("it can send again") {
            do {
                try pair.sendFromFirst(message(51, [1]))
                return true
            } catch { return false }
        }
        let message1 = message(51, [1])
        #expect(try receive(1, from: &pair.second).contains { $0.message == message1 })
        // It still hears, too: it is a member again.
        try pair.sendFromSecond(message(51, [2]))
        #expect(try receive(1, from: &pair.first).map { $0.message } == [message(51, [2])])
    }

    @Test func `mixed families cannot be sent`() throws {
        let pair = try Pair(.ipv4, .multicast)
        let error = #expect(throws: SystemCallError.self) {
            try pair.first.send(message(51), from: pair.addresses[0], to: .vrrpGroup(.ipv6))
        }
        #expect(error?.code == .invalid)
    }

    @Test(arguments: AddressFamily.allCases)
    func `it opens on an interface that is down, and works once that is up`(family: AddressFamily) throws {
        let nodes = try TwoNodes()
        try nodes.ip(2, "link set eth0 down")
        var second = try nodes.open(2, family)
        try nodes.ip(2, "link set eth0 up")
        let first = try nodes.open(1, family)
        try waitUntil("packets arrive") {
            try first.send(message(51), from: nodes.primary(1, family), to: .vrrpGroup(family))
            return isReadable(second.fd, within: 100)
        }
        #expect(try receive(1, from: &second).first?.message == message(51))
    }

    @Test(arguments: AddressFamily.allCases)
    func `an interface that is gone is an error, made anew it needs a new socket`(family: AddressFamily) throws {
        let nodes = try TwoNodes()
        let index = try nodes.index(2)
        let two = try nodes.primary(2, family)
        let old = try nodes.open(2, family)
        try nodes.ip(2, "link delete eth0")
        let gone = #expect(throws: SystemCallError.self) {
            try nodes.on(2) { _ = try VRRPSocket(family: family, interface: index) }
        }
        #expect(
            gone?.description == "cannot open a raw socket for VRRP over \(family == .ipv4 ? "IPv4" : "IPv6") on "
                + "interface \(index.rawValue): ENODEV (No such device); see `ip link` for the interfaces that there are"
        )
        let failed = #expect(throws: SystemCallError.self) {
            try old.send(message(51), from: two, to: .vrrpGroup(family))
        }
        #expect(failed?.code == (family == .ipv4 ? .networkUnreachable : .noDevice))
    }
}
