internal import CLinuxNet
internal import Glibc
internal import VRRP

/// How a raw socket for VRRP is opened.
struct VRRPSocketSetup {
    let family: AddressFamily
    let interface: InterfaceIndex
    let peers: [IPAddress]
    let virtualRouterIDs: [VirtualRouterID]
    let minimumHopLimit: UInt8

    /// The protocol's number (RFC 9568 §5.1.1.4).
    private static let vrrp: Int32 = 112

    /// Opens the socket for one of the two queues.
    func open(_ lane: PacketFilter.Lane, buffer: Int32) throws(SystemCallError) -> Descriptor {
        // Binding to a number that no interface has is no error to the kernel.
        let name = try interface.name(for: .openVRRPSocket(family, interface: "interface \(interface.rawValue)"))
        let socket = try Descriptor.socket(
            family.domain, SOCK_RAW, protocol: Self.vrrp, .openVRRPSocket(family, interface: name))
        // From its first moment on it queues packets of protocol 112 from everywhere. Those that came before it is
        // closed to them are thrown away.
        try check(PacketFilter.nothing.attach(to: socket), "SO_ATTACH_FILTER")
        var byte: UInt8 = 0
        while recv(socket.raw, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 {}
        try bind(socket)
        try family == .ipv4 ? setIPv4(socket) : setIPv6(socket)
        try setQueue(of: socket)
        socket.requestReceiveBuffer(buffer)
        let filter = PacketFilter(
            lane, family: family, virtualRouterIDs: virtualRouterIDs, peers: peers, minimumHopLimit: minimumHopLimit)
        try check(filter.attach(to: socket), "SO_ATTACH_FILTER")
        return socket
    }

    /// Only packets of this interface come in, and only by it they go out. Not by bind(2): an address there would keep
    /// multicast packets out.
    private func bind(_ socket: borrowing Descriptor) throws(SystemCallError) {
        let option = Int32(CLINUXNET_SO_BINDTOIFINDEX)
        try check(socket.set(SOL_SOCKET, option, interface.rawValue), "SO_BINDTOIFINDEX")
    }

    /// Before other traffic of this machine: 6, the highest that needs no right. Last, because IP_TOS changes it as well.
    private func setQueue(of socket: borrowing Descriptor) throws(SystemCallError) {
        try check(socket.set(SOL_SOCKET, SO_PRIORITY, Int32(6)), "SO_PRIORITY")
    }

    private func setIPv4(_ socket: borrowing Descriptor) throws(SystemCallError) {
        let ip = Int32(IPPROTO_IP)
        // DSCP CS6, network control.
        try check(socket.set(ip, IP_TOS, Int32(0xc0)), "IP_TOS")
        try check(socket.set(ip, IP_TTL, Int32(255)), "IP_TTL")
        try check(socket.set(ip, IP_MULTICAST_TTL, Int32(255)), "IP_MULTICAST_TTL")
        try check(socket.set(ip, IP_MULTICAST_LOOP, Int32(0)), "IP_MULTICAST_LOOP")
        // Without this, groups that any other program has joined are delivered here as well (ip(7)).
        try check(socket.set(ip, IP_MULTICAST_ALL, Int32(0)), "IP_MULTICAST_ALL")
        guard peers.isEmpty, case .v4(let group) = IPAddress.vrrpGroup(.ipv4) else { return }
        var membership = ip_mreqn()
        membership.imr_ifindex = interface.rawValue
        try check(socket.set(ip, IP_MULTICAST_IF, membership), "IP_MULTICAST_IF")
        membership.imr_multiaddr = in_addr(group)
        try checkJoin(socket.set(ip, IP_ADD_MEMBERSHIP, membership))
    }

    private func setIPv6(_ socket: borrowing Descriptor) throws(SystemCallError) {
        let ip = Int32(IPPROTO_IPV6)
        try check(socket.set(ip, IPV6_TCLASS, Int32(0xc0)), "IPV6_TCLASS")
        try check(socket.set(ip, IPV6_UNICAST_HOPS, Int32(255)), "IPV6_UNICAST_HOPS")
        try check(socket.set(ip, IPV6_MULTICAST_HOPS, Int32(255)), "IPV6_MULTICAST_HOPS")
        try check(socket.set(ip, IPV6_MULTICAST_LOOP, Int32(0)), "IPV6_MULTICAST_LOOP")
        try check(socket.set(ip, IPV6_MULTICAST_ALL, Int32(0)), "IPV6_MULTICAST_ALL")
        try check(socket.set(ip, IPV6_RECVHOPLIMIT, Int32(1)), "IPV6_RECVHOPLIMIT")
        try check(socket.set(ip, IPV6_RECVPKTINFO, Int32(1)), "IPV6_RECVPKTINFO")
        // IPV6_CHECKSUM stays off, as it is for this protocol: the kernel then neither fills checksums in nor drops
        // packets whose checksum is wrong, and the codec counts them.
        guard peers.isEmpty, case .v6(let high, let low) = IPAddress.vrrpGroup(.ipv6) else { return }
        try check(socket.set(ip, IPV6_MULTICAST_IF, interface.rawValue), "IPV6_MULTICAST_IF")
        let membership = ipv6_mreq(
            ipv6mr_multiaddr: in6_addr(high, low), ipv6mr_interface: UInt32(bitPattern: interface.rawValue))
        let failure = withUnsafeBytes(of: membership) { socket.set(ip, IPV6_ADD_MEMBERSHIP, bytes: $0) }
        try checkJoin(failure)
    }

    private func check(_ failure: ErrorNumber?, _ option: String) throws(SystemCallError) {
        guard let failure else { return }
        throw SystemCallError(.setOption(option, interface: interface.currentName), failure)
    }

    private func checkJoin(_ failure: ErrorNumber?) throws(SystemCallError) {
        guard let failure else { return }
        throw SystemCallError(.joinGroup(.vrrpGroup(family), interface: interface.currentName), failure)
    }
}
