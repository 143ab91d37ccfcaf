import Glibc
import LinuxNet
import Testing
import VRRP

/// Serialized with nothing else of this process that opens descriptors only under `--no-parallel`: so it counts those of
/// a kind that is its own (sockets, epolls and eventfds), and takes the least of several counts.
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
        let listing = try nodes.on(1) {
            let socket = try VRRPSocket(family: .ipv4, interface: index)
            let netlink = try Netlink()
            let monitor = try LinkMonitor()
            let loop = try EventLoop()
            let inbox = try Inbox<Int>()
            let text = try run("ls", ["-l", "/proc/self/fd"])
            _ = (socket.fd, monitor.fd, loop.deadline, inbox.fd)
            _ = consume netlink
            return text
        }
        #expect(!listing.contains("eventpoll") && !listing.contains("eventfd") && !listing.contains("timerfd"))
        #expect(!listing.contains("socket:"), "\(listing)")
    }
}
