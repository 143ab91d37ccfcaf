/// Why a received packet is not an advertisement that concerns us: what `Advertisement.decode` and
/// `VirtualRouterParameters.check` find (RFC 9568 §7.1, RFC 3768 §7.1). It changes nothing; it is counted.
public enum PacketRejection: Error, Sendable, Hashable {
    /// It went through a router, or was made by somebody farther away: hop limit (TTL) is not 255.
    case hopLimit(UInt8)
    /// It ends before what it announces: bytes that it has, and that it must have.
    case truncated(length: Int, needed: Int)
    /// A version that is not spoken here: neither 2 nor 3, 2 over IPv6, or not the configured one.
    case version(UInt8)
    /// Not an advertisement (1), the only type that there is.
    case type(UInt8)
    /// A virtual router that is none (0), or not ours.
    case virtualRouterID(UInt8)
    /// The checksum in the packet, and the one that its bytes have (v3 over IPv4: with the pseudo-header).
    case checksum(received: UInt16, computed: UInt16)
    /// Version 2: an authentication type that is unknown, or not the configured one.
    case authenticationType(UInt8)
    /// Version 2: not our password.
    case password
    /// It announces no address at all.
    case addressCount
    /// Version 2: not our addresses, and not from their owner.
    case addressList([IPAddress])
    /// An interval of zero; in version 2 also one that is not ours.
    case interval(Duration)
    /// Unicast: not one of the configured peers.
    case unknownSender(IPAddress)
    /// This router owns the addresses (priority 255), and listens to nobody.
    case owner

    /// What it is counted as.
    public enum Kind: Int, Sendable, Hashable, CaseIterable {
        case hopLimit, truncated, version, type, virtualRouterID, checksum, authenticationType, password, addressCount
        case addressList, interval, unknownSender, owner

        /// A stable word for programs, e.g. `hop_limit`.
        public var code: String {
            switch self {
            case .hopLimit: "hop_limit"
            case .truncated: "truncated"
            case .version: "version"
            case .type: "type"
            case .virtualRouterID: "vrid"
            case .checksum: "checksum"
            case .authenticationType: "auth_type"
            case .password: "password"
            case .addressCount: "address_count"
            case .addressList: "address_list"
            case .interval: "interval"
            case .unknownSender: "unknown_sender"
            case .owner: "owner"
            }
        }
    }

    /// What it is counted as.
    public var kind: Kind {
        switch self {
        case .hopLimit: .hopLimit
        case .truncated: .truncated
        case .version: .version
        case .type: .type
        case .virtualRouterID: .virtualRouterID
        case .checksum: .checksum
        case .authenticationType: .authenticationType
        case .password: .password
        case .addressCount: .addressCount
        case .addressList: .addressList
        case .interval: .interval
        case .unknownSender: .unknownSender
        case .owner: .owner
        }
    }
}

extension PacketRejection: CustomStringConvertible {
    /// What is wrong with the packet, for people; "it" is the packet. Passwords are not shown.
    public var description: String {
        switch self {
        case .hopLimit(let value):
            "its hop limit (TTL) is \(value), not 255: it does not come from this segment"
        case .truncated(let length, let needed):
            "it ends after \(length) bytes, and announces \(needed)"
        case .version(let version):
            "VRRP version \(version) is not what this router speaks"
        case .type(let type):
            "its type is \(type); only advertisements (type 1) exist"
        case .virtualRouterID(let number):
            number == 0 ? "virtual router 0 does not exist: 1...255" : "it is about virtual router \(number), not ours"
        case .checksum(let received, let computed):
            "its checksum is \(received.hexadecimal), and \(computed.hexadecimal) would be right"
        case .authenticationType(let type):
            "authentication type \(type) (\(Self.name(ofAuthentication: type))) is not what this router uses"
        case .password:
            "its password is not ours"
        case .addressCount:
            "it announces no address"
        case .addressList(let addresses):
            "it announces other addresses than ours: \(addresses.listed)"
        case .interval(.zero):
            "its advertisement interval is 0"
        case .interval(let interval):
            "its advertisement interval is \(interval.spelledOut), not ours: version 2 needs the same on all routers"
        case .unknownSender(let address):
            "\(address) is not one of the configured peers"
        case .owner:
            "this router owns the addresses (priority 255): nobody else may be Active"
        }
    }

    private static func name(ofAuthentication type: UInt8) -> String {
        switch type {
        case 0: "none"
        case 1: "password"
        case 2: "AH"
        default: "unknown"
        }
    }
}

extension UInt16 {
    fileprivate var hexadecimal: String {
        let digits = String(self, radix: 16)
        return "0x" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}

/// How many packets were rejected, by reason.
public struct RejectionCounts: Sendable, Equatable {
    /// By the raw value of the reason.
    private var counts = Array(repeating: 0, count: PacketRejection.Kind.allCases.count)

    /// Nothing was rejected yet.
    public init() {}

    /// One more.
    public mutating func count(_ rejection: PacketRejection) { counts[rejection.kind.rawValue] += 1 }

    /// How many for this reason.
    public subscript(kind: PacketRejection.Kind) -> Int { counts[kind.rawValue] }

    /// How many for any reason.
    public var total: Int { counts.reduce(0, +) }
}

extension RejectionCounts: Sequence {
    /// Every reason, in the order of its declaration, with its count, which may be 0.
    public func makeIterator() -> some IteratorProtocol<(kind: PacketRejection.Kind, count: Int)> {
        PacketRejection.Kind.allCases.map { (kind: $0, count: self[$0]) }.makeIterator()
    }
}
