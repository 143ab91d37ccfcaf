internal import CLinuxNet
internal import Glibc
public import VRRP

extension Netlink {
    /// Puts an address on an interface, or renews its lifetime when it is there.
    ///
    /// With a lifetime (whole seconds, rounded up) the kernel removes it by itself when it is not renewed, by its timers of
    /// low precision: measured, up to 0.04 s early and mostly less than 0.4 s late. nil means for ever. It is usable at once: duplicates are not looked for (IFA_F_NODAD). What goes with it:
    /// - IPv6 addresses are deprecated from the start (preferred lifetime 0), so that the machine does not choose them as
    ///   a source while it has another address; they answer all the same.
    /// - IPv6 with a prefix that the interface already has: no route of its own (IFA_F_NOPREFIXROUTE), as that would be
    ///   merged with the existing one and take it along at the end of its lifetime. An address that is there with another
    ///   prefix length is replaced.
    /// - IPv4 with a prefix shorter than 32: the first address of a subnet takes the others along when it goes, unless
    ///   promote_secondaries is set; it is set for this interface. The virtual address may be the first.
    public mutating func addAddress(
        _ address: VirtualAddress, to interface: InterfaceIndex, lifetime: Duration? = nil
    ) throws(SystemCallError) {
        let isRouteless = try makeRoom(for: address, on: interface)
        try put(address, on: interface, lifetime: lifetime, isRouteless: isRouteless)
    }

    /// The second half of `addAddress`, where what `makeRoom` says is known: that takes most of the time.
    mutating func put(
        _ address: VirtualAddress, on interface: InterfaceIndex, lifetime: Duration?, isRouteless: Bool
    ) throws(SystemCallError) {
        var flags = IFA_F_NODAD
        switch address.address.family {
        case .ipv4: if address.prefixLength < 32 { promoteSecondaries(on: interface) }
        case .ipv6: if isRouteless { flags |= IFA_F_NOPREFIXROUTE }
        }
        var body = ifaddrmsg()
        body.ifa_family = UInt8(address.address.family.domain)
        body.ifa_prefixlen = address.prefixLength
        body.ifa_index = UInt32(bitPattern: interface.rawValue)
        var request = request(
            RTM_NEWADDR, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, body: body)
        let bytes = address.address.bytes
        request.add(Int(IFA_LOCAL), bytes)
        request.add(Int(IFA_ADDRESS), bytes)
        request.add(Int(IFA_FLAGS), UInt32(flags))
        if let label = address.label, address.address.family == .ipv4 {
            request.add(Int(IFA_LABEL), Array(label.utf8) + [0])
        }
        var lifetimes = ifa_cacheinfo()
        lifetimes.ifa_valid = lifetime.map(Self.wholeSeconds) ?? .max
        lifetimes.ifa_prefered = address.address.family == .ipv4 ? lifetimes.ifa_valid : 0
        request.add(Int(IFA_CACHEINFO), lifetimes)
        if let failure = transact(request) {
            throw SystemCallError(.addAddress(address, interface: interface.currentName), failure)
        }
    }

    /// Takes an address off an interface, whatever its prefix length and label. That it is not there, or that the
    /// interface is not, is no error. Returns whether it was there.
    @discardableResult
    public mutating func removeAddress(
        _ address: VirtualAddress, from interface: InterfaceIndex
    ) throws(SystemCallError) -> Bool {
        var wasThere = false
        switch address.address.family {
        case .ipv4:
            // The kernel removes one at a time, and may have it with several prefix lengths.
            while try remove(address, prefixLength: nil, from: interface) { wasThere = true }
        case .ipv6:
            if let present = try ipv6Address(address, on: interface) {
                wasThere = try remove(address, prefixLength: present.prefixLength, from: interface)
            }
        }
        return wasThere
    }

    /// Throws where addresses may not be changed (CAP_NET_ADMIN). Changes nothing: it has an address removed from an interface
    /// that cannot exist.
    public mutating func checkRights() throws(SystemCallError) {
        var body = ifaddrmsg()
        body.ifa_family = UInt8(AF_INET)
        let failure = transact(request(RTM_DELADDR, body: body))
        if failure?.code == .notPermitted { throw SystemCallError(.changeAddresses, failure) }
    }

    /// The addresses of an interface, or of all; those of one family in the order of the kernel, which for IPv4 is
    /// the order of precedence. Empty for an interface that is not there.
    public mutating func addresses(of interface: InterfaceIndex? = nil) throws(SystemCallError) -> [InterfaceAddress] {
        // A dump during which something changed may have gaps.
        for _ in 0..<10 {
            var body = ifaddrmsg()
            body.ifa_index = UInt32(bitPattern: interface?.rawValue ?? 0)
            let request = request(RTM_GETADDR, flags: NLM_F_DUMP, body: body)
            var found: [InterfaceAddress] = []
            var isWhole = true
            let failure = transact(request) { message in
                if Int32(message.flags) & NLM_F_DUMP_INTR != 0 { isWhole = false }
                guard let address = InterfaceAddress(message) else { return }
                // Older kernels dump all interfaces whatever they are asked for.
                if interface == nil || address.interface == interface { found.append(address) }
            }
            switch failure?.code {
            case nil: if isWhole { return found }
            case .noDevice: return []
            default: throw SystemCallError(.listAddresses, failure)
            }
        }
        throw SystemCallError(.listAddresses, .wouldBlock)
    }

