import Foundation
import Synchronization

/// Packets from somebody who is up to no good, as many as are asked for, from a leaf of the lab over IPv4.
public final class HostileFlood: Sendable {
    /// What is wrong with a packet; the rest of it is as a router of that version takes it.
    public enum Kind: Sendable, CaseIterable {
        /// About another virtual router.
        case wrongVirtualRouterID
        /// TTL 64: it could have come over a router.
        case wrongHopLimit
        /// Version 2 with another password.
        case wrongPassword
        case badChecksum
        /// Cut off in its middle.
        case truncated
        /// Nothing is wrong but who sends it: for routers that have peers.
        case lowerPriority
        /// The same, and it would win.
        case higherPriority
    }

    /// Whom it is against.
    public struct Target: Sendable {
        /// 2 or 3.
        public var version: UInt8 = 3
        /// Its number.
        public var virtualRouterID: UInt8 = 51
        /// Whole seconds for version 2, hundredths for version 3.
        public var wireInterval: UInt16 = 10
        /// What it stands for.
        public var address: [UInt8] = [198, 51, 100, 100]
        /// Version 2: its password; nil for no authentication.
        public var password: String?
        /// Where the packets go.
        public var destination: [UInt8] = [224, 0, 0, 18]

        /// Version 3 at 100 ms, VRID 51, 198.51.100.100, multicast.
        public init() {}
    }

    private let isStopping = Atomic(false)
    private let sentCount = Atomic(0)
    private struct Course {
        var started: ContinuousClock.Instant?
        var ended: ContinuousClock.Instant?
        var error: String?
    }
    private let state = Mutex(Course())

    /// Starts to send `kinds` in turn.
    public init(
        _ lab: NetworkLab, from leaf: NetworkLab.Leaf, kinds: [Kind], at target: Target = Target(),
        packetsPerSecond: Int = 100_000
    ) async throws {
        let source: [UInt8] = [198, 51, 100, UInt8(leaf.number)]
        let packets = kinds.map { Self.datagram($0, source: source, at: target) }
        let path = "/run/netns/\(leaf.namespace)"
        Thread.detachNewThread { [self] in
            // This thread is nobody else's, and ends with the flood: it may leave the namespace of the others.
            do {
                let socket = try Self.socket(inNamespace: path)
                state.withLock { $0.started = .now }
                send(packets, on: socket, to: target.destination, packetsPerSecond)
                close(socket)
            } catch {
                state.withLock { $0.error = "\(error)" }
            }
            state.withLock { $0.ended = .now }
        }
        try await waitUntil("the flood flows") {
            if let error = state.withLock({ $0.error }) { throw LabError.malformed(error) }
            return sent > 0
        }
    }

    /// Packets sent so far.
    public var sent: Int { sentCount.load(ordering: .relaxed) }

    /// Ends it; returns how many packets there were in a second.
    public func stop() async throws -> Double {
        isStopping.store(true, ordering: .relaxed)
        let (started, ended) = try await waitFor("the flood ends") {
            state.withLock { state in state.ended.map { (state.started ?? $0, $0) } }
        }
        return Double(sent) / ((ended - started) / .seconds(1))
    }

