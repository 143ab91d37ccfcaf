internal import RedisClient
public import VRRP

// Quantities as they are written in the configuration file and on the command line: always with their unit.

extension Duration {
    /// Reads `250ms`, `10s`, `2m`, `1h` or `1.5s`: a number with its unit, not negative, at most a day. `nil` for
    /// anything else.
    public init?(text: String) {
        let units: [(suffix: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
        guard let unit = units.first(where: { text.hasSuffix($0.suffix) }),
            let number = Double(text.dropLast(unit.suffix.count)), number.isFinite, number >= 0,
            number * unit.seconds <= 86_400, text.first?.isNumber == true
        else { return nil }
        // To the nanosecond: 40.95 s as a sum of binary fractions is no multiple of 10 ms.
        self = .nanoseconds(Int64((number * unit.seconds * 1e9).rounded()))
    }

    /// As `init(text:)` reads it, in the largest unit that needs no fraction: `250ms`, `10s`, `2m`. For whole milliseconds;
    /// what is finer is cut off.
    public var text: String {
        let (seconds, attoseconds) = components
        guard attoseconds == 0 else {
            return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms"
        }
        if seconds >= 3600, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        return seconds > 60 && seconds % 60 == 0 ? "\(seconds / 60)m" : "\(seconds)s"
    }
}

/// A number of bytes, not negative.
public struct ByteCount: Sendable, Hashable {
    /// So many.
    public var bytes: Int64

    /// Reads `4096`, `64KiB`, `10MB`, `1.5GiB`; `nil` for anything else, and from 10^18 bytes on.
    public init?(text: String) {
        let units: [(suffix: String, factor: Double)] = [
            ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1),
        ]
        let unit = units.first { text.hasSuffix($0.suffix) }
        guard let number = Double(text.dropLast(unit?.suffix.count ?? 0)), number.isFinite, number >= 0,
            text.first?.isNumber == true, number * (unit?.factor ?? 1) < 1e18
        else { return nil }
        bytes = Int64(number * (unit?.factor ?? 1))
    }
}

extension Witness {
    /// Reads `ping:198.51.100.254` or `tcp:198.51.100.253:53`; `nil` for anything else.
    public init?(text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        switch parts[0] {
        case "ping":
            guard let address = IPAddress(String(parts[1])), !address.isMulticast, !address.isUnspecified else {
                return nil
            }
            self = .ping(address)
        case "tcp":
            guard let place = HostPort(text: String(parts[1])) else { return nil }
            self = .tcp(place)
        default: return nil
        }
    }
}

extension VirtualAddress {
    /// Reads `198.51.100.100/24`, `2001:db8::100`, `198.51.100.100/24@eth1`, or as in keepalived `198.51.100.100/24 dev
    /// eth1 label eth1:vip`. `nil` for anything else, and for a prefix length of 0, which would add a default route.
    public init?(placement text: String) {
        var words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        guard let first = words.first else { return nil }
        words.removeFirst()
        let parts = first.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard var value = VirtualAddress(parts[0]), value.prefixLength > 0 else { return nil }
        if parts.count == 2 { words = ["dev", parts[1]] + words }
        while words.count >= 2 {
            guard (1...15).contains(words[1].utf8.count) else { return nil }
            switch words[0] {
            case "dev" where value.interface == nil: value.interface = words[1]
            case "label" where value.label == nil && value.address.family == .ipv4: value.label = words[1]
            default: return nil
            }
            words.removeFirst(2)
        }
        guard words.isEmpty else { return nil }
        self = value
    }
}
