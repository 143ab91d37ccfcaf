import Glibc
import LinuxNet
import Testing
import VRRP

@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct LinkMonitorTests {
    let nodes: TwoNodes

    init() throws { nodes = try TwoNodes() }

    /// The first change that satisfies the condition, within 5 s.
    private func first(
        _ monitor: borrowing LinkMonitor, where condition: (NetworkChange) -> Bool
    ) throws -> NetworkChange? {
        for _ in 0..<50 {
            guard isReadable(monitor.fd, within: 100) else { continue }
            if let change = try monitor.receive(limit: 1).first(where: condition) { return change }
        }
        return nil
    }

    private func link(_ monitor: borrowing LinkMonitor, where condition: (Link) -> Bool) throws -> Link? {
        let change = try first(monitor) { change in
            if case .link(let link) = change { condition(link) } else { false }
        }
        return if case .link(let link) = change { link } else { nil }
    }

    @Test func `an interface goes down and up, loses its carrier, and gets it back`() throws {
        let monitor = try nodes.on(1) { try LinkMonitor() }
        #expect(try monitor.receive() == [])
        try nodes.ip(1, "link set eth0 down")
        let down = try link(monitor) { $0.name == "eth0" && !$0.isUp }
        #expect(down?.isUsable == false)
        try nodes.ip(1, "link set eth0 up")
        let up = try link(monitor) { $0.name == "eth0" && $0.isUsable }
        #expect(try up?.index == nodes.index(1))
        #expect(try up?.mac == nodes.mac(1))
        try nodes.ip(2, "link set eth0 down")
        let cut = try link(monitor) { $0.name == "eth0" && !$0.hasCarrier }
        #expect(cut?.isUp == true && cut?.isUsable == false)
        try nodes.ip(2, "link set eth0 up")
        #expect(try link(monitor) { $0.name == "eth0" && $0.isUsable } != nil)
    }

    @Test func `an interface is deleted, and comes back under its name with another number`() throws {
        let monitor = try nodes.on(1) { try LinkMonitor() }
        let old = try nodes.index(1)
        try nodes.ip(1, "link delete eth0")
        // Its addresses go first.
        let address = try first(monitor) { change in
            if case .addressRemoved(let address) = change { address.address.family == .ipv4 } else { false }
        }
        guard case .addressRemoved(let lost)? = address else {
            Issue.record("no address was reported as removed")
            return
        }
        #expect(lost.address == IPAddress("198.51.100.1") && lost.interface == old)
        let removed = try first(monitor) { if case .linkRemoved = $0 { true } else { false } }
        guard case .linkRemoved(let link)? = removed else {
            Issue.record("the interface was not reported as removed")
            return
        }
        #expect(link.index == old && link.name == "eth0")
        try nodes.ip(1, "link add eth0 type veth peer name peer0")
        let new = try self.link(monitor) { $0.name == "eth0" }
        #expect(try #require(new).index != old)
    }

    @Test(arguments: ["198.51.100.100/32", "2001:db8::100/128"])
    func `addresses are added and removed by somebody else`(text: String) throws {
        let monitor = try nodes.on(1) { try LinkMonitor() }
        let address = try #require(VirtualAddress(text))
        let index = try nodes.index(1)
        func isIt(_ other: InterfaceAddress) -> Bool {
            other.address == address.address && other.prefixLength == address.prefixLength && other.interface == index
        }
        try nodes.ip(1, "addr add \(text) dev eth0")
        #expect(try first(monitor) { if case .addressAdded(let added) = $0 { isIt(added) } else { false } } != nil)
        try nodes.ip(1, "addr del \(text) dev eth0")
        #expect(try first(monitor) { if case .addressRemoved(let gone) = $0 { isIt(gone) } else { false } } != nil)
    }

    /// A bridge reports leaving ports by messages of the same type as deleted interfaces.
    @Test func `a port that leaves a bridge is not gone`() throws {
        try nodes.ip(1, "link add br0 type bridge")
        try nodes.ip(1, "link set eth0 master br0")
        let monitor = try nodes.on(1) { try LinkMonitor() }
        try nodes.ip(1, "link set eth0 nomaster")
        try nodes.ip(1, "addr add 198.51.100.99/32 dev eth0")
        var changes: [NetworkChange] = []
        try waitUntil("the last change is reported") {
            changes += try monitor.receive()
            return changes.contains { if case .addressAdded = $0 { true } else { false } }
        }
        #expect(!changes.contains { if case .linkRemoved = $0 { true } else { false } })
    }

    @Test func `too much at once is an overrun, and it goes on after it`() throws {
        let monitor = try nodes.on(1) { try LinkMonitor(receiveBuffer: 4096) }
        var netlink = try nodes.on(1) { try Netlink() }
        let index = try nodes.index(1)
        for number in 1...100 {
            try netlink.addAddress(VirtualAddress(.v4(0xc633_6400 + UInt32(number) + 100)), to: index)
        }
        var changes: [NetworkChange] = []
        while isReadable(monitor.fd, within: 0) { changes += try monitor.receive() }
        #expect(changes.contains(.overrun))
        #expect(changes.count < 100)
        try netlink.addAddress(VirtualAddress(IPAddress("198.51.100.99")!), to: index)
        let after = try first(monitor) { change in
            if case .addressAdded(let added) = change { added.address == IPAddress("198.51.100.99") } else { false }
        }
        #expect(after != nil)
    }

    @Test func `what is read at once is bounded`() throws {
        let monitor = try nodes.on(1) { try LinkMonitor() }
        var netlink = try nodes.on(1) { try Netlink() }
        let index = try nodes.index(1)
        for number in 1...100 {
            try netlink.addAddress(VirtualAddress(.v4(0xc633_6400 + UInt32(number) + 100)), to: index)
        }
        #expect(try monitor.receive(limit: 10).count == 10)
        var rest = 0
        while isReadable(monitor.fd, within: 0) { rest += try monitor.receive().count }
        #expect(rest == 90)
    }
}