    private func send(_ packets: [[UInt8]], on socket: Int32, to destination: [UInt8], _ packetsPerSecond: Int) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = destination.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        let start = ContinuousClock.now
        var (count, sent) = (0, 0)
        while !isStopping.load(ordering: .relaxed) {
            // What is due by now, in portions, so that the rate is kept whatever the scheduler does.
            let due = Int((ContinuousClock.now - start) / .seconds(1) * Double(packetsPerSecond))
            if count >= due { usleep(200) }
            for _ in 0..<min(max(due - count, 0), 1000) {
                let packet = packets[count % packets.count]
                let result = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(socket, packet, packet.count, Int32(MSG_DONTWAIT), $0, 16)
                    }
                }
                if result > 0 { sent += 1 }
                count += 1
            }
            sentCount.store(sent, ordering: .relaxed)
        }
    }

    /// A raw socket of the namespace, for packets with their IP header.
    private static func socket(inNamespace path: String) throws -> Int32 {
        // Glibc declares it for _GNU_SOURCE alone.
        typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
        guard let symbol = dlsym(nil, "setns") else { throw LabError.noProgram("setns()") }
        let file = open(path, O_RDONLY)
        defer { close(file) }
        let cloneNewNetwork: Int32 = 0x4000_0000
        guard file >= 0, unsafeBitCast(symbol, to: SetNamespace.self)(file, cloneNewNetwork) == 0 else {
            throw LabError.malformed("setns \(path): \(String(cString: strerror(errno)))")
        }
        // IPPROTO_RAW: the header is ours.
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_RAW.rawValue), 255)
        // Without a route of its own, a multicast packet leaves by the interface that the socket is bound to.
        guard descriptor >= 0, setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4) == 0 else {
            throw LabError.malformed("socket: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    /// A whole IPv4 packet. The kernel fills in the length, the id and the header's checksum.
    private static func datagram(_ kind: Kind, source: [UInt8], at target: Target) -> [UInt8] {
        var message = message(kind, source: source, at: target)
        if kind == .truncated { message = Array(message.prefix(6)) }
        let header: [UInt8] = [0x45, 0xc0, 0, 0, 0, 0, 0, 0, kind == .wrongHopLimit ? 64 : 255, 112, 0, 0]
        return header + source + target.destination + message
    }

    private static func message(_ kind: Kind, source: [UInt8], at target: Target) -> [UInt8] {
        let id = kind == .wrongVirtualRouterID ? target.virtualRouterID % 255 + 1 : target.virtualRouterID
        let priority: UInt8 = kind == .lowerPriority ? 1 : 254
        let isV2 = target.version == 2
        let password = kind == .wrongPassword ? "hostile!" : target.password
        let interval: [UInt8] =
            isV2
            ? [password == nil ? 0 : 1, UInt8(target.wireInterval)]
            : [UInt8(target.wireInterval >> 8), UInt8(target.wireInterval & 0xff)]
        var message = [target.version << 4 | 1, id, priority, 1] + interval + [0, 0] + target.address
        if isV2 { message += Array((Array((password ?? "").utf8) + [UInt8](repeating: 0, count: 8)).prefix(8)) }
        // Version 3 has a pseudo-header: addresses, protocol, length.
        let pseudo = isV2 ? [] : source + target.destination + [0, 112, 0, UInt8(message.count)]
        let sum = checksum(pseudo + message) ^ (kind == .badChecksum ? 0x5555 : 0)
        message[6] = UInt8(sum >> 8)
        message[7] = UInt8(sum & 0xff)
        return message
    }

    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count - 1, by: 2) {
            sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
        }
        while sum > 0xffff { sum = (sum & 0xffff) + sum >> 16 }
        return ~UInt16(sum)
    }
}

extension HostileFlood {
    /// Floods the routers on leaves 1 and 2 from leaf 3, with 100,000 packets a second in all: by the group, or each of them
    /// by unicast.
    public static func onPair(
        _ kinds: [Kind], version: UInt8, isUnicast: Bool, in lab: NetworkLab, _ plan: SegmentPlan
    ) async throws -> [HostileFlood] {
        var target = Target()
        target.version = version
        target.wireInterval = version == 2 ? 1 : 10
        target.password = plan.password
        let victims: [[UInt8]] = isUnicast ? [[198, 51, 100, 1], [198, 51, 100, 2]] : [[224, 0, 0, 18]]
        var floods: [HostileFlood] = []
        for victim in victims {
            target.destination = victim
            floods.append(
                try await HostileFlood(
                    lab, from: lab[3], kinds: kinds, at: target, packetsPerSecond: 100_000 / victims.count))
        }
        return floods
    }
}
