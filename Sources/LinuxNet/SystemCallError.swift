public import VRRP

/// A call of the kernel that failed: what was attempted, why the kernel refused, and in its text what to do about it.
public struct SystemCallError: Error, Sendable, Hashable {
    /// What was attempted.
    public var attempt: Attempt
    /// Why it failed.
    public var code: ErrorNumber
    /// What the kernel said in words, where it did (netlink's extended acknowledgement).
    public var detail: String?

    /// What can be attempted. Interfaces are named as they were called at that moment.
    public enum Attempt: Sendable, Hashable {
        /// Open the raw socket for protocol 112.
        case openVRRPSocket(AddressFamily, interface: String)
        /// Open the socket that sends ARP and neighbour advertisements.
        case openAnnouncementSocket(interface: String)
        /// Open the socket that hears all VRRP of an interface.
        case openListener(interface: String)
        /// Open the sockets that answer segments to removed addresses.
        case openResetResponder(interface: String)
        /// Open a netlink socket.
        case openNetlink
        /// Make the epoll, the timer or the eventfd that the event loop is made of.
        case openEventLoop
        /// Set an option of a socket; the kernel's name of it.
        case setOption(String, interface: String)
        /// Join the group of advertisements.
        case joinGroup(IPAddress, interface: String)
        /// Have a descriptor watched by an event loop.
        case watchDescriptor(Int32)
        /// Wait for events.
        case waitForEvents
        /// Send an advertisement.
        case sendAdvertisement(from: IPAddress, to: IPAddress, interface: String)
        /// Receive an advertisement.
        case receiveAdvertisement(interface: String)
        /// Send an ARP frame or a neighbour advertisement.
        case announce(interface: String)
        /// Add an address, or renew its lifetime.
        case addAddress(VirtualAddress, interface: String)
        /// Have as a virtual address what is the machine's own.
        case takeAddress(VirtualAddress, interface: String)
        /// Change the addresses of interfaces at all.
        case changeAddresses
        /// Remove an address.
        case removeAddress(VirtualAddress, interface: String)
        /// List the addresses of interfaces.
        case listAddresses
        /// Look up an interface; its name, or what stands for it.
        case findInterface(String)
        /// Read what changed about interfaces and addresses.
        case monitorInterfaces
        /// Destroy the connections to virtual addresses.
        case resetConnections
        /// Start a thread.
        case startThread
        /// Get real-time priority (SCHED_RR) for the calling thread.
        case realTimePriority(Int32)
        /// Lock the memory of the process.
        case lockMemory
    }

    init(_ attempt: Attempt, _ code: ErrorNumber, detail: String? = nil) {
        self.attempt = attempt
        self.code = code
        self.detail = detail
    }
}

extension SystemCallError {
    /// Whether this process lacks a right: another one, or root, might have been let.
    public var isMissingRight: Bool { code == .notPermitted || code == .accessDenied }
}

extension SystemCallError: CustomStringConvertible {
    /// `cannot add 198.51.100.100/24 to eth0: EPERM (Operation not permitted); run as root or with CAP_NET_ADMIN`.
    public var description: String {
        let kernel = detail.map { ": \($0)" } ?? ""
        return "cannot \(attempt): \(code)\(kernel)" + (advice.map { "; \($0)" } ?? "")
    }

    private var advice: String? {
        switch code {
        case .notPermitted, .accessDenied: permissionAdvice
        case .noDevice, .noDeviceOrAddress: "see `ip link` for the interfaces that there are"
        case .tooManyFiles: "raise the limit of open files (LimitNOFILE in a systemd unit)"
        case .networkDown: "the interface is down; `ip link set dev … up`"
        case .networkUnreachable, .invalid: sourceAdvice
        case .notSupported, .notFound:
            if case .resetConnections = attempt {
                "this kernel was built without CONFIG_INET_DIAG_DESTROY"
            } else {
                nil
            }
        case .addressInUse:
            if case .takeAddress(_, let interface) = attempt {
                "it is the own address of \(interface), and would be removed. Give another one, or priority 255 where"
                    + " this machine owns it"
            } else {
                nil
            }
        case .noMemory:
            if case .lockMemory = attempt { permissionAdvice } else { nil }
        default: nil
        }
    }

    private var permissionAdvice: String? {
        switch attempt {
        case .openVRRPSocket, .openAnnouncementSocket, .openListener, .openResetResponder, .setOption, .joinGroup:
            "run as root or with CAP_NET_RAW"
        case .sendAdvertisement, .announce: "a packet filter refuses it (see `nft list ruleset`)"
        case .addAddress(let address, _) where address.address.family == .ipv6 && code == .accessDenied:
            "IPv6 is disabled there; see net.ipv6.conf.*.disable_ipv6"
        case .addAddress, .removeAddress, .changeAddresses, .resetConnections: "run as root or with CAP_NET_ADMIN"
        case .realTimePriority:
            "allow it by CAP_SYS_NICE or LimitRTPRIO; it cannot be had in a user namespace. Without it, a busy machine"
                + " delays advertisements"
        case .lockMemory: "allow it by CAP_IPC_LOCK or LimitMEMLOCK=infinity"
        case .takeAddress, .openNetlink, .openEventLoop, .watchDescriptor, .waitForEvents, .receiveAdvertisement,
            .listAddresses,
            .findInterface, .monitorInterfaces, .startThread:
            nil
        }
    }

    /// The kernel says the same of a source that is not there and of an interface that is down.
    private var sourceAdvice: String? {
        guard case .sendAdvertisement(let source, _, let interface) = attempt else { return nil }
        return "is \(interface) up, and \(source) an address of it?"
    }
}

extension SystemCallError.Attempt: CustomStringConvertible {
    /// What follows "cannot ".
    public var description: String {
        switch self {
        case .openVRRPSocket(let family, let interface):
            "open a raw socket for VRRP over \(family == .ipv4 ? "IPv4" : "IPv6") on \(interface)"
        case .openAnnouncementSocket(let interface): "open a packet socket on \(interface)"
        case .openListener(let interface): "listen on \(interface)"
        case .openResetResponder(let interface): "answer segments to removed addresses on \(interface)"
        case .openNetlink: "open a netlink socket"
        case .openEventLoop: "set up an event loop"
        case .setOption(let name, let interface): "set \(name) on a socket of \(interface)"
        case .joinGroup(let group, let interface): "join \(group) on \(interface)"
        case .watchDescriptor(let descriptor): "watch descriptor \(descriptor)"
        case .waitForEvents: "wait for events"
        case .sendAdvertisement(let source, let destination, let interface):
            "send an advertisement from \(source) to \(destination) on \(interface)"
        case .receiveAdvertisement(let interface): "receive advertisements on \(interface)"
        case .announce(let interface): "announce an address on \(interface)"
        case .addAddress(let address, let interface): "add \(address) to \(interface)"
        case .removeAddress(let address, let interface): "remove \(address) from \(interface)"
        case .takeAddress(let address, let interface):
            "use \(address) as a virtual address on \(interface)"
        case .changeAddresses: "change the addresses of the interfaces"
        case .listAddresses: "list the addresses of the interfaces"
        case .findInterface(let name): "look up the interface \(name)"
        case .monitorInterfaces: "watch the interfaces"
        case .resetConnections: "reset the connections to virtual addresses"
        case .startThread: "start a thread"
        case .realTimePriority(let priority): "get real-time priority \(priority) (SCHED_RR)"
        case .lockMemory: "lock the memory"
        }
    }
}
