import Glibc
import Testing
import VRRP

@testable import LinuxNet

/// What a loop makes of interfaces that change under it.
@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct NetworkTests {
    private let virtual = VirtualAddress("198.51.100.100/24")!

    @Test func `an address is removed from an interface that was renamed`() throws {
        let nodes = try TwoNodes()
        try nodes.on(1) {
            let network = try Network()
            try network.add(virtual, to: "eth0", lifetime: .seconds(60))
            try run("ip", ["link", "set", "eth0", "name", "lan0"])
            #expect(try network.takeChanges(ignoring: [virtual.address]).concernsInterfaces)
            #expect(try network.has(virtual.address, on: "lan0"))
            try network.remove(virtual, from: "eth0")
            #expect(try !network.has(virtual.address, on: "lan0"))
        }
    }

    @Test func `another link-layer address is noticed`() throws {
        let nodes = try TwoNodes()
        try nodes.on(1) {
            let network = try Network()
            #expect(try network.link("eth0") != nil)
            try run("ip", ["link", "set", "eth0", "mtu", "1400"])
            #expect(try network.takeChanges(ignoring: []).readdressed == [])
            try run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:77"])
            #expect(try network.takeChanges(ignoring: []).readdressed == ["eth0"])
        }
    }

    /// What is remembered for quick renewals must not outlive its reason.
    @Test func `a virtual address gets a route when the machine's own one goes`() throws {
        let nodes = try TwoNodes()
        let (first, second) = (VirtualAddress("2001:db8::100/64")!, VirtualAddress("2001:db8::101/64")!)
        try nodes.on(1) {
            let network = try Network()
            let names: Set = [first.address, second.address]
            let routed = { () throws -> [IPAddress] in
                guard let link = try network.link("eth0") else { return [] }
                return try network.addresses(of: link.index)
                    .filter { names.contains($0.address) && $0.hasPrefixRoute }.map(\.address)
            }
            let renew = {
                for address in [first, second] { try network.add(address, to: "eth0", lifetime: .seconds(60)) }
            }
            _ = try network.takeChanges(ignoring: names)
            try renew()
            #expect(try routed() == [])
            _ = try network.takeChanges(ignoring: names)
            try run("ip", ["addr", "del", "2001:db8::1/64", "dev", "eth0"])
            try renew()
            #expect(try routed() == [])
            _ = try network.takeChanges(ignoring: names)
            try renew()
            #expect(try routed() == [first.address])
            // Removed by somebody, the route with it.
            try run("ip", ["addr", "del", "2001:db8::100/64", "dev", "eth0"])
            _ = try network.takeChanges(ignoring: names)
            try renew()
            #expect(try routed().count == 1)
        }
    }

    @Test func `whether addresses may be changed is known without changing any`() throws {
        let nodes = try TwoNodes()
        try nodes.on(1) {
            let network = try Network()
            let before = try nodes.addresses(1)
            try network.checkRights()
            #expect(try nodes.addresses(1) == before)
        }
    }

    @Test func `an interface that is missing is said to be`() throws {
        let nodes = try TwoNodes()
        let missing = try nodes.on(1) { () -> SystemCallError? in
            do throws(SystemCallError) {
                _ = try InterfaceIndex(rawValue: 4711).name(for: .openAnnouncementSocket(interface: "x"))
                return nil
            } catch { return error }
        }
        #expect(missing?.code == .noDevice)
    }
}
