public import Replication

/// What a Redis server said when it was last asked, or why it said nothing. The shell asks both servers all the time.
public enum RedisReading: Sendable, Equatable {
    /// It answered `INFO`; also while it loads its data set.
    indirect case observed(Observation)
    /// No process listens: the connection was closed or not there, and a new one was refused.
    case dead
    /// It was asked then, and has not answered since: slow, hung, or cut off. Told again and again while that lasts, also when
    /// it has lasted for `down_after`: only what is told then counts.
    case silent(since: Instant)
    /// It answers, and cannot be told anything for a while, as its own words say: a script runs (`-BUSY`), it loads its data
    /// set, all its connections are taken, or its password is another one for a moment: a fence.
    case busy(String)
    /// It answers, and cannot be used: wrong password, no permission, a cluster node, no Redis at all: the reason.
    case unusable(String)

    /// What it said.
    public var observation: Observation? {
        if case .observed(let observation) = self { observation } else { nil }
    }
}

/// The names of the coordinator's states.
public enum CoordinatorState: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// It looks at both servers, and takes no part in the election yet.
    case starting
    /// Takes part, and leaves the virtual addresses to the other node.
    case standby
    /// Its Redis is being promoted.
    case gating
    /// Its Redis is the master, and it has the virtual addresses.
    case serving
    /// It gives role and addresses to the other node.
    case handingOver = "handing_over"
    /// Takes no part, for a reason.
    case fault
    /// The operator has asked it to keep its hands off.
    case paused
    /// It was told to stop, and has.
    case stopped

    /// `serving`.
    public var description: String { rawValue }
}
