internal import Glibc
internal import VRRP

/// Interfaces and addresses of this machine, for a `RouterLoop`: asks and changes them, and learns of changes.
/// Belongs to the loop's thread.
final class Network {
    /// What changed.
    struct Changes {
        /// Interfaces, or addresses that are not virtual: look again.
        var concernsInterfaces = false
        /// Virtual addresses that were removed somewhere; after an overrun, all of them may have been.
        var removed: Set<IPAddress> = []
        /// Interfaces that were deleted or moved away, even if they are back; after an overrun, all of them may have been.
        var gone: Set<String> = []
        /// Interfaces that can be used, and could not when last heard of.
        var returned: Set<String> = []
        /// Interfaces that have another link-layer address than before.
        var readdressed: Set<String> = []
    }

    private var netlink: Netlink
    private var monitor: LinkMonitor
    /// Interfaces by name, as the monitor keeps them.
    private var links: [String: Link] = [:]
    private var announcers: [InterfaceIndex: Announcer] = [:]
    /// Where addresses were put last, by the name that the interface had then: it may have been renamed since.
    private var places: [String: InterfaceIndex] = [:]

    /// Addresses as they were put on interfaces, and whether without a route: renewing many must not take long. Forgotten
    /// with every change of addresses but a renewal.
    private var routeless: [Placement: Bool] = [:]

    private struct Placement: Hashable {
        var address: VirtualAddress
        var interface: InterfaceIndex
    }

    /// A socket that can be kept in a dictionary.
    private final class Announcer {
        let socket: AnnouncementSocket

        init(_ interface: InterfaceIndex) throws(SystemCallError) {
            socket = try AnnouncementSocket(interface: interface)
        }
    }

    init() throws(SystemCallError) {
        // The monitor first: what changes between the two is seen twice instead of never.
        monitor = try LinkMonitor()
        netlink = try Netlink()
    }

    /// Readable while there are changes.
    var monitorDescriptor: Int32 { monitor.fd }

    /// The interface of this name; nil where there is none.
    func link(_ name: String) throws(SystemCallError) -> Link? {
        if let known = links[name] { return known }
        let found = try netlink.link(named: name)
        links[name] = found
        return found
    }

    /// The addresses of an interface.
    func addresses(of interface: InterfaceIndex) throws(SystemCallError) -> [InterfaceAddress] {
        try netlink.addresses(of: interface)
    }

    /// Whether an interface has an address.
    func has(_ address: IPAddress, on interface: String) throws(SystemCallError) -> Bool {
        guard let link = try link(interface) else { return false }
        return try addresses(of: link.index).contains { $0.address == address }
    }

    /// What changed since the last time. That virtual addresses came, or were renewed, is our own doing.
    func takeChanges(ignoring virtual: Set<IPAddress>) throws(SystemCallError) -> Changes {
        var changes = Changes()
        for change in try monitor.receive() {
            switch change {
            case .link(let link):
                changes.concernsInterfaces = true
                if link.isUsable, links[link.name]?.isUsable != true { changes.returned.insert(link.name) }
                if let known = links[link.name], known.index == link.index, known.mac != link.mac {
                    changes.readdressed.insert(link.name)
                }
                // One that was renamed leaves its name.
                links = links.filter { $0.value.index != link.index }
                links[link.name] = link
            case .linkRemoved(let link):
                changes.concernsInterfaces = true
                changes.gone.insert(link.name)
                links = links.filter { $0.value.index != link.index }
                announcers[link.index] = nil
                netlink.promoting.remove(link.index)
                routeless = [:]
            case .addressAdded(let address):
                if !virtual.contains(address.address) {
                    changes.concernsInterfaces = true
                    routeless = [:]
                }
            case .addressRemoved(let address):
                routeless = [:]
                if virtual.contains(address.address) {
                    changes.removed.insert(address.address)
                } else {
                    changes.concernsInterfaces = true
                }
            case .overrun:
                changes.gone.formUnion(links.keys)
                (links, routeless) = ([:], [:])
                changes.concernsInterfaces = true
                changes.removed = virtual
            }
        }
        return changes
    }

