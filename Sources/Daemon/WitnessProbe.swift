import Failover
import Glibc
import LinuxNet
import RedisClient
import Synchronization
import VRRP

/// Asks the witnesses twice a second whether they are there, on a thread of its own, where answers are waited for.
///
/// That none of them is reached is known after 1.5 to 2.5 s. Until then a node that is cut off serves beside its peer, to whom
/// it fell silent.
final class WitnessProbe: Sendable {
    private static let interval: Duration = .milliseconds(500)
    /// So long an answer may take.
    private static let patience: Duration = .milliseconds(450)
    /// So many questions in a row without an answer, and a witness is unreachable.
    private static let misses = 4

    private let state: Mutex<(witnesses: [Witness], isStopped: Bool)>
    private let names = WitnessNames()
    private let hasStarted = Atomic(false)
    private let tell: @Sendable (Bool) -> Void

    /// Makes a probe; `tell` is called on its thread whenever it changes whether any of them answers.
    init(_ witnesses: [Witness], tell: @escaping @Sendable (Bool) -> Void) {
        state = Mutex((witnesses, false))
        self.tell = tell
    }

    /// Starts the thread, once.
    func start() throws(SystemCallError) {
        guard !hasStarted.exchange(true, ordering: .relaxed) else { return }
        _ = try HeartbeatThread.start(name: "witness") { _ in self.run() }
    }

    /// Asks others from the next round on.
    func apply(_ witnesses: [Witness]) { state.withLock { $0.witnesses = witnesses } }

    /// Ends the thread within a second; nothing is told after this.
    func stop() { state.withLock { $0.isStopped = true } }

    private func run() {
        var missed: [Witness: Int] = [:]
        var told: Bool?
        while true {
            let (witnesses, isStopped) = state.withLock { $0 }
            if isStopped { return }
            if witnesses.isEmpty { (missed, told) = ([:], nil) }
            let start = ContinuousClock.now
            let answering = WitnessRound.answering(witnesses, names, within: Self.patience)
            for witness in witnesses { missed[witness] = answering.contains(witness) ? 0 : (missed[witness] ?? 0) + 1 }
            // At first nobody is known to be there: one answer is enough, four misses are needed.
            let isReachable = witnesses.contains { (missed[$0] ?? 0) < Self.misses }
            let isKnown = !answering.isEmpty || told != nil || !isReachable
            if isKnown, isReachable != told, !witnesses.isEmpty {
                told = isReachable
                state.withLock { if !$0.isStopped { tell(isReachable) } }
            }
            let left = max(Self.interval - (.now - start), .zero)
            usleep(UInt32(left / .microseconds(1)))
        }
    }
}

/// One question to each witness.
enum WitnessRound {
    private struct Open {
        var witness: Witness
        var socket: Int32
        var isConnecting: Bool
    }

    /// Those that answered: an echo reply; a connection, or its refusal, which somebody must have sent.
    static func answering(
        _ witnesses: [Witness], _ names: WitnessNames, within patience: Duration
    ) -> Set<Witness> {
        let end = ContinuousClock.now + patience
        var answering: Set<Witness> = []
        var open: [Open] = []
        defer { for each in open { close(each.socket) } }
        for witness in witnesses {
            switch begin(witness, names) {
            case .answered: answering.insert(witness)
            case .asked(let socket, let isConnecting):
                open.append(Open(witness: witness, socket: socket, isConnecting: isConnecting))
            case .impossible: break
            }
        }
        while !open.isEmpty {
            let left = Int32((end - .now) / .milliseconds(1))
            guard left > 0 else { break }
            var polled = open.map {
                pollfd(fd: $0.socket, events: Int16($0.isConnecting ? POLLOUT : POLLIN), revents: 0)
            }
            guard poll(&polled, nfds_t(polled.count), left) > 0 else { break }
            var rest: [Open] = []
            for (each, result) in zip(open, polled) {
                guard result.revents != 0 else {
                    rest.append(each)
                    continue
                }
                if each.isConnecting ? isThere(each.socket) : isEchoReply(each) { answering.insert(each.witness) }
                close(each.socket)
            }
            open = rest
        }
        return answering
    }

