import Glibc
import LinuxNet
import Testing
import VRRP

/// What the kernel does with addresses by itself.
@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct AddressLifetimeTests {
    let nodes: TwoNodes
    let eth0: InterfaceIndex

    init() throws {
        nodes = try TwoNodes()
        eth0 = try nodes.index(1)
    }

    /// The moment at which the kernel reports that the address is gone; nil when it has not within 20 s.
    private func removal(of address: IPAddress, _ monitor: borrowing LinkMonitor) throws -> ContinuousClock.Instant? {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            guard isReadable(monitor.fd, within: 1000) else { continue }
            for case .addressRemoved(let removed) in try monitor.receive() where removed.address == address {
                return .now
            }
        }
        return nil
    }

    /// All at the same time, each in a namespace of its own, because the kernel looks at them together.
    @Test func `an address that is not renewed goes within two seconds after its lifetime`() throws {
        let texts = ["198.51.100.100/32", "198.51.100.100/24", "2001:db8::100/128", "2001:db8::100/64"]
        let lives = try texts.map { text in try Life(#require(VirtualAddress(text)), in: TwoNodes()) }
        // Renewed at a second that is not a whole one, as the kernel counts in steps.
        for life in lives { try life.renew(.seconds(1)) }
        usleep(700_000)
        for life in lives { try life.renew(.seconds(2)) }
        try waitUntil("all are gone") { try lives.allSatisfy { try $0.end() != nil } }
        for life in lives {
            let length = try #require(try life.end()) - life.renewed
            print("lifetime \(life.address): 2 s, gone after \(length)")
            #expect(length > .milliseconds(1900))
            #expect(length < .milliseconds(4000))
            #expect(try life.nodes.addresses(1).count == 3, "its own addresses are untouched")
        }
    }

    /// An address that is watched.
    final class Life {
        let nodes: TwoNodes
        let address: VirtualAddress
        private let interface: InterfaceIndex
        private let monitor: LinkMonitor
        private var netlink: Netlink
        private(set) var renewed = ContinuousClock.now
        private var ended: ContinuousClock.Instant?

        init(_ address: VirtualAddress, in nodes: TwoNodes) throws {
            self.address = address
            self.nodes = nodes
            interface = try nodes.index(1)
            monitor = try nodes.on(1) { try LinkMonitor() }
            netlink = try nodes.on(1) { try Netlink() }
        }

        func renew(_ lifetime: Duration) throws {
            try netlink.addAddress(address, to: interface, lifetime: lifetime)
            renewed = .now
        }

        /// When the kernel has reported that it is gone; nil while it has not.
        func end() throws -> ContinuousClock.Instant? {
            for case .addressRemoved(let removed) in try monitor.receive() where removed.address == address.address {
                ended = .now
            }
            return ended
        }
    }

    @Test func `an address that is renewed stays`() throws {
        let lives = try ["198.51.100.100/24", "2001:db8::100/64"].map { text in
            try Life(#require(VirtualAddress(text)), in: TwoNodes())
        }
        for _ in 0..<10 {
            for life in lives { try life.renew(.seconds(1)) }
            usleep(250_000)
        }
        for life in lives {
            #expect(try life.end() == nil)
            #expect(try life.nodes.addresses(1).contains { $0.address == life.address.address })
        }
    }

    /// Without promote_secondaries, the kernel removes with the first address of a subnet all others of it.
    enum End: CaseIterable { case removed, expired }

    @Test(arguments: End.allCases)
    func `a virtual address that came first does not take the interface's own along`(end: End) throws {
        try nodes.ip(1, "addr del 198.51.100.1/24 dev eth0")
        let address = VirtualAddress(IPAddress("198.51.100.100")!, prefixLength: 24)
        let monitor = try nodes.on(1) { try LinkMonitor() }
        var netlink = try nodes.on(1) { try Netlink() }
        try netlink.addAddress(address, to: eth0, lifetime: .seconds(1))
        try nodes.ip(1, "addr add 198.51.100.1/24 dev eth0")
        let own = IPAddress("198.51.100.1")!
        let secondary = try netlink.addresses(of: eth0).first { $0.address == own }
        #expect(secondary?.isSecondary == true, "the trap is set")
        switch end {
        case .removed: try netlink.removeAddress(address, from: eth0)
        case .expired: #expect(try removal(of: address.address, monitor) != nil)
        }
        let after = try netlink.addresses(of: eth0).filter { $0.address.family == .ipv4 }
        #expect(after.map(\.address) == [own])
        #expect(after.first?.isSecondary == false)
        #expect(try nodes.ip(1, "route show dev eth0").contains("198.51.100.0/24"))
    }

    @Test func `a virtual address outlives the interface's own`() throws {
        let address = VirtualAddress(IPAddress("198.51.100.100")!, prefixLength: 24)
        var netlink = try nodes.on(1) { try Netlink() }
        try netlink.addAddress(address, to: eth0, lifetime: .seconds(30))
        try nodes.ip(1, "addr del 198.51.100.1/24 dev eth0")
        #expect(try netlink.addresses(of: eth0).contains { $0.address == address.address })
    }

    /// A router's advertisement gives such routes: the kernel would merge that of the virtual address with it.
    @Test func `an IPv6 virtual address leaves the route of its prefix alone`() throws {
        try nodes.ip(1, "addr del 2001:db8::1/64 dev eth0")
        try nodes.ip(1, "addr add 2001:db8::1/64 dev eth0 nodad valid_lft 600 preferred_lft 600")
        let address = VirtualAddress(IPAddress("2001:db8::100")!, prefixLength: 64)
        let monitor = try nodes.on(1) { try LinkMonitor() }
        var netlink = try nodes.on(1) { try Netlink() }
        try netlink.addAddress(address, to: eth0, lifetime: .seconds(1))
        let during = try nodes.ip(1, "-6 route show 2001:db8::/64 dev eth0")
        #expect(during.contains("expires 59") || during.contains("expires 600"), "\(during)")
        #expect(try removal(of: address.address, monitor) != nil)
        #expect(try nodes.ip(1, "-6 route show 2001:db8::/64 dev eth0").contains("2001:db8::/64"))
    }

    @Test func `an IPv6 virtual address alone in its prefix has a route, as long as it is there`() throws {
        try nodes.ip(1, "addr del 2001:db8::1/64 dev eth0")
        let addresses = ["2001:db8::100/64", "2001:db8::101/64"].compactMap { VirtualAddress($0) }
        var netlink = try nodes.on(1) { try Netlink() }
        let route = { try nodes.ip(1, "-6 route show 2001:db8::/64 dev eth0") }
        // Renewing them renews the route.
        for _ in 0..<10 {
            for address in addresses { try netlink.addAddress(address, to: eth0, lifetime: .seconds(1)) }
            usleep(300_000)
            #expect(try route().contains("expires"))
            #expect(try !route().contains("expires -"))
        }
        // The second one takes over when it is renewed next.
        try netlink.removeAddress(addresses[0], from: eth0)
        try netlink.addAddress(addresses[1], to: eth0, lifetime: .seconds(30))
        #expect(try route().contains("2001:db8::/64"))
        // The kernel removes the route at the end of its lifetime, not together with such an address.
        try netlink.removeAddress(addresses[1], from: eth0)
        let left = try route()
        #expect(left.isEmpty || left.contains("expires"))
    }
}
