internal import CLinuxNet
internal import Glibc
public import VRRP

/// The number of an interface. One that is deleted and made again under the same name gets another number.
public struct InterfaceIndex: RawRepresentable, Sendable, Hashable {
    /// 1 or more.
    public let rawValue: Int32

    /// Any number; what does not exist is an error of those who use it.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// What it is called now; nil when there is none in the network namespace of the calling thread.
    var name: String? {
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(UInt32(bitPattern: rawValue), &name) != nil else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// What it is called now; throws what is wrong, which need not be that there is none.
    func name(for attempt: SystemCallError.Attempt) throws(SystemCallError) -> String {
        if let name { return name }
        // ENXIO: there is none. To ask takes a descriptor; without, glibc leaves any number behind.
        throw SystemCallError(attempt, ErrorNumber.current == .noDeviceOrAddress ? .noDevice : .tooManyFiles)
    }

    /// What it is called now, for messages; `interface 7` when there is none.
    var currentName: String { name ?? "interface \(rawValue)" }
}

/// An interface, as the kernel described it at one moment.
public struct Link: Sendable, Hashable {
    /// Its number.
    public var index: InterfaceIndex
    /// Its name, such as `eth0`.
    public var name: String
    /// Its address; nil where it has none of six bytes.
    public var mac: MACAddress?
    /// Whether it is set up (`ip link set up`, IFF_UP).
    public var isUp: Bool
    /// Whether the cable is in and the other side is there (IFF_LOWER_UP).
    public var hasCarrier: Bool
    /// Whether it can carry packets by the kernel's own judgement (IFF_RUNNING, RFC 2863's operational state).
    public var isRunning: Bool
    /// The largest packet, bytes.
    public var mtu: UInt32

    /// Whether packets can be sent and received: up, and with a carrier.
    public var isUsable: Bool { isUp && hasCarrier && isRunning }
}

/// An address of an interface, as the kernel described it at one moment.
public struct InterfaceAddress: Sendable, Hashable {
    /// The interface.
    public var interface: InterfaceIndex
    /// The address.
    public var address: IPAddress
    /// Length of its prefix, bits.
    public var prefixLength: UInt8
    /// IPv4: its label; nil for IPv6.
    public var label: String?
    /// IPv4: there is an earlier address of the same subnet, with which it goes unless promote_secondaries is set.
    public var isSecondary: Bool
    /// IPv6: not yet usable, because duplicates are still looked for.
    public var isTentative: Bool
    /// IPv6: somebody else has it, so it is not usable at all.
    public var isDuplicate: Bool
    /// IPv6: not chosen as a source while there is another one.
    public var isDeprecated: Bool
    /// IPv6: whether the kernel made a route for its prefix (no IFA_F_NOPREFIXROUTE).
    public var hasPrefixRoute: Bool
    /// How long it still had to live, whole seconds; nil for ever.
    public var lifetime: Duration?

    /// Whether packets can be sent from it.
    public var isUsable: Bool { !isTentative && !isDuplicate }

    /// The address that advertisements are sent from (the RFC's primary address), among the addresses of one interface:
    /// for IPv4 the first one that is not secondary, for IPv6 the link-local one (RFC 9568 §5.1.2.1). Virtual addresses
    /// are never it. nil where there is none yet.
    public static func primary(
        _ family: AddressFamily, among addresses: [InterfaceAddress], except virtual: Set<IPAddress>
    ) -> IPAddress? {
        let candidates = addresses.filter { candidate in
            candidate.address.family == family && candidate.isUsable && !virtual.contains(candidate.address)
        }
        return switch family {
        case .ipv4: (candidates.first { !$0.isSecondary } ?? candidates.first)?.address
        case .ipv6: candidates.first { $0.address.isLinkLocal }?.address
        }
    }
}
