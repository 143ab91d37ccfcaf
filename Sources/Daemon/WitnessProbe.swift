import Failover
import Glibc
import LinuxNet
import RedisClient
import Synchronization
import VRRP

/// Asks the witnesses twice a second, and when it is told to, whether they are there: on a thread of its own, where answers are
/// waited for.
///
/// That none of them is reached is known after 1.5 to 2.5 s. Until then a node that is cut off serves beside its peer, to whom
/// it fell silent; one that was elected meanwhile waits for an answer.
final class WitnessProbe: Sendable {
    private static let interval: Duration = .milliseconds(500)
    /// So long an answer may take.
    private static let patience: Duration = .milliseconds(450)
    /// So many rounds in a row without any answer, and no witness is reachable.
    private static let misses = 4

    private struct State {
        var witnesses: [Witness]
        var isStopped = false
        /// How often it was told to ask: the first answer to each is told, also where it is no news.
        var asks = 0
        /// Ends the rest between two rounds; nil before the start.
        var wake: Inbox<Void>?
    }

    private let state: Mutex<State>
    private let names = WitnessNames()
    private let tell: @Sendable (_ isReachable: Bool, _ askedAt: ContinuousClock.Instant) -> Void

    /// Makes a probe; `tell` is called on its thread whenever it changes whether any of them answers, and after `ask`.
    init(
        _ witnesses: [Witness],
        tell: @escaping @Sendable (_ isReachable: Bool, _ askedAt: ContinuousClock.Instant) -> Void
    ) {
        state = Mutex(State(witnesses: witnesses))
        self.tell = tell
    }

    /// Starts the thread, once.
    func start() throws(SystemCallError) {
        let wake = try Inbox<Void>()
        let isFirst = state.withLock { state in
            guard state.wake == nil else { return false }
            state.wake = wake
            return true
        }
        guard isFirst else { return }
        _ = try HeartbeatThread.start(name: "witness") { _ in self.run(wake) }
    }

    /// Asks others from the next round on.
    func apply(_ witnesses: [Witness]) { state.withLock { $0.witnesses = witnesses } }

    /// Asks at once; the first answer to a question that begins after this is told. Does not wait.
    func ask() {
        state.withLock { $0.asks += 1 }
        wake()
    }

    /// Ends the thread within a second; nothing is told after this.
    func stop() {
        state.withLock { $0.isStopped = true }
        wake()
    }

    private func wake() { state.withLock { $0.wake }?.post(()) }

    private func run(_ wake: Inbox<Void>) {
        var missed = 0
        var told: Bool?
        // Of which asks an answer was told.
        var answered = 0
        while true {
            let (now, start) = (state.withLock { $0 }, ContinuousClock.now)
            if now.isStopped { return }
            if now.witnesses.isEmpty { (missed, told) = (0, nil) }
            let isAnswered = WitnessRound.isAnswered(by: now.witnesses, names, within: Self.patience)
            missed = isAnswered ? 0 : missed + 1
            // At first nobody is known to be there: one answer is enough, four misses are needed.
            let isReachable = isAnswered || told != nil && missed < Self.misses
            let isKnown = isReachable || missed >= Self.misses
            let isAwaited = isAnswered && now.asks != answered
            if isKnown, isReachable != told || isAwaited, !now.witnesses.isEmpty {
                told = isReachable
                if isAnswered { answered = now.asks }
                state.withLock { state in
                    if !state.isStopped { tell(isReachable, start) }
                }
            }
            rest(until: start + Self.interval, wake)
        }
    }

    private func rest(until end: ContinuousClock.Instant, _ wake: Inbox<Void>) {
        var entry = pollfd(fd: wake.fd, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, Int32(max(end - .now, .zero) / .milliseconds(1)))
        _ = wake.take()
    }
}

/// One question to each witness.
enum WitnessRound {
    private struct Open {
        var witness: Witness
        var socket: Int32
        var isConnecting: Bool
    }

    /// Whether any of them answers, as soon as that is known: an echo reply; a connection, or its refusal, which somebody must
    /// have sent.
    static func isAnswered(
        by witnesses: [Witness], _ names: WitnessNames, within patience: Duration
    ) -> Bool {
        let end = ContinuousClock.now + patience
        var open: [Open] = []
        defer { for each in open { close(each.socket) } }
        for witness in witnesses {
            switch begin(witness, names) {
            case .answered: return true
            case .asked(let socket, let isConnecting):
                open.append(Open(witness: witness, socket: socket, isConnecting: isConnecting))
            case .impossible: break
            }
        }
        while !open.isEmpty {
            let left = Int32((end - .now) / .milliseconds(1))
            guard left > 0 else { return false }
            var polled = open.map {
                pollfd(fd: $0.socket, events: Int16($0.isConnecting ? POLLOUT : POLLIN), revents: 0)
            }
            guard poll(&polled, nfds_t(polled.count), left) > 0 else { return false }
            var rest: [Open] = []
            var isAnswered = false
            for (each, result) in zip(open, polled) {
                guard result.revents != 0 else {
                    rest.append(each)
                    continue
                }
                isAnswered = isAnswered || (each.isConnecting ? isThere(each.socket) : isEchoReply(each))
                close(each.socket)
            }
            open = rest
            if isAnswered { return true }
        }
        return false
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
