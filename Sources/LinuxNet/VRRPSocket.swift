internal import CLinuxNet
internal import Glibc
public import VRRP

/// Raw sockets for protocol 112 on one interface: sends advertisements with TTL or hop limit 255, and receives those of
/// others, with the hop limit that they came with. One per interface, family, and multicast or unicast; it may serve
/// any number of virtual routers.
///
/// What is received: only what is about the given virtual routers, which the kernel decides (`PacketFilter`). Packets
/// that can be valid, because they come from this link (hop limit 255) and from one of the peers where there are any,
/// have a queue of several thousand packets to themselves. All others are rejected by the codec anyway: they have a
/// small queue of their own, of which at most 16 are read in a tenth of a second. So an operator hears of a misconfigured
/// router, while a flood of them neither displaces an advertisement nor costs time. Own packets do not come back.
///
/// An interface that is deleted and made again has another number: the socket must then be made anew. One that goes
/// down and up needs nothing. Works as root, with CAP_NET_RAW alone, and in a user namespace.
public struct VRRPSocket: ~Copyable {
    /// The interface.
    public let interface: InterfaceIndex
    /// IPv4 or IPv6.
    public let family: AddressFamily

    /// Both queues at once, and the pause.
    private let poll: Descriptor
    private let expected: Descriptor
    private let doubtful: Descriptor
    /// A timer: when doubtful packets may be read again.
    private let pause: Descriptor
    private var isPaused = false
    /// Doubtful packets read since the last pause. Not those of one call: a fast reader finds few at a time.
    private var doubtfulPackets = 0
    private var batch: ReceiveBatch

    /// Bytes: some ten thousand advertisements, as the kernel counts them (about 768 bytes each). In a user namespace
    /// net.core.rmem_max may allow less.
    private static let expectedBuffer: Int32 = 8 << 20
    private static let doubtfulBuffer: Int32 = 64 << 10
    /// Doubtful packets between two pauses of 100 ms.
    private static let doubtfulLimit = 16
    private static let doubtfulPause = 100_000_000