    /// Removes one; false where it is not there. Without a prefix length (IPv4 only), any.
    private mutating func remove(
        _ address: VirtualAddress, prefixLength: UInt8?, from interface: InterfaceIndex
    ) throws(SystemCallError) -> Bool {
        var body = ifaddrmsg()
        body.ifa_family = UInt8(address.address.family.domain)
        body.ifa_prefixlen = prefixLength ?? 32
        body.ifa_index = UInt32(bitPattern: interface.rawValue)
        var request = request(RTM_DELADDR, body: body)
        request.add(Int(IFA_LOCAL), address.address.bytes)
        guard let failure = transact(request) else { return true }
        switch failure.code {
        case .addressNotAvailable, .noDevice, .noDeviceOrAddress: return false
        default: throw SystemCallError(.removeAddress(address, interface: interface.currentName), failure)
        }
    }

    /// What the kernel knows of an IPv6 address on an interface; nil where it is not there.
    private mutating func ipv6Address(
        _ address: VirtualAddress, on interface: InterfaceIndex
    ) throws(SystemCallError) -> InterfaceAddress? {
        var body = ifaddrmsg()
        // No prefix length: with NETLINK_GET_STRICT_CHK the kernel refuses one.
        body.ifa_family = UInt8(AF_INET6)
        body.ifa_index = UInt32(bitPattern: interface.rawValue)
        var request = request(RTM_GETADDR, body: body)
        request.add(Int(IFA_LOCAL), address.address.bytes)
        var found: InterfaceAddress?
        let failure = transact(request) { message in found = InterfaceAddress(message) ?? found }
        switch failure?.code {
        case nil: return found
        case .addressNotAvailable, .noDevice, .noDeviceOrAddress: return nil
        default: throw SystemCallError(.listAddresses, failure)
        }
    }

    /// Removes an IPv6 address that is there with another prefix length: the kernel would keep that length. Returns
    /// whether the interface needs no route for the prefix, because it is a host's, or another address has one, or is
    /// such that somebody else (NetworkManager) sees to the route. Virtual addresses without a route are neither.
    ///
    /// `isCovered`: another virtual address of this prefix is known to be there, with the route or beside one.
    mutating func makeRoom(
        for address: VirtualAddress, on interface: InterfaceIndex, isCovered: Bool = false
    ) throws(SystemCallError) -> Bool {
        guard address.address.family == .ipv6 else { return false }
        if let present = try ipv6Address(address, on: interface), present.prefixLength != address.prefixLength {
            _ = try remove(address, prefixLength: present.prefixLength, from: interface)
        }
        guard address.prefixLength < 128, !isCovered else { return true }
        return try addresses(of: interface).contains { other in
            other.address != address.address && other.prefixLength == address.prefixLength
                && (other.hasPrefixRoute || !other.isDeprecated)
                && other.address.sharesPrefix(with: address.address, length: address.prefixLength)
        }
    }

    /// A safeguard: where it cannot be had, adding the address matters more, and it is tried again the next time.
    private mutating func promoteSecondaries(on interface: InterfaceIndex) {
        guard !promoting.contains(interface) else { return }
        var body = ifinfomsg()
        body.ifi_index = interface.rawValue
        var request = request(RTM_SETLINK, body: body)
        request.nest(Int(IFLA_AF_SPEC)) { family in
            family.nest(Int(AF_INET)) { settings in
                settings.nest(Int(IFLA_INET_CONF)) { values in
                    values.add(Int(CLINUXNET_DEVCONF_PROMOTE_SECONDARIES), UInt32(1))
                }
            }
        }
        if transact(request) == nil { promoting.insert(interface) }
    }

    /// 1 or more, and less than "for ever".
    private static func wholeSeconds(_ duration: Duration) -> UInt32 {
        let (seconds, attoseconds) = duration.components
        return UInt32(clamping: min(max(seconds + (attoseconds > 0 ? 1 : 0), 1), Int64(UInt32.max) - 1))
    }
}

extension IPAddress {
    /// Whether the first `length` bits are the same. False for different families.
    func sharesPrefix(with other: IPAddress, length: UInt8) -> Bool {
        switch (self, other) {
        case (.v4(let left), .v4(let right)):
            return (left ^ right).leadingZeroBitCount >= min(length, 32)
        case (.v6(let leftHigh, let leftLow), .v6(let rightHigh, let rightLow)):
            let high = (leftHigh ^ rightHigh).leadingZeroBitCount
            let common = high < 64 ? high : 64 + (leftLow ^ rightLow).leadingZeroBitCount
            return common >= length
        case (.v4, .v6), (.v6, .v4): return false
        }
    }
}
