/// What was heard of VRRP on a segment: one entry for each sender of each virtual router. For `syncgate vrrp watch`.
///
/// A listener, no party: it belongs to no virtual router and judges nothing but what any receiver would. Memory is
/// bounded: what comes after `capacity` senders is counted, and not kept.
public struct SegmentSurvey: Sendable {
    /// One sender of one virtual router.
    public struct Router: Sendable {
        /// The last advertisement that was in order; nil where none was.
        public internal(set) var advertisement: Advertisement?
        /// Who sends it.
        public let sender: IPAddress
        /// When it was last heard.
        public internal(set) var lastHeard: Instant
        /// Advertisements in order.
        public internal(set) var packets = 0
        /// What was wrong with those that were not.
        public internal(set) var rejections = RejectionCounts()
        /// How regular it is.
        public internal(set) var regularity = Regularity()
    }

    /// What speaks against a router, for the operator.
    public enum Problem: Sendable, Equatable {
        /// Packets that no receiver accepts, by reason.
        case rejected(PacketRejection.Kind, count: Int)
        /// Others are Active for the same virtual router.
        case rivals([IPAddress])
        /// Another sender of the same virtual router stands for other addresses.
        case otherAddresses(than: IPAddress)
        /// Another sender of the same virtual router has another interval.
        case otherInterval(than: IPAddress)
        /// Nothing came for more than three of its intervals, and it did not say good-bye.
        case silent(for: Duration)
        /// It gave up with priority 0.
        case resigned
    }

    private struct Key: Hashable {
        var virtualRouterID: VirtualRouterID?
        var sender: IPAddress
    }

    /// The most senders that are kept.
    public static let capacity = 1024

    private var entries: [Key: Router] = [:]
    /// Packets of senders that came after the table was full.
    public private(set) var uncounted = 0

    /// Nothing was heard yet.
    public init() {}

    /// Takes a packet as it came from the wire.
    public mutating func record(_ packet: Result<Advertisement, PacketRejection>, from sender: IPAddress, now: Instant)
    {
        let id: VirtualRouterID? =
            if case .success(let advertisement) = packet { advertisement.virtualRouterID } else { nil }
        let key = Key(virtualRouterID: id, sender: sender)
        guard entries[key] != nil || entries.count < Self.capacity else {
            uncounted += 1
            return
        }
        var router = entries[key] ?? Router(sender: sender, lastHeard: now)
        switch packet {
        case .success(let advertisement):
            let isRegular =
                router.advertisement?.interval == advertisement.interval
                && router.advertisement?.priority != .resigning && advertisement.priority != .resigning
            if isRegular {
                router.regularity.record(now - router.lastHeard, nominal: advertisement.interval)
            }
            router.advertisement = advertisement
            router.packets += 1
        case .failure(let rejection):
            router.rejections.count(rejection)
        }
        router.lastHeard = now
        entries[key] = router
    }

    /// What was heard, by virtual router and sender; senders of nothing in order come last.
    public var routers: [Router] {
        entries.values.sorted { left, right in
            let (leftID, rightID) = (left.order, right.order)
            return leftID == rightID ? left.sender < right.sender : leftID < rightID
        }
    }

    /// What speaks against a router; in the order of `Problem`'s cases.
    public func problems(of router: Router, now: Instant) -> [Problem] {
        var problems = router.rejections.filter { $0.count > 0 }
            .map { Problem.rejected($0.kind, count: $0.count) }
        guard let advertisement = router.advertisement else { return problems }
        let rivals = entries.values.filter { $0.isRival(of: router) && !$0.isSilent(now) }
            .sorted { $0.sender < $1.sender }
        if !router.isSilent(now), advertisement.priority != .resigning {
            if !rivals.isEmpty { problems.append(.rivals(rivals.map(\.sender))) }
            if let other = rivals.first(where: {
                Set($0.advertisement?.addresses ?? []) != Set(advertisement.addresses)
            }) {
                problems.append(.otherAddresses(than: other.sender))
            }
            if let other = rivals.first(where: { $0.advertisement?.interval != advertisement.interval }) {
                problems.append(.otherInterval(than: other.sender))
            }
        }
        if advertisement.priority == .resigning {
            problems.append(.resigned)
        } else if router.isSilent(now) {
            problems.append(.silent(for: now - router.lastHeard))
        }
        return problems
    }
}

extension SegmentSurvey.Router {
    fileprivate var order: Int { advertisement.map { Int($0.virtualRouterID.rawValue) } ?? 256 }

    /// The same virtual router, of the same family, in another's name.
    fileprivate func isRival(of other: Self) -> Bool {
        guard let mine = advertisement, let theirs = other.advertisement, mine.priority != .resigning else {
            return false
        }
        return mine.virtualRouterID == theirs.virtualRouterID && sender.family == other.sender.family
            && sender != other.sender
    }

    fileprivate func isSilent(_ now: Instant) -> Bool {
        guard let advertisement else { return false }
        return now - lastHeard > advertisement.interval * 3 + .milliseconds(10)
    }
}

/// How far apart a sender's packets came, against what it announces: over the last 256.
public struct Regularity: Sendable, Equatable {
    private var gaps: [Duration] = []
    private var deviations: [Duration] = []
    private var next = 0
    private static let window = 256

    /// Takes the time between two packets.
    mutating func record(_ gap: Duration, nominal: Duration) {
        let deviation = gap > nominal ? gap - nominal : nominal - gap
        if gaps.count < Self.window {
            gaps.append(gap)
            deviations.append(deviation)
        } else {
            gaps[next] = gap
            deviations[next] = deviation
            next = (next + 1) % Self.window
        }
    }

    /// The mean time between two packets; nil before the second one.
    public var meanInterval: Duration? {
        gaps.isEmpty ? nil : gaps.reduce(.zero, +) / gaps.count
    }

    /// Jitter: the mean distance from the announced interval.
    public var meanDeviation: Duration? {
        deviations.isEmpty ? nil : deviations.reduce(.zero, +) / deviations.count
    }

    /// The largest distance from the announced interval.
    public var maxDeviation: Duration? { deviations.max() }
}

extension SegmentSurvey.Problem: CustomStringConvertible {
    /// `also Active: 198.51.100.2`, `hop_limit ×12`.
    public var description: String {
        switch self {
        case .rejected(let kind, let count): "\(kind.code) ×\(count)"
        case .rivals(let others): "also Active: \(others.map(\.description).joined(separator: ", "))"
        case .otherAddresses(let other): "other addresses than \(other)"
        case .otherInterval(let other): "other interval than \(other)"
        case .silent(let time): "silent for \(time.components.seconds) s"
        case .resigned: "gave up (priority 0)"
        }
    }
}
