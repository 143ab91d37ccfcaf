internal import CLinuxNet
internal import Glibc
internal import VRRP

/// Answers TCP segments to IPv4 addresses that have just been removed from an interface with resets.
///
/// A client whose connection was reset connects again at once. For some milliseconds its neighbour table still points here; a
/// segment to an address that is nobody's would be dropped silently, and repeated by the client's kernel after a second. The
/// reset makes the client try again, and find the node that has the address now. It belongs to the loop's thread; needs
/// CAP_NET_RAW.
final class ResetResponder {
    /// How long it answers. All neighbours have heard of the other node by then.
    static let span: Duration = .seconds(1)
    /// Packets per call, and in all: a flood costs the heartbeat's thread no more than some milliseconds at a time, some tens
    /// all in all. Who gets no answer then, tries again after a second, as without this.
    private static let (batch, most) = (32, 4096)
    /// The kernel takes programs with jumps of up to 255 instructions.
    private static let mostAddresses = 200
    /// The longest IPv4 header and the fixed part of TCP's.
    private static let size = 80

    let addresses: Set<IPAddress>
    let interfaceName: String
    private let interface: InterfaceIndex
    private let socket: Descriptor
    private let timer: Descriptor
    private var left = most
    private var buffer = [UInt8](repeating: 0, count: size)

    /// Begins to collect segments; `receive` answers them. Its time begins now.
    init(_ addresses: [IPAddress], on link: Link) throws(SystemCallError) {
        let attempt = SystemCallError.Attempt.openResetResponder(interface: link.name)
        // Nothing is received before the filter is attached and the socket bound.
        socket = try Descriptor.socket(AF_PACKET, SOCK_DGRAM, protocol: 0, attempt)
        timer = try Descriptor(
            timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK)), attempt)
        interface = link.index
        interfaceName = link.name
        self.addresses = Set(addresses)
        if let code = Self.filter(addresses).attach(to: socket) { throw SystemCallError(attempt, code) }
        var setting = itimerspec()
        setting.it_value.tv_sec = Int(Self.span.components.seconds)
        guard timerfd_settime(timer.raw, 0, &setting, nil) == 0 else { throw SystemCallError(attempt, .current) }
        var place = sockaddr_ll()
        place.sll_family = UInt16(AF_PACKET)
        place.sll_protocol = UInt16(ETH_P_IP).bigEndian
        place.sll_ifindex = link.index.rawValue
        let result = withUnsafePointer(to: &place) { place in
            place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
        guard result == 0 else { throw SystemCallError(attempt, .current) }
    }

    /// Readable while segments wait.
    var fd: Int32 { socket.raw }
    /// Readable once its time is over.
    var timerDescriptor: Int32 { timer.raw }

    /// Answers some of the segments that wait. False: it has answered enough, or its interface is gone.
    func receive() -> Bool {
        for _ in 0..<Self.batch {
            var sender = sockaddr_ll()
            let count = withUnsafeMutablePointer(to: &sender) { sender in
                sender.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    var length = socklen_t(MemoryLayout<sockaddr_ll>.size)
                    return recvfrom(socket.raw, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &length)
                }
            }
            guard count >= 0 else {
                let code = ErrorNumber.current
                return code == .wouldBlock || code == .interrupted
            }
            guard left > 0 else { return false }
            left -= 1
            answer(count, from: sender)
        }
        return true
    }

    /// Only what is for this host on the link layer, too: with a switch that does not know where the other node is yet,
    /// its segments come by here.
    private func answer(_ count: Int, from sender: sockaddr_ll) {
        guard Int(sender.sll_pkttype) == Int(PACKET_HOST),
            let packet = TCPReset.answer(to: buffer.span.extracting(first: count))
        else { return }
        var receiver = sockaddr_ll()
        receiver.sll_family = UInt16(AF_PACKET)
        receiver.sll_protocol = UInt16(ETH_P_IP).bigEndian
        receiver.sll_ifindex = interface.rawValue
        receiver.sll_halen = sender.sll_halen
        receiver.sll_addr = sender.sll_addr
        withUnsafePointer(to: &receiver) { receiver in
            receiver.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                // An answer that does not get out is as one that was lost on the way.
                _ = sendto(
                    socket.raw, packet, packet.count, Int32(MSG_DONTWAIT), $0,
                    socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
    }

    /// TCP in byte 9 of the IPv4 header, and one of the addresses from byte 16 on.
    private static func filter(_ addresses: [IPAddress]) -> PacketFilter {
        var values: [UInt32] = []
        for address in addresses.prefix(mostAddresses) {
            if case .v4(let value) = address { values.append(value) }
        }
        var program: [PacketFilter.Instruction] = [
            .loadByte(fromIPHeader: 9), .ifEqual(UInt32(TCPReset.protocolNumber), skip: 1), .verdict(false),
            .loadWord(fromIPHeader: 16),
        ]
        for (index, value) in values.enumerated() {
            // To behind the verdict after the last comparison.
            program.append(.ifEqual(value, skip: UInt8(truncatingIfNeeded: values.count - index)))
        }
        return PacketFilter(instructions: program + [.verdict(false), .verdict(true)])
    }
}

/// The reset responders of a loop.
final class ResetResponders {
    private let loop: EventLoop
    private let complain: (SystemCallError, _ interface: String) -> Void
    private var hasComplained = false
    private var running: [ResetResponder] = []

    /// `complain` is called once at most.
    init(_ loop: EventLoop, complain: @escaping (SystemCallError, _ interface: String) -> Void) {
        self.loop = loop
        self.complain = complain
    }

    /// Opens them before the addresses are removed, so that no segment falls in between. Nothing is answered before `start`:
    /// until the removal, the kernel does it.
    func open(
        for addresses: [VirtualAddress], interface: String, _ network: Network
    ) -> [ResetResponder] {
        let ours = addresses.filter { $0.address.family == .ipv4 }
        var opened: [ResetResponder] = []
        for name in Set(ours.map { $0.interface ?? interface }) {
            let concerned = ours.filter { ($0.interface ?? interface) == name }.map(\.address)
            do throws(SystemCallError) {
                guard let link = try network.link(name) else { continue }
                opened.append(try ResetResponder(concerned, on: link))
            } catch {
                complainOnce(error, name)
            }
        }
        return opened
    }

    /// From now on, they answer.
    func start(_ opened: [ResetResponder]) {
        for responder in opened {
            running.append(responder)
            do throws(SystemCallError) {
                try loop.register(responder.timerDescriptor) { [unowned self, unowned responder] in end(responder) }
                try loop.register(responder.fd) { [unowned self, unowned responder] in
                    if !responder.receive() { end(responder) }
                }
            } catch {
                end(responder)
                complainOnce(error, responder.interfaceName)
            }
        }
    }

    /// Ends those that answer for an address which is there again.
    func end(_ address: VirtualAddress) {
        for responder in running where responder.addresses.contains(address.address) { end(responder) }
    }

    /// Ends all.
    func end() {
        for responder in running { end(responder) }
    }

    private func end(_ responder: ResetResponder) {
        loop.unregister(responder.fd)
        loop.unregister(responder.timerDescriptor)
        running.removeAll { $0 === responder }
    }

    private func complainOnce(_ error: SystemCallError, _ interface: String) {
        if !hasComplained { complain(error, interface) }
        hasComplained = true
    }
}
