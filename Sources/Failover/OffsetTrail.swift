import Replication

/// Which failover that belongs to which a server holds beyond the one that it is to follow, as far as this node knows. For
/// whoever looks at what was kept, and nothing is decided by it.
public struct SurplusOrigin: Sendable, Equatable {
    /// The number of the promotion by which the peer's server is master: `epoch` in the history of both nodes.
    public var epoch: UInt64?
    /// When the local server was last seen without anything that the peer's lacks: all of it was written after that.
    public var writtenAfter: Instant?

    /// Makes one.
    public init(epoch: UInt64? = nil, writtenAfter: Instant? = nil) {
        self.epoch = epoch
        self.writtenAfter = writtenAfter
    }
}

/// At which offset the local server was seen, and when, while it was a master of one history: its stream has no times.
/// Bounded: what is long ago is kept more coarsely.
struct OffsetTrail: Sendable, Equatable {
    private struct Point: Sendable, Equatable {
        var offset: Int64
        var lastSeen: Instant
    }

    /// How many are kept.
    private static let capacity = 256
    /// The process and its history.
    private var owner: [String?] = []
    private var points: [Point] = []

    /// Takes a reading. One that is parked keeps what is known; one that follows, or another process, has a new trail.
    mutating func note(_ observation: Observation) {
        let info = observation.info
        guard info.masterLink == nil, !info.isLoading else {
            if info.masterLink?.isUp == true { points = [] }
            return
        }
        let now = [info.server?.runID, info.identity?.id]
        if now != owner || info.dataOffset < points.last?.offset ?? .min { (owner, points) = (now, []) }
        if points.last?.offset == info.dataOffset { points.removeLast() }
        points.append(Point(offset: info.dataOffset, lastSeen: observation.at))
        guard points.count > Self.capacity else { return }
        // Without a point, what it told is told by the one before: somewhat too early, and never too late.
        let older = points.indices.prefix(Self.capacity / 2).filter { $0.isMultiple(of: 2) }
        points = older.map { points[$0] } + points[(Self.capacity / 2)...]
    }

    /// When it was last seen with nothing beyond this offset; nil where that was never seen.
    func lastSeen(notBeyond offset: Int64) -> Instant? { points.last { $0.offset <= offset }?.lastSeen }
}
