public import Replication
public import Salvage

/// Names an operation; ascending.
public typealias OperationID = Int

/// What the shell is to do on the servers. All but `disconnectClients` and `writeFence` are exclusive: the node orders the next
/// one when the outcome of the last one has come. Each ends with an outcome, after a bounded time.
public enum RedisOrder: Sendable, Equatable {
    /// Pass the gate, make the peer's server a replica where it lives, and make the local one master.
    case promote(PromotionOrder)
    /// Make the local server master without a gate: the survey has shown that it holds all there is, and nobody is master.
    /// The shell surveys once more just before, and refuses where that is no longer true.
    case lead
    /// The gate with the roles swapped: the peer's server becomes master, the local one its replica. `OperationProgress`
    /// tells at once when the peer is promoted, before the clients are disconnected.
    case handOver(timeout: Duration)
    /// Make the local server follow the peer's, counting what that discards. Where the local one takes writes, they are
    /// fenced first, and what is discarded is looked at once more behind the fence: not more than `accepting`, and not before
    /// it is safe, as `on_divergence` has it, which may take minutes. `promotion`: the peer's, where its daemon tells it;
    /// `origin`: for whoever looks at the files.
    case follow(accepting: Discard, promotion: RememberedPromotion? = nil, origin: SurplusOrigin = SurplusOrigin())
    /// `SLAVEOF 127.0.0.1 1` on the local server: read-only, with its data set, following nobody.
    case park
    /// Close the connections of the local server's clients.
    case disconnectClients
    /// `CONFIG SET min-slaves-to-write` on the local server.
    case writeFence(minReplicas: Int)

    /// How a promotion is to be done.
    public struct PromotionOrder: Sendable, Equatable {
        /// How long to wait for a replica that lags behind a living master.
        public var timeout: Duration
        /// Promote with what is missing when the time is up.
        public var promotesAfterTimeout: Bool
        /// The most that may be lost, bytes.
        public var maxLossBytes: Int64?
        /// Nothing is to be lost: where the master cannot be asked, it is refused.
        public var isPlanned: Bool
        /// What is known of the master already, so that nothing waits for it; nil: ask it.
        public var knownMaster: KnownMaster?

        /// Makes one.
        public init(
            timeout: Duration, promotesAfterTimeout: Bool, maxLossBytes: Int64? = nil, isPlanned: Bool = false,
            knownMaster: KnownMaster? = nil
        ) {
            self.isPlanned = isPlanned
            self.timeout = timeout
            self.promotesAfterTimeout = promotesAfterTimeout
            self.maxLossBytes = maxLossBytes
            self.knownMaster = knownMaster
        }
    }

    /// What the node knows of a master that cannot be asked.
    public typealias KnownMaster = SyncGate.KnownMaster

    /// What following may discard at most.
    public enum Discard: Sendable, Equatable {
        /// Nothing.
        case nothing
        /// What the local server holds beyond the common history, counted in bytes.
        case surplus
        /// The local data set, whose ids are not the peer's, but which is known to be the pair's own.
        case kin
    }
}

/// News of an operation before its outcome.
public enum OperationProgress: Sendable, Equatable {
    /// The server that was to be promoted is master. Its old master's clients are not disconnected yet.
    case promoted
    /// What it is doing now. For the operator, of operations that may take minutes.
    case step(Step)
}

/// How an operation ended.
public struct OperationOutcome: Sendable, Equatable {
    /// How it ended.
    public enum Result: Sendable, Equatable {
        /// Done, or it was so before.
        case done
        /// Nothing was changed. `code` is a stable word, e.g. `full_resync`.
        case refused(code: String, reason: String)
        /// A server could not be reached, or failed on the way.
        case failed(reason: String)
    }
    /// How it ended.
    public var result: Result
    /// What the operator can do where it came to nothing, as one sentence; nil where nobody knows.
    public var remedy: String?
    /// What was lost by a promotion, or discarded by following.
    public var loss: Loss
    /// What following has discarded, and what was kept of it; nil where nothing was made to follow.
    public var account: Rejoin.Account?
    /// The new master's target and applied offset; nil without a gate.
    public var evidence: Evidence?
    /// From the fence to the promotion; nil without a fence.
    public var writeGap: Duration?
    /// When it began.
    public var startedAt: Instant
    /// What was done, in order; times count from `startedAt`.
    public var steps: [Step]

    /// Makes one.
    public init(
        _ result: Result, remedy: String? = nil, loss: Loss = .none, account: Rejoin.Account? = nil,
        evidence: Evidence? = nil,
        writeGap: Duration? = nil, startedAt: Instant, steps: [Step] = []
    ) {
        self.result = result
        self.remedy = remedy
        self.loss = loss
        self.account = account
        self.evidence = evidence
        self.writeGap = writeGap
        self.startedAt = startedAt
        self.steps = steps
    }
}
