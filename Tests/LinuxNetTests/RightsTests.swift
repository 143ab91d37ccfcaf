import Glibc
import LinuxNet
import Testing
import VRRP

/// The same program with fewer rights: this very test process, started again.
@Suite(
    .enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"),
    .enabled(if: Process.canBecomeNobody, "needs a root that can become another user (not that of a user namespace)"))
struct RightsTests {
    /// Starts the tests of `InsideTests` again by a command line that gives rights away, and returns what they print.
    private func again(_ wrapper: String, _ rights: String, in node: Int, of nodes: TwoNodes) throws -> String {
        let program = try #require(Process.executable)
        let command =
            wrapper.split(separator: " ").map(String.init) + [
                "env", "SYNCGATE_TEST_RIGHTS=\(rights)", "timeout", "60", program, "--testing-library", "swift-testing",
                "--filter", "LinuxNetTests.InsideTests",
            ]
        return try nodes.on(node) { try run(command[0], Array(command.dropFirst())) }
    }

    @Test func `with CAP_NET_RAW and CAP_NET_ADMIN alone`() throws {
        let nodes = try TwoNodes()
        var receiver = try nodes.open(2, .ipv4)
        let capabilities = "-all,+net_raw,+net_admin"
        let output = try again(
            "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=\(capabilities) "
                + "--inh-caps=\(capabilities) --ambient-caps=\(capabilities)", "capabilities", in: 1, of: nodes)
        #expect(output.contains("Test run with 1 test in 1 suite passed"), "\(output)")
        // One by multicast, one to this node.
        #expect(try receive(2, from: &receiver).map { $0.message } == [message(51), message(51)])
    }

    @Test func `in a user namespace that an unprivileged user has made`() throws {
        let nodes = try TwoNodes()
        let output = try again(
            "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all unshare -Urn",
            "user namespace", in: 1, of: nodes)
        #expect(output.contains("Test run with 1 test in 1 suite passed"), "\(output)")
    }

    @Test func `without rights, what is missing is said`() throws {
        let nodes = try TwoNodes()
        let output = try again(
            "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all", "none", in: 1,
            of: nodes)
        #expect(output.contains("Test run with 1 test in 1 suite passed"), "\(output)")
    }
}

/// Runs only inside of `RightsTests`.
@Suite(.enabled(if: Process.environment("SYNCGATE_TEST_RIGHTS") != nil, "started by RightsTests"))
struct InsideTests {
    @Test func `what can be done`() throws {
        switch Process.environment("SYNCGATE_TEST_RIGHTS") {
        case "capabilities": try everything()
        case "user namespace":
            for command in [
                "link add eth0 type veth peer name eth1", "link set eth0 up", "link set eth1 up",
                "addr add 198.51.100.1/24 dev eth0", "addr add 2001:db8::1/64 dev eth0 nodad",
            ] { try run("ip", command.split(separator: " ").map(String.init)) }
            try everything()
        default: try nothing()
        }
    }

    private func everything() throws {
        var netlink = try Netlink()
        let monitor = try LinkMonitor()
        let eth0 = try #require(try netlink.link(named: "eth0")).index
        try waitUntil("eth0 has a usable link-local address") {
            InterfaceAddress.primary(.ipv6, among: try netlink.addresses(of: eth0), except: []) != nil
        }
        for family in AddressFamily.allCases {
            let source = InterfaceAddress.primary(family, among: try netlink.addresses(of: eth0), except: [])
            let multicast = try VRRPSocket(family: family, interface: eth0, virtualRouterIDs: [router51])
            try multicast.send(message(51), from: try #require(source), to: .vrrpGroup(family))
            let peer = try #require(IPAddress(family == .ipv4 ? "198.51.100.2" : "2001:db8::2"))
            let own = try #require(IPAddress(family == .ipv4 ? "198.51.100.1" : "2001:db8::1"))
            let unicast = try VRRPSocket(family: family, interface: eth0, peers: [peer], virtualRouterIDs: [router51])
            try unicast.send(message(51), from: own, to: peer)
        }
        try AnnouncementSocket(interface: eth0).send([UInt8](repeating: 0xff, count: 60))
        for text in ["198.51.100.100/32", "198.51.100.101/24", "2001:db8::100/128", "2001:db8::101/64"] {
            let address = try #require(VirtualAddress(text))
            try netlink.addAddress(address, to: eth0, lifetime: .seconds(3))
            #expect(try netlink.removeAddress(address, from: eth0))
        }
        let changes = try monitor.receive()
        #expect(changes.contains { if case .addressRemoved = $0 { true } else { false } })
        let problems = try onOwnThread { RealTime.apply(RealTime.Settings(locksMemory: false)) }
        #expect(problems.map(\.code) == [.notPermitted])
    }

    private func nothing() throws {
        var netlink = try Netlink()
        _ = try LinkMonitor()
        let eth0 = try #require(try netlink.link(named: "eth0")).index
        #expect(try netlink.addresses(of: eth0).count == 3, "looking is allowed")
        let socket = #expect(throws: SystemCallError.self) { _ = try VRRPSocket(family: .ipv6, interface: eth0) }
        #expect(
            socket?.description == "cannot open a raw socket for VRRP over IPv6 on eth0: "
                + "EPERM (Operation not permitted); run as root or with CAP_NET_RAW")
        let frames = #expect(throws: SystemCallError.self) { _ = try AnnouncementSocket(interface: eth0) }
        #expect(
            frames?.description
                == "cannot open a packet socket on eth0: EPERM (Operation not permitted); run as root or with CAP_NET_RAW"
        )
        let address = try #require(VirtualAddress("198.51.100.100/24"))
        let adding = #expect(throws: SystemCallError.self) { try netlink.addAddress(address, to: eth0) }
        #expect(
            adding?.description
                == "cannot add 198.51.100.100/24 to eth0: EPERM (Operation not permitted); run as root or with CAP_NET_ADMIN"
        )
        let removing = #expect(throws: SystemCallError.self) { try netlink.removeAddress(address, from: eth0) }
        #expect(
            removing?.description == "cannot remove 198.51.100.100/24 from eth0: EPERM (Operation not permitted); "
                + "run as root or with CAP_NET_ADMIN")
        let memory = try onOwnThread { RealTime.apply(RealTime.Settings(priority: nil, locksMemory: true)) }
        #expect(
            memory.map(\.description) == [
                "cannot lock the memory: ENOMEM (Cannot allocate memory); allow it by CAP_IPC_LOCK or LimitMEMLOCK=infinity"
            ])
    }
}

/// This process.
enum Process {
    static var executable: String? {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count)
        return count > 0 ? String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    /// The first user namespace maps all users to themselves; in another one, nobody (65534) does not exist.
    static var canBecomeNobody: Bool {
        guard getuid() == 0, let file = fopen("/proc/self/uid_map", "r") else { return false }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 100)
        fgets(&line, 100, file)
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.split(separator: " ").last.flatMap { Int($0.filter(\.isNumber)) } ?? 0 > 65534
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
