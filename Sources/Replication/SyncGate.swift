// The gate, told as a story
//
// Somebody asks for the local replica to be promoted. The gate first *approaches*: it reads both servers, without
// disturbing anybody, until the replica is sound and so close behind that it will have everything in a moment. A replica
// that is 200 MB behind catches up while clients go on writing. Then the master's writes are *fenced*, and only after the
// fence holds is its offset read: that is the target, and it does not move any more. The gate *waits* until the replica
// has applied it, and *opens*. What cannot be proven is *refused*, unless the operator's policy says otherwise; then the
// gate opens with the loss written on it.
//
// A master that dies on the way cannot acknowledge anything any more: the gate *drains* what the replica has received,
// and opens with what may be lost. A master that only falls silent may be alive. At the start that counts as dead (the
// pair must fail over when a machine vanishes); once it has answered, it does not, unless the policy says so.

/// One promotion attempt: decides when the local replica may be promoted, and with what loss. Knows nothing of VRRP, of
/// connections, or of what happens after it has opened (see `Promotion`).
///
/// Events carry the time; actions are to be executed in the order given. A `sample` is answered by one event for the
/// master (only if it was asked for) and then one for the replica.
public struct SyncGate: Sendable, Equatable {
    /// What the operator wants.
    public struct Policy: Sendable, Equatable {
        /// What to do when the time is up.
        public enum OnTimeout: String, Sendable, Equatable, CaseIterable {
            /// Leave everything as it is.
            case refuse
            /// Promote with the loss that is left.
            case promote
        }
        /// How long to try, from the request on.
        public var timeout: Duration
        /// What then.
        public var onTimeout: OnTimeout
        /// The most that may be lost by `onTimeout` or by a dead master, bytes; `nil` for no limit.
        public var maxLossBytes: Int64?
        /// Override every refusal that can be overridden.
        public var force: Bool
        /// A planned swap of roles: a master that cannot be asked at all is not taken for a dead one.
        public var needsMaster = false
        /// How the master may list the local server.
        public var listedAs: GateConditions.ReplicaAddress
        /// `run_id` of a master that an interrupted run of ours had already told to follow, from its journal.
        public var resumedMaster: String?
        /// What is known of the master already, so that nothing waits for it; `nil`: it is asked.
        public var knownMaster: KnownMaster?

        /// Makes a policy.
        public init(
            timeout: Duration, onTimeout: OnTimeout, maxLossBytes: Int64? = nil, force: Bool = false,
            listedAs: GateConditions.ReplicaAddress, resumedMaster: String? = nil, knownMaster: KnownMaster? = nil
        ) {
            self.timeout = timeout
            self.onTimeout = onTimeout
            self.maxLossBytes = maxLossBytes
            self.force = force
            self.listedAs = listedAs
            self.resumedMaster = resumedMaster
            self.knownMaster = knownMaster
        }

        /// The known master, unless it answers.
        var goneMaster: KnownMaster? { knownMaster.flatMap { $0.contact == .answering ? nil : $0 } }
    }

    /// What is known of the master's life.
    public enum Contact: Sendable, Equatable {
        /// It answers.
        case answering
        /// Its process is gone: the connection was closed and a new one refused.
        case dead
        /// It says nothing: hung, or cut off.
        case silent
        /// It was restarted behind the fence: it answers, unfenced, and is no longer what was measured.
        case restarted
    }

    /// What the gate opened with.
    public struct Opening: Sendable, Equatable {
        /// What was read.
        public var evidence: Evidence
        /// What is lost.
        public var loss: Loss
        /// Whether the master can be told to follow.
        public var master: Contact
        /// The refusal that force or policy overrode.
        public var overridden: Refusal?
        /// Until when the fence holds; `nil` for none.
        public var fencedUntil: Instant?
    }

    /// What the gate remembers of the attempt.
    public struct Attempt: Sendable, Equatable {
        var policy: Policy
        var startedAt: Instant
        var master: Observation?
        var firstReplica: Observation?
        var replica: Observation?
        var obstacle: Refusal?
        /// Why the master, which answered before, does not now.
        var trouble: Refusal?
        var deadline: Instant { startedAt + policy.timeout }
    }

