internal import VRRP

/// Interfaces and addresses of this machine, for a `StandaloneLoop`: asks and changes them, and learns of changes.
/// Belongs to the loop's thread.
final class Network {
    /// What changed, as far as the loop must be told; the rest it reads anew.
    struct Changes {
        /// Addresses that are gone, with the name of their interface.
        var removed: [(interface: String, address: IPAddress)] = []
        /// Interfaces that can be used again.
        var returned: Set<String> = []
    }

    private var netlink: Netlink
    private var monitor: LinkMonitor
    /// What is known of interfaces, by name; emptied by each change.
    private var links: [String: Link] = [:]
    private var usable: Set<String> = []
    private var announcers: [InterfaceIndex: AnnouncementSocket] = [:]

    init() throws(SystemCallError) {
        // The monitor first: what changes between the two is seen twice instead of never.
        monitor = try LinkMonitor()
        netlink = try Netlink()
    }
}
