import Foundation
import RedisLab

/// An address as the kernel holds it.
public struct InterfaceAddress: Sendable, Hashable {
    /// As text, in its usual form.
    public var address: String
    /// Bits.
    public var prefixLength: Int
    /// The interface's name.
    public var interface: String
    /// IPv4: its label; the interface's name unless it was given one.
    public var label: String?
    /// What is left of its lifetime; nil when it stays for ever.
    public var lifetime: Duration?
    /// IPv6: whether duplicate address detection was left out.
    public var hasNoDetection: Bool
}

extension NetworkLab {
    /// The addresses of a leaf, those of `lo` left out.
    public func addresses(in leaf: Leaf) async throws -> [InterfaceAddress] {
        let text = try await ip(["-n", leaf.namespace, "-j", "addr"])
        guard let links = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] else {
            throw LabError.malformed("ip -j addr: \(text)")
        }
        return links.flatMap { link in
            let name = link["ifname"] as? String ?? "?"
            // A link that vanished while `ip` looked has no list.
            let addresses = link["addr_info"] as? [[String: Any]] ?? []
            return name == "lo" ? [] : addresses.compactMap { Self.address($0, interface: name) }
        }
    }

    private static func address(_ fields: [String: Any], interface: String) -> InterfaceAddress? {
        guard let address = fields["local"] as? String, let prefixLength = fields["prefixlen"] as? Int else {
            return nil
        }
        let seconds = fields["valid_life_time"] as? Int ?? 0xffff_ffff
        return InterfaceAddress(
            address: address, prefixLength: prefixLength, interface: interface, label: fields["label"] as? String,
            lifetime: seconds == 0xffff_ffff ? nil : .seconds(seconds),
            hasNoDetection: fields["nodad"] as? Bool ?? false)
    }

    /// Whether a leaf holds an address now.
    public func holds(_ leaf: Leaf, _ address: String) async throws -> Bool {
        try await addresses(in: leaf).contains { $0.address == address }
    }

    /// The leaves that hold an address now. They are looked at one after another.
    public func holders(of address: String) async throws -> [Int] {
        var numbers: [Int] = []
        for leaf in leaves where try await holds(leaf, address) { numbers.append(leaf.number) }
        return numbers
    }

    /// Waits until exactly this leaf holds the address.
    public func waitUntilHeld(_ address: String, by leaf: Leaf, within limit: Duration = .seconds(10)) async throws {
        try await waitUntil("\(address) is at \(leaf.namespace) alone", within: limit) {
            try await holders(of: address) == [leaf.number]
        }
    }

    /// Notes what comes and goes at a leaf, from now on.
    public func watchAddresses(in leaf: Leaf) async throws -> AddressLog {
        let log = file("addresses-\(leaf.number)")
        // `env` and not ours: the clock's text is to be UTC.
        let child = try await ChildProcess.start(
            path: LabTool.path("env"),
            arguments: [
                "TZ=UTC", LabTool.path("ip"), "-n", leaf.namespace, "-tshort", "-oneline", "monitor", "address",
            ],
            log: log)
        adopt(child)
        var watch = AddressLog(path: log)
        // It says nothing when it listens, so it is shown changes until it tells of one.
        try await waitUntil("ip monitor listens") {
            try await ip(["-n", leaf.namespace, "addr", "add", "127.0.0.9/32", "dev", "lo"])
            try await ip(["-n", leaf.namespace, "addr", "del", "127.0.0.9/32", "dev", "lo"])
            return watch.changes.contains { $0.address == "127.0.0.9" }
        }
        watch.since = .now
        watch.initial = Set(try await addresses(in: leaf).map(\.address))
        return watch
    }
}

/// What came and went at one leaf, with the time at which `ip monitor` was told.
public struct AddressLog: Sendable {
    /// An address that came (or was renewed) or went.
    public struct Change: Sendable, Hashable {
        /// When.
        public var time: WallTime
        /// As text.
        public var address: String
        /// False: it went.
        public var isThere: Bool
    }

    let path: String
    /// What was there already, and when that was seen.
    fileprivate(set) var initial: Set<String> = []
    fileprivate(set) var since = WallTime(nanoseconds: 0)

    init(path: String) { self.path = path }

    /// All changes so far, in their order. A renewed lifetime is a change as well.
    public var changes: [Change] {
        LabTool.text(path).split(separator: "\n").compactMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, first.hasPrefix("["), first.hasSuffix("]"),
                let time = WallTime(first.dropFirst().dropLast()),
                let family = words.firstIndex(where: { $0 == "inet" || $0 == "inet6" }), family + 1 < words.count
            else { return nil }
            let address = words[family + 1].prefix { $0 != "/" }
            return Change(time: time, address: String(address), isThere: words[1] != "Deleted")
        }
    }

    /// When the address was there, as far as that was seen; a span without an end: it still is.
    public func spans(of address: String) -> [(from: WallTime, to: WallTime?)] {
        var spans: [(from: WallTime, to: WallTime?)] = initial.contains(address) ? [(since, nil)] : []
        // One that came between the first look and that has two beginnings.
        for change in changes where change.address == address && (spans.isEmpty || change.time >= since) {
            let isOpen = spans.last.map { $0.to == nil } ?? false
            if change.isThere, !isOpen { spans.append((change.time, nil)) }
            if !change.isThere, isOpen { spans[spans.count - 1].to = change.time }
        }
        return spans
    }

    /// How long two leaves held the address at the same time, all in all.
    public static func overlap(_ first: AddressLog, _ second: AddressLog, of address: String) -> Duration {
        let now = WallTime.now
        var total = Duration.zero
        for one in first.spans(of: address) {
            for other in second.spans(of: address) {
                let (start, end) = (max(one.from, other.from), min(one.to ?? now, other.to ?? now))
                if start < end { total += end - start }
            }
        }
        return total
    }
}
