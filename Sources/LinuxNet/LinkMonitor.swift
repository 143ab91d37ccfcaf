internal import CLinuxNet
internal import Glibc

/// What the kernel says has changed about interfaces and addresses.
public enum NetworkChange: Sendable, Hashable {
    /// There is a new interface, or something about one has changed: up, down, carrier, name, address. Also sent where
    /// nothing that `Link` shows has changed.
    case link(Link)
    /// An interface is gone. One that comes back under its name has another number.
    case linkRemoved(Link)
    /// An interface has got an address, or something about it has changed, such as its lifetime. Renewing the lifetime
    /// of a virtual address causes one.
    case addressAdded(InterfaceAddress)
    /// An interface has lost an address: by somebody's command, by the end of its lifetime, or with the interface.
    case addressRemoved(InterfaceAddress)
    /// There was more than could be kept, and some of it is lost: ask `Netlink` how things are now.
    case overrun
}

/// Hears from the kernel as interfaces and addresses change, of all interfaces of a network namespace (the rtnetlink
/// groups LINK, IPV4_IFADDR and IPV6_IFADDR). Needs no rights.
///
/// To miss nothing, open the monitor first, and then ask `Netlink` how things are.
public struct LinkMonitor: ~Copyable {
    private let socket: Descriptor
    private let buffer: UnsafeMutableRawBufferPointer

    /// Opens it, in the network namespace of the calling thread. `receiveBuffer`: bytes; how much can wait, about 1 KiB
    /// per change.
    public init(receiveBuffer: Int32 = 1 << 20) throws(SystemCallError) {
        let socket = try Descriptor.socket(AF_NETLINK, SOCK_RAW, protocol: NETLINK_ROUTE, .openNetlink)
        socket.requestReceiveBuffer(receiveBuffer)
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = UInt32(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard result == 0 else { throw SystemCallError(.openNetlink, .current) }
        self.socket = socket
        buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// Readable while there are changes; for `EventLoop.register`.
    public var fd: Int32 { socket.raw }

    /// What has changed, in order, from at most `limit` datagrams; what remains keeps `fd` readable. Never waits. Empty
    /// where nothing has changed that concerns us.
    public func receive(limit: Int = 64) throws(SystemCallError) -> [NetworkChange] {
        var changes: [NetworkChange] = []
        for _ in 0..<limit {
            var sender = sockaddr_nl()
            var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
            let count = withUnsafeMutablePointer(to: &sender) { sender in
                sender.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(
                        socket.raw, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT) | Int32(MSG_TRUNC), $0,
                        &length)
                }
            }
            guard count >= 0 else {
                switch ErrorNumber.current {
                case .wouldBlock: return changes
                case .interrupted: continue
                case .noBuffers:
                    changes.append(.overrun)
                    continue
                case let code: throw SystemCallError(.monitorInterfaces, code)
                }
            }
            // Other processes can send here; only the kernel has port 0.
            guard sender.nl_pid == 0 else { continue }
            if count > buffer.count {
                changes.append(.overrun)
            } else {
                NetlinkMessage.forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { message in
                    if let change = NetworkChange(message) { changes.append(change) }
                }
            }
        }
        return changes
    }
}

extension NetworkChange {
    fileprivate init?(_ message: NetlinkMessage) {
        switch Int(message.type) {
        case RTM_NEWLINK:
            guard let link = Link(message) else { return nil }
            self = .link(link)
        case RTM_DELLINK:
            guard let link = Link(message) else { return nil }
            self = .linkRemoved(link)
        case RTM_NEWADDR:
            guard let address = InterfaceAddress(message) else { return nil }
            self = .addressAdded(address)
        case RTM_DELADDR:
            guard let address = InterfaceAddress(message) else { return nil }
            self = .addressRemoved(address)
        default: return nil
        }
    }
}
