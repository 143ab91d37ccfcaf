// The order of a rejoining, and why
//
// fence → look at both → read the backlog → is it whole? → write → sync → rename → look again → follow.
//
// The old master is fenced first, so that what it holds beyond the new one stands still while it is saved. It is looked at
// again after everything that takes time, and whatever it has written since is saved the same way. So `follow` comes out
// of one place only: a look at the old master, behind a fence that still holds, that shows nothing which is not safe.
// Behind a password fence keys go on expiring, and no look would be the last: there the look is, whose remainder was read
// and is nothing but that.
//
// Nothing is remembered from one process to the next but the files themselves. Killed between any two steps, the old
// master is as it was, the fence ends by itself or is undone from its journal, a partial file has a name that nobody takes
// for a whole one, and the next run begins from the fence. A whole file that it finds is not written twice.

public import Replication

/// How an old master comes back to its pair: what it holds beyond the new one is made safe, and only then is it made to
/// follow. Decides what comes next and where each failure leads to; the caller executes the actions in order and reports
/// one event for each that asks for one.
///
/// Whether the new master may be followed at all (an empty one, one that is itself a replica) is `Demotion`'s to decide,
/// before.
public struct Rejoin: Sendable, Equatable {
    /// What the operator wants, and what is known already.
    public struct Request: Sendable, Equatable {
        /// `on_divergence`.
        public var policy: DivergencePolicy
        /// The new master's promotion, where it is remembered.
        public var promotion: RememberedPromotion?
        /// Whole files that were saved before, as an interrupted run leaves them.
        public var saved: [SavedFile]
        /// Whether a parked old master may be made a master again for a moment, behind a fence, so that its backlog can
        /// be read. If the process dies then, it stays a master, without the virtual address.
        public var allowsDetaching: Bool
        /// For how long a fence is raised at a time; renewed when half of it has passed.
        public var fenceTime: Duration

        /// Makes a request.
        public init(
            policy: DivergencePolicy, promotion: RememberedPromotion? = nil, saved: [SavedFile] = [],
            allowsDetaching: Bool, fenceTime: Duration = .seconds(5)
        ) {
            self.policy = policy
            self.promotion = promotion
            self.saved = saved
            self.allowsDetaching = allowsDetaching
            self.fenceTime = fenceTime
        }
    }

    /// What was read of both servers, at one time, and of the disk.
    public struct Reading: Sendable, Equatable {
        /// The old master's `INFO`, all sections.
        public var old: ReplicationInfo
        /// The new master's.
        public var new: ReplicationInfo
        /// `SalvageCircumstances.snapshotBytes`.
        public var snapshotBytes: Int64?
        /// `SalvageCircumstances.freeBytes`.
        public var freeBytes: Int64?

        /// Makes one.
        public init(old: ReplicationInfo, new: ReplicationInfo, snapshotBytes: Int64?, freeBytes: Int64?) {
            self.old = old
            self.new = new
            self.snapshotBytes = snapshotBytes
            self.freeBytes = freeBytes
        }
    }

    /// A salvage file under its final name, synced.
    public struct SavedFile: Sendable, Equatable {
        /// The file.
        public var name: String
        /// What it holds.
        public var span: StreamSpan
        /// Writes in it.
        public var writes: Int64
        /// The database of its first writes is known.
        public var isPlaced: Bool

        /// Makes one.
        public init(name: String, span: StreamSpan, writes: Int64, isPlaced: Bool = true) {
            self.name = name
            self.span = span
            self.writes = writes
            self.isPlaced = isPlaced
        }
    }

    /// What was made safe.
    public enum Kept: Sendable, Equatable {
        /// The bytes.
        case file(SavedFile)
        /// A snapshot that holds at least all up to this offset, bytes.
        case snapshot(name: String, offset: Int64)

        /// The name of the file, in the salvage folder.
        public var name: String {
            switch self {
            case .file(let file): file.name
            case .snapshot(let name, _): name
            }
        }
    }

    /// What following discards, and what was kept of it.
    public struct Account: Sendable, Equatable {
        /// What the new master lacks; `nil` where nobody can tell.
        public var missing: LossAmendment?
        /// What was made safe of it, in order.
        public var kept: [Kept]
        /// By `on_divergence = "discard"`: nothing was made safe.
        public var isDiscarded: Bool

        /// Makes one.
        public init(missing: LossAmendment?, kept: [Kept] = [], isDiscarded: Bool = false) {
            self.missing = missing
            self.kept = kept
            self.isDiscarded = isDiscarded
        }
    }

    /// How it ended.
    public enum Outcome: Sendable, Equatable {
        /// It follows. `leaked`: bytes that clients may have written behind the fence after the last look, and that are
        /// not safe; `nil` when the fence held.
        case followed(Account, leaked: Int64?)
        /// It was left as it was.
        case refused(SalvageRefusal)
        /// It could not be made to follow: the words. What was kept is safe.
        case failed(String, Account)
        /// A signal, or a second failover.
        case aborted
    }