    private enum Beginning {
        case answered
        case asked(Int32, isConnecting: Bool)
        case impossible
    }

    private static func begin(_ witness: Witness, _ names: WitnessNames) -> Beginning {
        switch witness {
        case .ping(let address): ping(address)
        case .tcp(let place): connect(place, names)
        }
    }

    private static func connect(_ place: HostPort, _ names: WitnessNames) -> Beginning {
        guard let address = names.address(of: place) else { return .impossible }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return address.withUnsafeBytes { bytes in
            guard let target = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return .impossible }
            let socket = Glibc.socket(Int32(target.pointee.sa_family), type, 0)
            guard socket >= 0 else { return .impossible }
            if Glibc.connect(socket, target, socklen_t(bytes.count)) == 0 || errno == ECONNREFUSED {
                close(socket)
                return .answered
            }
            guard errno == EINPROGRESS else {
                close(socket)
                return .impossible
            }
            return .asked(socket, isConnecting: true)
        }
    }

    private static func isThere(_ socket: Int32) -> Bool {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else { return false }
        return code == 0 || code == ECONNREFUSED
    }

    /// A datagram socket, which everybody may have where `ping_group_range` allows it; else a raw one, which needs
    /// CAP_NET_RAW.
    private static func ping(_ address: IPAddress) -> Beginning {
        let isIPv4 = address.family == .ipv4
        let family = isIPv4 ? AF_INET : AF_INET6
        let kind = Int32(isIPv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        var socket = Glibc.socket(family, Int32(SOCK_DGRAM.rawValue) | flags, kind)
        if socket < 0 { socket = Glibc.socket(family, Int32(SOCK_RAW.rawValue) | flags, kind) }
        guard socket >= 0 else { return .impossible }
        let isConnected =
            isIPv4
            ? withAddress(ipv4(address.bytes)) { Glibc.connect(socket, $0, $1) }
            : withAddress(ipv6(address.bytes)) { Glibc.connect(socket, $0, $1) }
        let request = echoRequest(isIPv4: isIPv4)
        guard isConnected == 0, send(socket, request, request.count, 0) == request.count else {
            close(socket)
            return .impossible
        }
        return .asked(socket, isConnecting: false)
    }

    /// Type, code, checksum, identifier and number. The kernel fills in the identifier of a datagram socket and the
    /// checksum of ICMPv6.
    private static func echoRequest(isIPv4: Bool) -> [UInt8] {
        var bytes: [UInt8] = [isIPv4 ? 8 : 128, 0, 0, 0, 0x53, 0x47, 0, 1]
        let sum = ~(0x0800 + 0x5347 + 0x0001) & 0xffff
        if isIPv4 { (bytes[2], bytes[3]) = (UInt8(sum >> 8), UInt8(sum & 0xff)) }
        return bytes
    }

    /// A raw IPv4 socket gives the IP header as well, and everything else that comes from that address.
    private static func isEchoReply(_ open: Open) -> Bool {
        guard case .ping(let address) = open.witness else { return false }
        var buffer = [UInt8](repeating: 0, count: 256)
        while true {
            let count = recv(open.socket, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            let reply: UInt8 = address.family == .ipv4 ? 0 : 129
            let header = address.family == .ipv4 && buffer[0] >> 4 == 4 ? Int(buffer[0] & 0xf) * 4 : 0
            if header < count, buffer[header] == reply { return true }
        }
    }

    private static func ipv4(_ bytes: [UInt8]) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: bytes) }
        return address
    }

    private static func ipv6(_ bytes: [UInt8]) -> sockaddr_in6 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: bytes) }
        return address
    }

    private static func withAddress<Address>(
        _ address: Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }
}