    /// Adds an address, or renews its lifetime.
    func add(_ address: VirtualAddress, to interface: String, lifetime: Duration) throws(SystemCallError) {
        guard let link = try link(interface) else { throw SystemCallError(.findInterface(interface), .noDevice) }
        places[interface] = link.index
        let placement = Placement(address: address, interface: link.index)
        let known = routeless.removeValue(forKey: placement)
        let isRouteless =
            if let known { known } else {
                try netlink.makeRoom(
                    for: address, on: link.index,
                    isCovered: routeless.keys.contains { $0.interface == link.index && $0.address.covers(address) })
            }
        try netlink.put(address, on: link.index, lifetime: lifetime, isRouteless: isRouteless)
        routeless[placement] = isRouteless
    }

    /// Removes an address; nothing where it is gone, or its interface is.
    func remove(_ address: VirtualAddress, from interface: String) throws(SystemCallError) {
        let present = try link(interface)?.index
        if let place = places[interface], place != present { try netlink.removeAddress(address, from: place) }
        if let present { try netlink.removeAddress(address, from: present) }
    }

    /// Whether the interface forwards IPv6, and so answers its neighbours as a router.
    private func isRouter(_ interface: String) -> Bool {
        let file = open("/proc/sys/net/ipv6/conf/\(interface)/forwarding", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var digit: UInt8 = 0
        return read(file, &digit, 1) == 1 && digit != UInt8(ascii: "0")
    }

    private func announcer(of interface: InterfaceIndex) throws(SystemCallError) -> Announcer {
        if let open = announcers[interface] { return open }
        let opened = try Announcer(interface)
        announcers[interface] = opened
        return opened
    }

    /// One round of announcements for an address: gratuitous ARP, or an unsolicited neighbour advertisement.
    func announce(_ address: IPAddress, on interface: String) throws(SystemCallError) {
        // An interface without a link-layer address has no neighbours to tell.
        guard let link = try link(interface), let mac = link.mac else { return }
        let announcer = try announcer(of: link.index)
        let frames =
            switch address {
            case .v4(let value): GratuitousARP.frames(for: value, mac: mac)
            case .v6:
                [UnsolicitedNeighborAdvertisement.packet(for: address, mac: mac, isRouter: isRouter(interface))]
            }
        for frame in frames { try announcer.socket.send(frame) }
    }
}

extension Network {
    /// Throws where addresses may not be changed.
    func checkRights() throws(SystemCallError) { try netlink.checkRights() }

    /// The virtual addresses that come and go with the Active state: all, but for those that the owner of the addresses
    /// (priority 255) has for good.
    func unowned(by configuration: StandaloneConfiguration) throws(SystemCallError) -> [VirtualAddress] {
        guard configuration.parameters.priority == .owner else { return configuration.virtualAddresses }
        var unowned: [VirtualAddress] = []
        for address in configuration.virtualAddresses {
            guard let link = try link(address.interface ?? configuration.interface) else { continue }
            let isOwned = try addresses(of: link.index).contains { $0.address == address.address && $0.lifetime == nil }
            if !isOwned { unowned.append(address) }
        }
        return unowned
    }

    /// The virtual address that is this machine's own on the interface: there for good, and what it sends from (over IPv6, for
    /// want of another link-local one). Removing it would cut the machine off. nil where there is none such.
    func ownAddress(
        among virtual: [VirtualAddress], on interface: String
    ) throws(SystemCallError) -> VirtualAddress? {
        guard let link = try link(interface) else { return nil }
        let present = try addresses(of: link.index)
        let names = Set(virtual.map(\.address))
        return virtual.first { candidate in
            let family = candidate.address.family
            guard candidate.interface ?? interface == interface,
                present.contains(where: { $0.address == candidate.address && $0.lifetime == nil })
            else { return false }
            let primary = InterfaceAddress.primary(family, among: present, except: [])
            return primary == candidate.address
                && (family == .ipv4 || InterfaceAddress.primary(family, among: present, except: names) == nil)
        }
    }
}

extension VirtualAddress {
    /// Whether a route for this one's prefix serves the other as well.
    fileprivate func covers(_ other: VirtualAddress) -> Bool {
        prefixLength == other.prefixLength && address.sharesPrefix(with: other.address, length: prefixLength)
    }
}
