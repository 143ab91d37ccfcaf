internal import CLinuxNet
internal import Glibc
public import VRRP

/// Hears every VRRP packet that passes an interface, whoever it is for: also what this machine sends itself, and unicast.
/// A packet socket (packet(7)) as packet analysers use it; it sends nothing, and joins the groups on the link layer alone.
/// Needs CAP_NET_RAW.
public struct SegmentListener: ~Copyable {
    private let socket: Descriptor
    private let interface: String
    private static let size = 2048

    /// Opens it; the interface may be down.
    public init(interface link: Link) throws(SystemCallError) {
        interface = link.name
        let attempt = SystemCallError.Attempt.openListener(interface: link.name)
        // Nothing is received before the filter is attached and the socket bound.
        let socket = try Descriptor.socket(AF_PACKET, SOCK_DGRAM, protocol: 0, attempt)
        if let code = Self.filter.attach(to: socket) { throw SystemCallError(attempt, code) }
        var request = packet_mreq()
        request.mr_ifindex = link.index.rawValue
        request.mr_type = UInt16(PACKET_MR_ALLMULTI)
        if let code = socket.set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request) { throw SystemCallError(attempt, code) }
        socket.requestReceiveBuffer(4 << 20)
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = UInt16(ETH_P_ALL).bigEndian
        address.sll_ifindex = link.index.rawValue
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
        guard result == 0 else { throw SystemCallError(attempt, .current) }
        self.socket = socket
    }

    /// Readable while there are packets; for `EventLoop.register`.
    public var fd: Int32 { socket.raw }

    /// Hands over at most `limit` packets that wait: the message without IP header, and what the header says. Never waits.
    /// An error is one that the kernel had noted; the socket goes on.
    public func receive(
        limit: Int = 256, _ body: (_ message: Span<UInt8>, _ header: IPHeader) -> Void
    ) throws(SystemCallError) {
        var buffer = [UInt8](repeating: 0, count: Self.size)
        for _ in 0..<limit {
            let count = recv(socket.raw, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else {
                let code = ErrorNumber.current
                if code == .wouldBlock || code == .interrupted { return }
                throw SystemCallError(.receiveAdvertisement(interface: interface), code)
            }
            let packet = buffer.span.extracting(first: count)
            guard let header = IPHeader(packet), header.payloadProtocol == IPHeader.vrrp else { continue }
            body(packet.extracting(header.payload), header)
        }
    }

    /// Protocol 112 behind an IPv4 header, or next header 112 in an IPv6 header.
    private static let filter = PacketFilter(instructions: [
        PacketFilter.Instruction(
            code: BPF_LD | BPF_H | BPF_ABS, operand: UInt32(bitPattern: SKF_AD_OFF + SKF_AD_PROTOCOL)),
        .ifEqual(UInt32(ETH_P_IP), skip: 0, else: 3),
        .loadByte(fromIPHeader: 9),
        .ifEqual(UInt32(IPHeader.vrrp), skip: 3),
        .verdict(false),
        .ifEqual(UInt32(ETH_P_IPV6), skip: 2),
        .verdict(false),
        .verdict(true),
        .loadByte(fromIPHeader: 6),
        .ifEqual(UInt32(IPHeader.vrrp), skip: 1),
        .verdict(false),
        .verdict(true),
    ])
}
