internal import CLinuxNet
internal import Glibc
internal import VRRP

extension Link {
    /// From RTM_NEWLINK or RTM_DELLINK; nil for anything else. Messages about a bridge's port have the same type and
    /// another family: RTM_DELLINK of those says that the port has left the bridge, not that it is gone.
    init?(_ message: NetlinkMessage) {
        guard [RTM_NEWLINK, RTM_DELLINK].contains(Int(message.type)),
            let body = message.body(as: ifinfomsg.self), Int32(body.ifi_family) == AF_UNSPEC
        else { return nil }
        let attributes = message.attributes(behind: ifinfomsg.self)
        let flags = Int(body.ifi_flags)
        index = InterfaceIndex(rawValue: body.ifi_index)
        name = attributes[Int(IFLA_IFNAME)]?.text ?? ""
        mac = attributes[Int(IFLA_ADDRESS)].flatMap { MACAddress(bytes: $0) }
        isUp = flags & Int(IFF_UP) != 0
        hasCarrier = flags & Int(CLINUXNET_IFF_LOWER_UP) != 0
        isRunning = flags & Int(IFF_RUNNING) != 0
        mtu = attributes[Int(IFLA_MTU)]?.value(at: 0, as: UInt32.self) ?? 0
    }
}

extension InterfaceAddress {
    /// From RTM_NEWADDR or RTM_DELADDR; nil for anything else.
    init?(_ message: NetlinkMessage) {
        guard [RTM_NEWADDR, RTM_DELADDR].contains(Int(message.type)),
            let body = message.body(as: ifaddrmsg.self)
        else { return nil }
        let attributes = message.attributes(behind: ifaddrmsg.self)
        // With a peer (point to point), IFA_ADDRESS is the peer's.
        guard let bytes = attributes[Int(IFA_LOCAL)] ?? attributes[Int(IFA_ADDRESS)],
            let address = IPAddress(bytes: bytes), address.family.domain == Int32(body.ifa_family)
        else { return nil }
        // The body has room for eight flags only.
        let flags = attributes[Int(IFA_FLAGS)]?.value(at: 0, as: UInt32.self) ?? UInt32(body.ifa_flags)
        let has = { (flag: Int32) in flags & UInt32(flag) != 0 }
        interface = InterfaceIndex(rawValue: Int32(bitPattern: body.ifa_index))
        self.address = address
        prefixLength = body.ifa_prefixlen
        label = attributes[Int(IFA_LABEL)]?.text
        // The same bit means "temporary" for IPv6.
        isSecondary = address.family == .ipv4 && has(IFA_F_SECONDARY)
        isTentative = has(IFA_F_TENTATIVE) && !has(IFA_F_OPTIMISTIC)
        isDuplicate = has(IFA_F_DADFAILED)
        isDeprecated = has(IFA_F_DEPRECATED)
        hasPrefixRoute = !has(IFA_F_NOPREFIXROUTE)
        let lifetimes = attributes[Int(IFA_CACHEINFO)]?.value(at: 0, as: ifa_cacheinfo.self)
        lifetime = lifetimes.flatMap { $0.ifa_valid == .max ? nil : .seconds($0.ifa_valid) }
    }
}
