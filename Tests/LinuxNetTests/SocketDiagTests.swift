import Glibc
import Testing
import VRRP

@testable import LinuxNet

/// Real connections between two namespaces; node 1 serves, node 2 is the client.
@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct SocketDiagTests {
    private static let virtual = IPAddress("198.51.100.100")!
    private static let virtual6 = IPAddress("2001:db8::100")!

    /// The virtual addresses are on node 1.
    private func nodes() throws -> TwoNodes {
        let nodes = try TwoNodes()
        try nodes.ip(1, "addr add 198.51.100.100/24 dev eth0")
        try nodes.ip(1, "addr add 2001:db8::100/64 dev eth0 nodad")
        return nodes
    }

    private func reset(_ nodes: TwoNodes, _ addresses: [IPAddress]) throws -> SocketDiag.Outcome {
        try nodes.on(1) {
            var diag = try SocketDiag()
            return try diag.resetConnections(to: addresses, limit: .seconds(1))
        }
    }

    @Test(arguments: [(AF_INET, AF_INET), (AF_INET6, AF_INET), (AF_INET6, AF_INET6)])
    func `the client sees a reset at once`(server: Int32, client: Int32) throws {
        let nodes = try nodes()
        let virtual = client == AF_INET ? Self.virtual : Self.virtual6
        let own = IPAddress(client == AF_INET ? "198.51.100.1" : "2001:db8::1")!
        let listener = try nodes.on(1) { try TestSocket.listening(server) }
        let through = try nodes.on(2) { try TestSocket.connected(client, to: virtual) }
        let beside = try nodes.on(2) { try TestSocket.connected(client, to: own) }
        let (one, other) = (try listener.accepted(), try listener.accepted())
        #expect(try reset(nodes, [virtual]) == SocketDiag.Outcome(destroyed: 1))
        #expect(through.waitForError(.milliseconds(200)) == ECONNRESET)
        // The connection to another address lives, and the listening socket as well.
        #expect(beside.waitForError(.milliseconds(50)) == nil)
        let again = try nodes.on(2) { try TestSocket.connected(client, to: virtual) }
        let third = try listener.accepted()
        #expect(again.waitForError(.milliseconds(50)) == nil)
        _ = (one.fd, other.fd, third.fd)
    }

    @Test func `nothing to reset is no error`() throws {
        let nodes = try nodes()
        #expect(try reset(nodes, [Self.virtual, Self.virtual6]) == SocketDiag.Outcome(destroyed: 0))
        #expect(try reset(nodes, []) == SocketDiag.Outcome(destroyed: 0))
    }

    @Test func `without the right it says so`() throws {
        let nodes = try nodes()
        let listener = try nodes.on(1) { try TestSocket.listening(AF_INET) }
        let client = try nodes.on(2) { try TestSocket.connected(AF_INET, to: Self.virtual) }
        let server = try listener.accepted()
        let error: SystemCallError? = try nodes.on(1) {
            var diag = try SocketDiag()
            guard syscallSetresuid(65_534) == 0 else { throw LabError.system("setresuid") }
            do throws(SystemCallError) {
                _ = try diag.resetConnections(to: [Self.virtual], limit: .seconds(1))
                return nil
            } catch {
                return error
            }
        }
        #expect(error?.code == .notPermitted)
        #expect(
            error.map { "\($0)" }
                == "cannot reset the connections to virtual addresses: EPERM (Operation not permitted); "
                + "run as root or with CAP_NET_ADMIN")
        _ = (client.fd, server.fd)
    }

    @Test func `the time is kept`() throws {
        let nodes = try nodes()
        let listener = try nodes.on(1) { try TestSocket.listening(AF_INET) }
        let clients = try nodes.on(2) { try (0..<200).map { _ in try TestSocket.connected(AF_INET, to: Self.virtual) } }
        let servers = try clients.map { _ in try listener.accepted() }
        let outcome = try nodes.on(1) {
            var diag = try SocketDiag()
            return try diag.resetConnections(to: [Self.virtual], limit: .zero)
        }
        #expect(outcome == SocketDiag.Outcome(destroyed: 0, isComplete: false))
        #expect(try reset(nodes, [Self.virtual]) == SocketDiag.Outcome(destroyed: 200))
        _ = servers.map(\.fd)
    }

    /// It runs on the heartbeat's thread: measured, and held to a limit that leaves room for a busy machine.
    @Test func `a thousand connections take milliseconds`() throws {
        let nodes = try nodes()
        let listener = try nodes.on(1) { try TestSocket.listening(AF_INET6) }
        var clients: [TestSocket] = []
        var servers: [TestSocket] = []
        for _ in 0..<1000 {
            clients.append(try nodes.on(2) { try TestSocket.connected(AF_INET, to: Self.virtual) })
            servers.append(try listener.accepted())
        }
        let (time, outcome) = try nodes.on(1) {
            var diag = try SocketDiag()
            let start = ContinuousClock.now
            let outcome = try diag.resetConnections(to: [Self.virtual], limit: .seconds(1))
            return (ContinuousClock.now - start, outcome)
        }
        print("socket-diag: 1000 connections reset in \(time)")
        #expect(outcome == SocketDiag.Outcome(destroyed: 1000))
        #expect(time < .milliseconds(50))
        #expect(clients.allSatisfy { $0.waitForError(.milliseconds(200)) == ECONNRESET })
    }
}