    /// What happened.
    public enum Event: Sendable, Equatable {
        /// The old master shall follow.
        case requested(Request)
        /// It takes no writes until then. `readOnlyReplica`, without an end: it is a replica, and needs no fence. Its
        /// `run_id` was read on the connection that it was fenced on: a process that was restarted is not fenced.
        case fenced(Fence, until: Instant?, runID: String)
        /// It could not be fenced, and is not fenced.
        case fenceFailed(String)
        /// Both were read, after it was fenced.
        case examined(Reading)
        /// One of them cannot be asked.
        case unreachable(SalvageRefusal.Server, reason: String)
        /// It is a master, fenced until then.
        case detached(Fence, until: Instant)
        /// The backlog was read, to the end of what was asked for or of what came.
        case read(StreamTally)
        /// The file has all bytes, under its partial name.
        case written
        /// They are on the disk.
        case synced
        /// It has its name, and the folder is on the disk.
        case renamed(String)
        /// A snapshot that was begun after the order is safe, under this name.
        case snapshotKept(String)
        /// A step from `detach` to `snapshot` failed.
        case stepFailed(SalvageFailure)
        /// It was told to follow; its offset as a master was read in the same write, just before. `nil` where it was a
        /// replica.
        case followed(offset: Int64?)
        /// It was not told in time, or refused: its words.
        case followFailed(String)
        /// `deadline` has passed.
        case deadlineReached
        /// A signal, or a second failover.
        case aborted
    }

    /// What to do, in this order.
    public enum Action: Sendable, Equatable {
        /// Fence the old master's writes for this long, or longer where it is fenced already; a replica needs none.
        case fence(for: Duration)
        /// Read both servers and the disk.
        case examine
        /// Fence it as a master is fenced, and then `SLAVEOF NO ONE`.
        case detach(fencedFor: Duration)
        /// `PSYNC` on a side connection, from so many bytes before the span (`StreamLead` says what they tell) exactly to
        /// its end; nothing else is sent on that connection, and a full resync that begins is cut off. Before Redis 4 the
        /// tally begins where the lead does, so that a command is whole of which the new master got a part.
        case readBacklog(StreamSpan, lead: Int64)
        /// Write the header and the bytes of the tally to a file with a partial name, mode 0600.
        case writeFile(StreamSpan, StreamTally)
        /// Sync it.
        case syncFile
        /// Give it its name, and sync the folder.
        case renameFile
        /// Remove the file with the partial name.
        case discardPartialFile
        /// `BGSAVE` that begins now, and keep its file: linked or copied, synced.
        case snapshot(SnapshotReason)
        /// `INFO` and `SLAVEOF <new master>` in one write; not after this time, and on the connection that it was last
        /// looked at on: what was restarted since must not get it.
        case follow(Account, before: Instant?)
        /// `SLAVEOF 127.0.0.1 1`: it was detached, and goes back.
        case park
        /// Undo the fence.
        case releaseFence
        /// The end.
        case finish(Outcome)
    }

    /// Where it stands. From every state but the first and the last two, `unreachable` and `aborted` lead to `finished`.
    public enum State: Sendable, Equatable {
        /// Leaves to `fencing` when requested.
        case idle
        /// Leaves to `examining` when the fence holds, to `finished` when it cannot be raised.
        case fencing
        /// Leaves to `following` when nothing is left to save, to `detaching`, `reading` or `snapshotting` when something
        /// is, to `fencing` when the fence is about to end, to `finished` when it is refused.
        case examining
        /// Leaves to `examining` when it is a master, to `snapshotting` or `finished` when that fails.
        case detaching
        /// Leaves to `writing` when the bytes are whole, to `examining` when there is no write in them, to `snapshotting`
        /// or `finished` when that fails.
        case reading(StreamSpan)
        /// Leaves to `syncing`; to `snapshotting` or `finished` when that fails.
        case writing(StreamSpan, StreamTally)
        /// Leaves to `renaming`; to `snapshotting` or `finished` when that fails.
        case syncing(StreamSpan, StreamTally)
        /// Leaves to `examining`; to `snapshotting` or `finished` when that fails.
        case renaming(StreamSpan, StreamTally)
        /// Leaves to `examining`; to `finished` when that fails.
        case snapshotting
        /// Leaves to `finished`.
        case following(Account)
        /// Final.
        case finished(Outcome)
    }

    /// The state.
    public internal(set) var state: State = .idle
    var memory = Memory()

    /// Makes one that waits for a request.
    public init() {}

    /// Whether `aborted` ends it: not before it has begun, nor once the server is being told to follow.
    public var canBeAborted: Bool {
        switch state {
        case .idle, .following, .finished: false
        case .fencing, .examining, .detaching, .reading, .writing, .syncing, .renaming, .snapshotting: true
        }
    }

    /// When `deadlineReached` is due, to renew the fence; `nil` where none has to be.
    public var deadline: Instant? {
        switch state {
        case .idle, .fencing, .following, .finished: nil
        case .examining, .detaching, .reading, .writing, .syncing, .renaming, .snapshotting:
            memory.renewAt
        }
    }
}