    /// Opens it. With `peers` it is unicast, and packets of others are doubtful; without, it joins 224.0.0.18 or ff02::12.
    /// Without `virtualRouterIDs` everything is received, for watching. The interface may be down.
    ///
    /// `minimumHopLimit`: what comes with less is doubtful; the codec has to be told the same.
    public init(
        family: AddressFamily, interface: InterfaceIndex, peers: [IPAddress] = [],
        virtualRouterIDs: [VirtualRouterID] = [], minimumHopLimit: UInt8 = 255
    ) throws(SystemCallError) {
        let setup = VRRPSocketSetup(
            family: family, interface: interface, peers: peers, virtualRouterIDs: virtualRouterIDs,
            minimumHopLimit: minimumHopLimit)
        let expected = try setup.open(.expected, buffer: Self.expectedBuffer)
        let doubtful = try setup.open(.doubtful, buffer: Self.doubtfulBuffer)
        let poll = try Descriptor(epoll_create1(Int32(EPOLL_CLOEXEC)), .openEventLoop)
        let pause = try Descriptor(
            timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK)), .openEventLoop)
        for descriptor in [expected.raw, doubtful.raw, pause.raw] {
            var event = epoll_event()
            event.events = EPOLLIN.rawValue
            guard epoll_ctl(poll.raw, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
                throw SystemCallError(.watchDescriptor(descriptor), .current)
            }
        }
        self.interface = interface
        self.family = family
        self.poll = poll
        self.expected = expected
        self.doubtful = doubtful
        self.pause = pause
        batch = ReceiveBatch()
    }

    /// Readable while there are packets; for `EventLoop.register`.
    public var fd: Int32 { poll.raw }

    /// Sends one message as it is (the checksum is the codec's), from this address of the interface. Never waits.
    ///
    /// Errors leave the socket as it is: `networkDown`, `networkUnreachable`, `addressNotAvailable` or `invalid` while the
    /// interface is down, or the source is not an address of this machine or still tentative (which of them differs by
    /// family and kernel); `noDevice` or `networkUnreachable` when the interface is gone; `notPermitted` when a packet
    /// filter refuses it; `noBuffers` and `wouldBlock` when a queue is full.
    public func send(
        _ message: [UInt8], from source: IPAddress, to destination: IPAddress
    ) throws(SystemCallError) {
        let sent: Int
        switch (source, destination) {
        case (.v4(let source), .v4(let destination)): sent = send(message, source, destination)
        case (.v6(let high, let low), .v6(let toHigh, let toLow)):
            sent = send(message, in6_addr(high, low), in6_addr(toHigh, toLow))
        case (.v4, .v6), (.v6, .v4):
            errno = EINVAL
            sent = -1
        }
        guard sent == message.count else {
            let code = sent < 0 ? ErrorNumber.current : .noBuffers
            let attempt = SystemCallError.Attempt.sendAdvertisement(
                from: source, to: destination, interface: interface.currentName)
            throw SystemCallError(attempt, code)
        }
    }

    private func send(_ message: [UInt8], _ source: UInt32, _ destination: UInt32) -> Int {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr = in_addr(destination)
        var information = in_pktinfo()
        information.ipi_ifindex = interface.rawValue
        information.ipi_spec_dst = in_addr(source)
        return clinuxnet_send(
            expected.raw, message, message.count, &address, socklen_t(MemoryLayout<sockaddr_in>.size),
            Int32(IPPROTO_IP), IP_PKTINFO, &information, MemoryLayout<in_pktinfo>.size)
    }

    private func send(_ message: [UInt8], _ source: in6_addr, _ destination: in6_addr) -> Int {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_addr = destination
        address.sin6_scope_id = UInt32(bitPattern: interface.rawValue)
        var information = clinuxnet_in6_pktinfo()
        information.ipi6_addr = source
        information.ipi6_ifindex = UInt32(bitPattern: interface.rawValue)
        return clinuxnet_send(
            expected.raw, message, message.count, &address, socklen_t(MemoryLayout<sockaddr_in6>.size),
            Int32(IPPROTO_IPV6), IPV6_PKTINFO, &information, MemoryLayout<clinuxnet_in6_pktinfo>.size)
    }

    /// Hands over what has been received, and returns how many packets there were: at most `limit` that can be valid; or,
    /// where there is none, at most 16 that cannot. Never waits; what remains keeps `fd` readable, or, of those that
    /// cannot be valid, makes it readable a tenth of a second later.
    ///
    /// `body` gets the VRRP message without the IP header; it is only valid during the call. An error is one that the
    /// kernel had noted on the socket; it is gone with being thrown, and the socket goes on.
    public mutating func receive(
        limit: Int = 256,
        _ body: (_ message: Span<UInt8>, _ source: IPAddress, _ destination: IPAddress, _ hopLimit: UInt8) -> Void
    ) throws(SystemCallError) -> Int {
        let valid = try receive(from: expected.raw, limit: limit, body)
        guard valid == 0 else { return valid }
        if isPaused {
            var expirations: UInt64 = 0
            guard read(pause.raw, &expirations, MemoryLayout<UInt64>.size) > 0 else { return 0 }
            setPaused(false)
        }
        let invalid = try receive(from: doubtful.raw, limit: Self.doubtfulLimit, body)
        doubtfulPackets += invalid
        if doubtfulPackets >= Self.doubtfulLimit { setPaused(true) }
        return invalid
    }

    /// While it is paused, the queue of doubtful packets does not make `fd` readable.
    private mutating func setPaused(_ isPaused: Bool) {
        var event = epoll_event()
        event.events = isPaused ? 0 : EPOLLIN.rawValue
        epoll_ctl(poll.raw, EPOLL_CTL_MOD, doubtful.raw, &event)
        if isPaused {
            doubtfulPackets = 0
            var setting = itimerspec()
            setting.it_value.tv_nsec = Self.doubtfulPause
            timerfd_settime(pause.raw, 0, &setting, nil)
        }
        self.isPaused = isPaused
    }

    private mutating func receive(
        from socket: Int32, limit: Int, _ body: (Span<UInt8>, IPAddress, IPAddress, UInt8) -> Void
    ) throws(SystemCallError) -> Int {
        var total = 0
        while total < limit {
            let wanted = min(limit - total, ReceiveBatch.capacity)
            switch batch.fill(from: socket, limit: wanted) {
            case .success(let count):
                for index in 0..<count { batch.read(index, family: family, body) }
                total += count
                if count < wanted { return total }
            case .failure(.wouldBlock), .failure(.interrupted):
                return total
            case .failure(let code):
                throw SystemCallError(.receiveAdvertisement(interface: interface.currentName), code)
            }
        }
        return total
    }

    /// How many packets that could have been valid were dropped because their queue was full, since the socket was made.
    public var overruns: UInt32 { drops(of: expected.raw) }

    /// How many packets that could not have been valid were dropped unseen, since the socket was made.
    public var doubtfulOverruns: UInt32 { drops(of: doubtful.raw) }

    private func drops(of socket: Int32) -> UInt32 {
        var numbers = [UInt32](repeating: 0, count: Int(CLINUXNET_SK_MEMINFO_VARS))
        var length = socklen_t(numbers.count * MemoryLayout<UInt32>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_MEMINFO, &numbers, &length) == 0 else { return 0 }
        return numbers[Int(CLINUXNET_SK_MEMINFO_DROPS)]
    }
}