/// setresuid for the calling thread alone: the C library's own would change the whole process.
private func syscallSetresuid(_ user: UInt32) -> Int32 { Int32(rawSyscall(117, Int(user), Int(user), Int(user))) }
@_silgen_name("syscall") private func rawSyscall(_ number: Int, _ one: Int, _ two: Int, _ three: Int) -> Int

/// A TCP socket of a test.
private final class TestSocket {
    static let port: UInt16 = 6379
    let fd: Int32

    private init(_ fd: Int32) { self.fd = fd }

    deinit { close(fd) }

    /// Listens on all addresses; with IPv6, on those of IPv4 as well.
    static func listening(_ domain: Int32) throws -> TestSocket {
        let socket = TestSocket(Glibc.socket(domain, Int32(SOCK_STREAM.rawValue), 0))
        guard socket.fd >= 0 else { throw LabError.system("socket") }
        var (off, on): (Int32, Int32) = (0, 1)
        setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        if domain == AF_INET6 { setsockopt(socket.fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, 4) }
        let any: IPAddress = domain == AF_INET ? .v4(0) : .v6(0, 0)
        guard address(any, { bind(socket.fd, $0, $1) }) == 0, listen(socket.fd, 1024) == 0 else {
            throw LabError.system("bind")
        }
        return socket
    }

    static func connected(_ domain: Int32, to place: IPAddress) throws -> TestSocket {
        let socket = TestSocket(Glibc.socket(domain, Int32(SOCK_STREAM.rawValue), 0))
        guard socket.fd >= 0, address(place, { connect(socket.fd, $0, $1) }) == 0 else {
            throw LabError.system("connect")
        }
        return socket
    }

    func accepted() throws -> TestSocket {
        let socket = TestSocket(accept(fd, nil, nil))
        guard socket.fd >= 0 else { throw LabError.system("accept") }
        return socket
    }

    /// What a reader of this socket is told within the time; nil where nothing happens.
    func waitForError(_ limit: Duration) -> Int32? {
        var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, Int32(limit / .milliseconds(1))) > 0 else { return nil }
        var byte: UInt8 = 0
        return read(fd, &byte, 1) < 0 ? errno : 0
    }

    private static func address(_ address: IPAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var storage = sockaddr_storage()
        return withUnsafeMutableBytes(of: &storage) { raw in
            raw.storeBytes(of: sa_family_t(address.family == .ipv4 ? AF_INET : AF_INET6), as: sa_family_t.self)
            raw.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
            raw.baseAddress!.advanced(by: address.family == .ipv4 ? 4 : 8).copyMemory(
                from: address.bytes, byteCount: address.bytes.count)
            let size = address.family == .ipv4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            return body(raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(size))
        }
    }
}