    /// The master's last offset, read behind the fence.
    public struct Target: Sendable, Equatable {
        /// The reading.
        public var observation: Observation
        /// What holds it.
        public var fence: Fence
        /// Until when it holds.
        public var fencedUntil: Instant
    }

    /// Where the attempt stands.
    public enum State: Sendable, Equatable {
        /// Leaves to `approaching` when a promotion is requested, to `draining` when its master is known to be gone.
        case closed
        /// Leaves to `fencing` when the replica is close, to `open` when the master needs no fence, to `draining` when
        /// the master is lost, to `refused` on an obstacle or when the time is up.
        case approaching(Attempt)
        /// Leaves to `waiting` when the fence holds, to `open` when a refusal is being overridden, to `draining` when
        /// the master dies, to `refused` when it cannot be fenced.
        case fencing(Attempt, overriding: Refusal?, deadline: Instant)
        /// Leaves to `open` when the target is applied, to `draining` when the master dies, to `refused` at the
        /// deadline.
        case waiting(Attempt, Target, deadline: Instant)
        /// The master is lost; what was received is being applied. Leaves to `open` when the link is down or nothing
        /// moves any more, to `refused` when the replica still hears from its master at the deadline.
        case draining(Drain)
        /// Final.
        case open(Opening)
        /// Final.
        case refused(Refusal)
    }

    /// The end of a lost master's stream.
    public struct Drain: Sendable, Equatable {
        var attempt: Attempt
        var contact: Contact
        var target: Target?
        /// A fence holds, or was asked for and may still arrive: refusing undoes it.
        var mayBeFenced: Bool
        var overriding: Refusal?
        var deadline: Instant
        var still: Still?
    }

    /// What happened.
    public enum Event: Sendable, Equatable {
        /// Somebody wants the local replica promoted.
        case requested(Policy)
        /// The master was read.
        case master(Observation)
        /// The master could not be read.
        case masterUnreachable(Contact)
        /// The master is alive and refuses to be asked (`-NOAUTH`, `-BUSY`, …): the reason.
        case masterUnusable(String)
        /// The local replica was read.
        case replica(Observation)
        /// The fence holds until the given time, and the master was read behind it.
        case fenced(Observation, Fence, until: Instant)
        /// The fence could not be raised, and is not raised.
        case fenceFailed(String)
        /// `deadline` has passed.
        case deadlineReached
        /// A signal.
        case aborted
    }

    /// Which servers to read.
    public enum Servers: Sendable, Equatable {
        /// The master, and then the replica.
        case both
        /// The replica.
        case replica
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Read the servers after a pause.
        case sample(Servers, after: Duration)
        /// Fence the master's writes for this long, with the fence that suits its version.
        case fenceMaster(for: Duration)
        /// Undo the fence.
        case releaseFence
        /// Promote.
        case open(Opening)
        /// Do not.
        case refuse(Refusal)
    }

    /// The state.
    public private(set) var state: State = .closed

    /// Makes a closed gate.
    public init() {}

    /// When `deadlineReached` is due; `nil` in `closed`, `open` and `refused`.
    public var deadline: Instant? {
        switch state {
        case .closed, .open, .refused: nil
        case .approaching(let attempt): attempt.deadline
        case .fencing(_, _, let deadline), .waiting(_, _, let deadline): deadline
        case .draining(let drain): drain.deadline
        }
    }

    /// Takes an event and returns what to do. Events that mean nothing in a state return nothing and change nothing.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        let (next, actions): (State, [Action])
        switch state {
        case .closed: (next, actions) = Self.closed(event, now)
        case .approaching(let attempt): (next, actions) = Self.approaching(attempt, event, now)
        case .fencing(let attempt, let refusal, let deadline):
            (next, actions) = Self.fencing(attempt, overriding: refusal, until: deadline, event, now)
        case .waiting(let attempt, let target, let deadline):
            (next, actions) = Self.waiting(attempt, target, until: deadline, event, now)
        case .draining(let drain): (next, actions) = Self.draining(drain, event, now)
        case .open, .refused: return []
        }
        state = next
        return actions
    }
}
