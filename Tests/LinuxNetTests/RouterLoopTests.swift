import Glibc
import Synchronization
import Testing
import VRRP

@testable import LinuxNet

@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct RouterLoopTests {
    private static func configuration(_ address: String, priority: UInt8 = 100) -> StandaloneConfiguration {
        let address = VirtualAddress(address)!
        return StandaloneConfiguration(
            interface: "eth0",
            parameters: VirtualRouterParameters(
                virtualRouterID: router51, priority: Priority(priority), addresses: [address.address]),
            virtualAddresses: [address])
    }

    /// Why a loop cannot be made in node 1; nil where it can.
    private func refusal(_ nodes: TwoNodes, _ configuration: StandaloneConfiguration) throws -> SystemCallError? {
        try nodes.on(1) {
            do throws(SystemCallError) {
                _ = try RouterLoop([configuration], inbox: Inbox<RouterMessage<StandaloneRouter>>()) { _, addresses in
                    StandaloneRouter(configuration.parameters, virtualAddresses: addresses)
                } notify: { _ in
                }
                return nil
            } catch {
                return error
            }
        }
    }

    @Test(arguments: ["198.51.100.1/24", "198.51.100.1/32"])
    func `what the machine sends from is no virtual address, but for the owner`(_ own: String) throws {
        let nodes = try TwoNodes()
        let error = try refusal(nodes, Self.configuration(own))
        #expect(
            error.map { "\($0)" }
                == "cannot use \(own) as a virtual address on eth0: EADDRINUSE (Address already in use); "
                + "it is the own address of eth0, and would be removed. Give another one, or priority 255 where this "
                + "machine owns it")
        #expect(try refusal(nodes, Self.configuration(own, priority: 255)) == nil)
        // One that a crash left over has an end, or stands behind the machine's own.
        try nodes.ip(1, "addr add 198.51.100.100/24 dev eth0")
        #expect(try refusal(nodes, Self.configuration("198.51.100.100/24")) == nil)
        try nodes.ip(1, "addr change 198.51.100.1/24 dev eth0 valid_lft 60 preferred_lft 60")
        #expect(try refusal(nodes, Self.configuration("198.51.100.1/24")) == nil)
    }

    @Test func `a loop that ends without having been stopped leaves no address behind`() throws {
        let nodes = try TwoNodes()
        // The owner is Active at once.
        let configuration = Self.configuration("198.51.100.100/24", priority: 255)
        let wasThere = Mutex(false)
        try nodes.on(1) {
            let inbox = try Inbox<RouterMessage<StandaloneRouter>>()
            let loop = try RouterLoop([configuration], inbox: inbox) { _, addresses in
                StandaloneRouter(configuration.parameters, virtualAddresses: addresses)
            } notify: { _ in
            }
            inbox.post(
                .look(router: 0) { router in
                    let present = try? nodes.addresses(1).contains { $0.address == IPAddress("198.51.100.100") }
                    wasThere.withLock { $0 = router.isActive && present == true }
                })
            inbox.post(.end)
            try loop.run()
        }
        #expect(wasThere.withLock { $0 })
        #expect(try !nodes.addresses(1).contains { $0.address == IPAddress("198.51.100.100") })
    }

    @Test func `an interface that was away is noticed, even when it is back`() throws {
        let nodes = try TwoNodes()
        try nodes.on(1) {
            let network = try Network()
            #expect(try network.link("eth0") != nil)
            try run("ip", ["link", "set", "eth0", "mtu", "1400"])
            #expect(try network.takeChanges(ignoring: []).gone == [])
            try run("ip", ["link", "del", "eth0"])
            try run("ip", ["link", "add", "eth0", "type", "veth", "peer", "name", "eth9"])
            let changes = try network.takeChanges(ignoring: [])
            #expect(changes.gone == ["eth0"])
            #expect(changes.concernsInterfaces)
        }
    }

    @Test func `watching ends with the interface`() throws {
        let nodes = try TwoNodes()
        let watch = try nodes.on(1) { try SegmentWatch(interface: "eth0") }
        try nodes.ip(1, "link set eth0 down")
        try nodes.ip(1, "link set eth0 up")
        usleep(50_000)
        #expect(!watch.isFinished)
        try nodes.ip(1, "link del eth0")
        try waitUntil("the watch has ended") { watch.isFinished }
        #expect(watch.join()?.code == .noDevice)
    }

    @Test(arguments: AddressFamily.allCases)
    func `advertisements go before other traffic`(_ family: AddressFamily) throws {
        let nodes = try TwoNodes()
        let index = try nodes.index(1)
        let priority = try nodes.on(1) {
            let setup = VRRPSocketSetup(
                family: family, interface: index, peers: [], virtualRouterIDs: [router51], minimumHopLimit: 255)
            let socket = try setup.open(.expected, buffer: 1 << 16)
            var value: Int32 = -1
            var length = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(socket.raw, SOL_SOCKET, SO_PRIORITY, &value, &length)
            return value
        }
        #expect(priority == 6)
    }

    /// keepalived 2.2 sends unicast over IPv6 with 64: such packets must not wait behind those that are doubtful.
    @Test(arguments: AddressFamily.allCases)
    func `a smaller hop limit that is accepted is none to doubt`(_ family: AddressFamily) throws {
        let nodes = try TwoNodes()
        let (one, two) = try (nodes.primary(1, family), nodes.primary(2, family))
        let index = try nodes.index(2)
        var socket = try nodes.on(2) {
            try VRRPSocket(
                family: family, interface: index, peers: [one], virtualRouterIDs: [router51], minimumHopLimit: 64)
        }
        let forger = try nodes.forger(1)
        let mac = try nodes.mac(2)
        for number: UInt8 in 0..<40 {
            for hopLimit: UInt8 in [63, 64, 255] {
                try forger.send(
                    frame(from: one, to: two, mac: mac, hopLimit: hopLimit, message: message(51, [number])))
            }
        }
        usleep(20_000)
        var hopLimits: [UInt8] = []
        for _ in 0..<2 { _ = try socket.receive { _, _, _, hopLimit in hopLimits.append(hopLimit) } }
        #expect(hopLimits == (0..<40).flatMap { _ in [64, 255] as [UInt8] } + Array(repeating: 63, count: 16))
    }
}
