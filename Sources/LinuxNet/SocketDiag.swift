internal import CLinuxNet
internal import Glibc
public import VRRP

/// Destroys TCP connections of this machine by their local address (sock_diag(7), SOCK_DESTROY): each peer gets a reset at
/// once, instead of silence until its time-out. Needs CAP_NET_ADMIN, and a kernel with CONFIG_INET_DIAG_DESTROY.
///
/// Belongs to one thread; asks the kernel and returns, without waiting for anybody.
public struct SocketDiag: ~Copyable {
    /// What a call has done.
    public struct Outcome: Sendable, Equatable {
        /// How many connections were destroyed.
        public var destroyed = 0
        /// False: the time was up before all were.
        public var isComplete = true

        /// What the kernel was asked to do.
        public init(destroyed: Int = 0, isComplete: Bool = true) {
            self.destroyed = destroyed
            self.isComplete = isComplete
        }
    }

    private var socket: NetlinkSocket

    /// Sockets per request to the kernel; between two requests the time is looked at.
    private static let batch = 64
    /// All states but CLOSE, TIME_WAIT and LISTEN (net/tcp_states.h).
    private static let states: UInt32 = 0xfff & ~(1 << 6 | 1 << 7 | 1 << 10)

    /// Opens the socket, in the network namespace of the calling thread.
    public init() throws(SystemCallError) {
        socket = try NetlinkSocket(protocol: NETLINK_SOCK_DIAG)
    }

    /// Destroys all TCP connections that have one of these as their local address, on sockets of either family; never a
    /// listening socket. Stops when `limit` is over. Throws `notSupported` or `notFound` where the kernel cannot do it.
    public mutating func resetConnections(
        to addresses: [IPAddress], limit: Duration
    ) throws(SystemCallError) -> Outcome {
        let end = ContinuousClock.now + limit
        var outcome = Outcome()
        // Who connects while the first look is taken is found by the second one.
        for _ in 0..<2 {
            let found = try connections(to: addresses)
            if found.isEmpty { break }
            var rest = found[...]
            while !rest.isEmpty {
                guard ContinuousClock.now < end else {
                    outcome.isComplete = false
                    return outcome
                }
                outcome.destroyed += try destroy(rest.prefix(Self.batch))
                rest = rest.dropFirst(Self.batch)
            }
        }
        return outcome
    }

    private mutating func connections(
        to addresses: [IPAddress]
    ) throws(SystemCallError) -> [inet_diag_req_v2] {
        var found: [inet_diag_req_v2] = []
        for address in addresses {
            // A socket of IPv6 may have an IPv4 connection (::ffff:a.b.c.d); the kernel's filter knows that.
            for domain in address.family == .ipv4 ? [AF_INET, AF_INET6] : [AF_INET6] {
                var body = inet_diag_req_v2()
                body.sdiag_family = UInt8(domain)
                body.sdiag_protocol = UInt8(IPPROTO_TCP)
                body.idiag_states = Self.states
                var request = socket.request(Int(SOCK_DIAG_BY_FAMILY), flags: NLM_F_DUMP, body: body)
                request.add(INET_DIAG_REQ_BYTECODE, Self.condition(address))
                let failure = socket.transact(request) { message in
                    guard let entry = message.body(as: inet_diag_msg.self) else { return }
                    body.id = entry.id
                    found.append(body)
                }
                // Without IPv6 there is nobody to be asked.
                if let failure, domain == AF_INET || failure.code != .notFound {
                    throw SystemCallError(.resetConnections, failure)
                }
            }
        }
        return found
    }

    /// Returns how many there were; one that is gone already counts.
    private mutating func destroy(_ connections: ArraySlice<inet_diag_req_v2>) throws(SystemCallError) -> Int {
        let failure = socket.transact(socket.batch(Int(SOCK_DESTROY), connections))
        socket.drain()
        if let failure, failure.code != .notFound { throw SystemCallError(.resetConnections, failure) }
        return connections.count
    }

    /// A program for the kernel's filter (linux/inet_diag.h): one condition, the local address; behind it the end.
    private static func condition(_ address: IPAddress) -> [UInt8] {
        let bytes = address.bytes
        let length = UInt8(MemoryLayout<inet_diag_bc_op>.size + MemoryLayout<inet_diag_hostcond>.size + bytes.count)
        let operation = inet_diag_bc_op(
            code: UInt8(INET_DIAG_BC_S_COND), yes: length, no: UInt16(length) + 4)
        var host = inet_diag_hostcond()
        host.family = UInt8(address.family.domain)
        host.prefix_len = UInt8(bytes.count * 8)
        host.port = -1
        return withUnsafeBytes(of: operation) { Array($0) } + withUnsafeBytes(of: host) { Array($0) } + bytes
    }
}
