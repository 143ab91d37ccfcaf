internal import CLinuxNet
internal import Glibc

/// Sends whole Ethernet frames on one interface: gratuitous ARP and unsolicited neighbour advertisements. Receives
/// nothing (protocol 0, packet(7)). Needs CAP_NET_RAW.
public struct AnnouncementSocket: ~Copyable {
    /// The interface.
    public let interface: InterfaceIndex
    private let socket: Descriptor

    /// Opens it; the interface may be down.
    public init(interface: InterfaceIndex) throws(SystemCallError) {
        let name = try interface.name(for: .openAnnouncementSocket(interface: "interface \(interface.rawValue)"))
        let socket = try Descriptor.socket(
            AF_PACKET, SOCK_RAW, protocol: 0, .openAnnouncementSocket(interface: name))
        _ = socket.set(SOL_SOCKET, SO_PRIORITY, Int32(6))
        self.interface = interface
        self.socket = socket
    }

    /// Sends one frame: destination, source, type, content. Never waits. Errors leave the socket as it is: `networkDown`
    /// while the interface is down, `noDeviceOrAddress` when it is gone, `invalid` for less than an Ethernet header.
    public func send(_ frame: [UInt8]) throws(SystemCallError) {
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_ifindex = interface.rawValue
        if frame.count >= 14 {
            // The type, as the frame has it: in network byte order.
            address.sll_protocol = frame.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 12, as: UInt16.self) }
        }
        let sent = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    socket.raw, frame, frame.count, Int32(MSG_DONTWAIT), $0,
                    socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
        guard sent == frame.count else {
            let code = sent < 0 ? ErrorNumber.current : .noBuffers
            throw SystemCallError(.announce(interface: interface.currentName), code)
        }
    }
}
