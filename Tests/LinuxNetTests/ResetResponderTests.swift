import Glibc
import Synchronization
import Testing
import VRRP

@testable import LinuxNet

/// A virtual router in node 1 gives its address away; a client in node 2 has not heard of it.
@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct ResetResponderTests {
    private static let virtual = "198.51.100.100"
    private typealias Mailbox = Inbox<RouterMessage<StandaloneRouter>>

    /// A router in node 1, with the address; node 2 has node 1's link-layer address for it and for .101, for good.
    private final class Serving {
        let nodes: TwoNodes
        private let inbox: Mailbox
        private let thread: HeartbeatThread
        /// What its loop complained of.
        let troubles = Troubles()

        final class Troubles: Sendable { let all = Mutex<[String]>([]) }

        init(answers: Bool) throws {
            let nodes = try TwoNodes()
            self.nodes = nodes
            let inbox = try Mailbox()
            self.inbox = inbox
            let address = VirtualAddress(ResetResponderTests.virtual + "/24")!
            let configuration = StandaloneConfiguration(
                interface: "eth0",
                parameters: VirtualRouterParameters(
                    virtualRouterID: VirtualRouterID(51)!, priority: .owner, addresses: [address.address]),
                virtualAddresses: [address], resetsAfterRemoval: answers)
            let troubles = troubles
            thread = try nodes.on(1) {
                try HeartbeatThread.start { _ in
                    do {
                        let loop = try RouterLoop([configuration], inbox: inbox) { _, addresses in
                            StandaloneRouter(configuration.parameters, virtualAddresses: addresses)
                        } notify: { notice in
                            if case .trouble(let error, _) = notice { troubles.all.withLock { $0.append("\(error)") } }
                        }
                        try loop.run()
                    } catch { troubles.all.withLock { $0.append("\(error)") } }
                }
            }
            try waitUntil("node 1 serves") { try holds() }
            let link = try nodes.on(1) {
                var netlink = try Netlink()
                return try netlink.link(named: "eth0")
            }
            let mac = try #require(link?.mac)
            for last in 100...101 {
                try nodes.ip(2, "neigh replace 198.51.100.\(last) lladdr \(mac) dev eth0 nud permanent")
            }
        }

        deinit { end() }

        func holds() throws -> Bool {
            try nodes.addresses(1).contains { $0.address == IPAddress(ResetResponderTests.virtual) }
        }

        func giveAway() throws {
            inbox.post(.event(.stop, router: 0))
            try waitUntil("the address is gone") { try !holds() }
        }

        func serveAgain() throws {
            inbox.post(.event(.start, router: 0))
            try waitUntil("the address is back") { try holds() }
        }

        func end() {
            inbox.post(.end)
            thread.join()
        }

        /// Ends the loop, and does something while it waits.
        func finish<T>(_ body: () throws -> T) throws -> T {
            inbox.post(.finish)
            // Nothing shows from outside that the loop has left its last round; the responder has a second.
            usleep(100_000)
            let result = try body()
            thread.join()
            return result
        }
    }

    /// How a connection to the address went, and how long that took; nil where nobody answered in 300 ms.
    private func attempt(_ nodes: TwoNodes, to address: String = virtual) throws -> (code: Int32, time: Duration)? {
        try nodes.on(2) {
            let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
            guard fd >= 0 else { throw LabError.system("socket") }
            defer { close(fd) }
            var place = sockaddr_in()
            place.sin_family = sa_family_t(AF_INET)
            place.sin_port = UInt16(6379).bigEndian
            inet_pton(AF_INET, address, &place.sin_addr)
            let start = ContinuousClock.now
            _ = withUnsafePointer(to: &place) { place in
                place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            var entry = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
            guard poll(&entry, 1, 300) > 0 else { return nil }
            let time = ContinuousClock.now - start
            var (code, length) = (Int32(0), socklen_t(4))
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length)
            return (code, time)
        }
    }

    @Test func `without it, nobody answers`() throws {
        let serving = try Serving(answers: false)
        #expect(try attempt(serving.nodes)?.code == ECONNREFUSED)
        try serving.giveAway()
        #expect(try attempt(serving.nodes) == nil)
    }

    @Test func `a client is refused at once, for a second, at this address alone`() throws {
        let serving = try Serving(answers: true)
        try serving.giveAway()
        let start = ContinuousClock.now
        for _ in 0..<20 {
            let refusal = try #require(try attempt(serving.nodes))
            #expect(refusal.code == ECONNREFUSED)
            #expect(refusal.time < .milliseconds(20))
        }
        #expect(try attempt(serving.nodes, to: "198.51.100.101") == nil)
        #expect(try attempt(serving.nodes)?.code == ECONNREFUSED)
        #expect(ContinuousClock.now - start < .seconds(1))
        usleep(1_000_000)
        #expect(try attempt(serving.nodes) == nil)
        #expect(serving.troubles.all.withLock { $0 } == [])
    }

    @Test func `it ends with the loop, and when the address is back`() throws {
        let serving = try Serving(answers: true)
        try serving.giveAway()
        #expect(try attempt(serving.nodes)?.code == ECONNREFUSED)
        try serving.serveAgain()
        try waitUntil("the socket is closed") { try packetSockets(serving.nodes) == 0 }
        try serving.giveAway()
        #expect(try packetSockets(serving.nodes) == 1)
        serving.end()
        #expect(try packetSockets(serving.nodes) == 0)
        #expect(try attempt(serving.nodes) == nil)
    }

    @Test func `a loop that has finished answers to the end`() throws {
        let serving = try Serving(answers: true)
        try serving.giveAway()
        let answered = try serving.finish { try attempt(serving.nodes)?.code }
        #expect(answered == ECONNREFUSED)
        #expect(try attempt(serving.nodes) == nil)
    }

    /// Those in node 1 that hear IPv4; the sockets for announcements hear nothing.
    private func packetSockets(_ nodes: TwoNodes) throws -> Int {
        let lines = try nodes.on(1) { try run("cat", ["/proc/thread-self/net/packet"]) }.split(separator: "\n")
        return lines.count { $0.split(separator: " ").dropFirst(3).first == "0800" }
    }
}
