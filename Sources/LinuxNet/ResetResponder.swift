internal import CLinuxNet
internal import Glibc
internal import Synchronization
internal import VRRP

/// Answers TCP segments to IPv4 addresses that have just been removed from an interface with resets.
///
/// A client whose connection was reset connects again at once. For some milliseconds its neighbour table still points here; a
/// segment to an address that is nobody's would be dropped silently, and repeated by the client's kernel after a second. The
/// reset makes the client try again, and find the node that has the address now. It has a thread of its own, for the kernel
/// takes up to 20 ms to close such a socket; needs CAP_NET_RAW.
final class ResetResponder: Sendable {
    /// How long it answers. All neighbours have heard of the other node by then.
    private static let span: Duration = .seconds(1)
    /// Packets in all, for a flood shall cost little. Who gets no answer then, tries again after a second, as without this.
    private static let most = 4096
    /// The kernel takes programs with jumps of up to 255 instructions.
    private static let mostAddresses = 200
    /// The longest IPv4 header and the fixed part of TCP's.
    private static let size = 80

    /// Ends a responder, from any thread. Not the responder itself: the last owner of that one closes its socket.
    final class Switch: Sendable {
        let addresses: Set<IPAddress>
        /// When it is over in any case.
        let end = ContinuousClock.now + ResetResponder.span
        fileprivate let isOver = Mutex(false)
        fileprivate let stopper: Descriptor

        fileprivate init(_ addresses: [IPAddress]) throws(SystemCallError) {
            self.addresses = Set(addresses)
            stopper = try .eventCounter()
        }

        /// Nothing is answered any more from the moment that this returns.
        func turnOff() {
            isOver.withLock { $0 = true }
            stopper.signal()
        }
    }

    let control: Switch
    let interfaceName: String
    private let interface: InterfaceIndex
    private let socket: Descriptor

    /// Begins to collect segments; `run` answers them.
    init(_ addresses: [IPAddress], on link: Link) throws(SystemCallError) {
        let attempt = SystemCallError.Attempt.openResetResponder(interface: link.name)
        // Nothing is received before the filter is attached and the socket bound.
        socket = try Descriptor.socket(AF_PACKET, SOCK_DGRAM, protocol: 0, attempt)
        control = try Switch(addresses)
        interface = link.index
        interfaceName = link.name
        if let code = Self.filter(addresses).attach(to: socket) { throw SystemCallError(attempt, code) }
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

    /// Answers, and returns after a second, or earlier: when it was ended, has answered enough, or its interface is gone.
    func run() {
        var buffer = [UInt8](repeating: 0, count: Self.size)
        var left = Self.most
        while left > 0 {
            let pause = control.end - .now
            guard pause > .zero else { return }
            var entries = [socket.raw, control.stopper.raw].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            poll(&entries, 2, Int32(pause / .milliseconds(1)) + 1)
            guard entries[0].revents != 0 else {
                if entries[1].revents != 0 { return }
                continue
            }
            left -= 1
            guard receive(&buffer) else { return }
        }
    }

    /// Answers the next segment, if one waits.
    private func receive(_ buffer: inout [UInt8]) -> Bool {
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
        return control.isOver.withLock { isOver in
            if !isOver { answer(buffer.span.extracting(first: count), from: sender) }
            return !isOver
        }
    }

    /// Only what is for this host on the link layer, too: with a switch that does not know where the other node is yet,
    /// its segments come by here.
    private func answer(_ segment: Span<UInt8>, from sender: sockaddr_ll) {
        guard Int(sender.sll_pkttype) == Int(PACKET_HOST), let packet = TCPReset.answer(to: segment) else { return }
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
    private let complain: (SystemCallError, _ interface: String) -> Void
    private var hasComplained = false
    private var running: [(control: ResetResponder.Switch, thread: HeartbeatThread)] = []

    /// `complain` is called once at most.
    init(complain: @escaping (SystemCallError, _ interface: String) -> Void) { self.complain = complain }

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
        running.removeAll { $0.control.end <= .now }
        // As punctual as the thread that gives the address away, and never in its way: a client waits for the answer.
        let realTime = RealTime.presentPriority.map { RealTime.Settings(priority: max($0 - 1, 1)) }
        for responder in opened {
            do throws(SystemCallError) {
                let thread = try HeartbeatThread.start(name: "resets", realTime: realTime) { _ in responder.run() }
                running.append((responder.control, thread))
            } catch {
                complainOnce(error, responder.interfaceName)
            }
        }
    }

    /// Ends those that answer for an address which is there again.
    func end(_ address: VirtualAddress) {
        running.removeAll { entry in
            guard entry.control.addresses.contains(address.address) else { return false }
            entry.control.turnOff()
            return true
        }
    }

    /// Ends all.
    func end() {
        for entry in running { entry.control.turnOff() }
        finish()
    }

    /// Waits until all have had their time.
    func finish() {
        for entry in running { entry.thread.join() }
        running = []
    }

    private func complainOnce(_ error: SystemCallError, _ interface: String) {
        if !hasComplained { complain(error, interface) }
        hasComplained = true
    }
}
