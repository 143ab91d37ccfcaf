import Glibc
import LinuxNet
import Testing
import VRRP

/// Counts the descriptors of the whole process, which other tests open and close as well where tests run side by side.
@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct DescriptorTests {
    /// Open descriptors of this process.
    private func count() throws -> Int {
        guard let directory = opendir("/proc/self/fd") else { throw LabError.system("/proc/self/fd") }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }

    @Test func `everything closes what it opens, also when opening fails in the middle`() throws {
        let nodes = try TwoNodes()
        let index = try nodes.index(1)
        let missing = InterfaceIndex(rawValue: 4711)
        func once() throws {
            try nodes.on(1) {
                for family in AddressFamily.allCases {
                    _ = try VRRPSocket(family: family, interface: index, virtualRouterIDs: [router51])
                    #expect(throws: SystemCallError.self) { _ = try VRRPSocket(family: family, interface: missing) }
                    // More peers than the kernel takes instructions: it fails at the last step.
                    let peers = Array(repeating: IPAddress.vrrpGroup(family), count: 2000)
                    #expect(throws: SystemCallError.self) {
                        _ = try VRRPSocket(
                            family: family, interface: index, peers: peers, virtualRouterIDs: [router51])
                    }
                }
                _ = try AnnouncementSocket(interface: index)
                _ = try Netlink()
                _ = try LinkMonitor()
                let loop = try EventLoop()
                let inbox = try Inbox<Int>()
                try loop.register(inbox.fd) {}
                loop.unregister(inbox.fd)
            }
        }
        try once()
        var growth: [Int] = []
        for _ in 0..<3 {
            let before = try count()
            for _ in 0..<20 { try once() }
            growth.append(try count() - before)
        }
        #expect(try #require(growth.min()) <= 0, "grew by \(growth)")
    }

    @Test func `descriptors are not inherited by programs that are started`() throws {
        let nodes = try TwoNodes()
        let index = try nodes.index(1)
        let (before, with) = try nodes.on(1) {
            // The test process itself may have inherited some.
            let before = try run("ls", ["/proc/self/fd"])
            let socket = try VRRPSocket(family: .ipv4, interface: index)
            let announcement = try AnnouncementSocket(interface: index)
            let netlink = try Netlink()
            let monitor = try LinkMonitor()
            let loop = try EventLoop()
            let inbox = try Inbox<Int>()
            let with = try run("ls", ["/proc/self/fd"])
            _ = (socket.fd, announcement.interface, monitor.fd, loop.deadline, inbox.fd)
            _ = consume netlink
            return (before, with)
        }
        #expect(before == with)
    }
}
