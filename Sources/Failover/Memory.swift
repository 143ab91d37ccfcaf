public import Salvage

/// What a node remembers over a restart, in a small file of its own.
public struct Memory: Sendable, Equatable {
    /// How many promotions the pair has had, as far as this node knows. Every promotion makes it one more than both nodes
    /// have seen.
    public var epoch: UInt64
    /// Whether the local Redis was the pair's master when it was last seen.
    public var wasMaster: Bool
    /// Histories that the local data set went through, the latest last: `master_replid`, before Redis 4 the master's `run_id`.
    public var lineage: [Lineage]
    /// The operator had paused the daemon.
    public var isPaused: Bool
    /// The last promotion of the local server, while it is master by that, and still the same process: one that is
    /// restarted may come back with less.
    public var promotion: Promoted?

    /// A promotion, and of which process.
    public struct Promoted: Sendable, Equatable {
        /// How far the local server had come in the old master's history.
        public var promotion: RememberedPromotion
        /// The local server's `run_id`.
        public var runID: String

        /// Makes one.
        public init(_ promotion: RememberedPromotion, of runID: String) {
            self.promotion = promotion
            self.runID = runID
        }
    }

    /// One history, and how far the local data set was seen to go in it.
    public struct Lineage: Sendable, Equatable {
        /// `master_replid`, before Redis 4 the master's `run_id`.
        public var id: String
        /// The last offset that was seen, bytes.
        public var offset: Int64

        /// Makes one.
        public init(id: String, offset: Int64) {
            self.id = id
            self.offset = offset
        }
    }

    /// How many histories are kept.
    public static let capacity = 8

    /// Of a node that remembers nothing.
    public init(
        epoch: UInt64 = 0, wasMaster: Bool = false, lineage: [Lineage] = [], isPaused: Bool = false,
        promotion: Promoted? = nil
    ) {
        self.epoch = epoch
        self.wasMaster = wasMaster
        self.lineage = lineage
        self.isPaused = isPaused
        self.promotion = promotion
    }
}
