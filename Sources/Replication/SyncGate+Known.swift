// A master that the caller knows to be gone: the gate never asks it.
//
// The danger is not the dead master but its successor. A supervisor may start it anew within 50 ms, without its data set,
// and then its replica copies the emptiness 0.4 s later. So whatever the replica still holds of the old master's data is
// promoted at once, also in the middle of a full resync, as long as the transfer has not replaced anything. What has been
// replaced already is refused: promoting it would make the loss final.

extension SyncGate {
    /// What the caller knows of a master that cannot be asked.
    public struct KnownMaster: Sendable, Equatable {
        /// Dead (its process is gone), silent, or restarted: another process under its address. With `answering` the gate
        /// asks the master itself, and the last reading bounds the loss where it never gets an answer.
        public var contact: Contact
        /// The last reading of it while the local server was its replica; bounds the loss.
        public var lastSample: Observation?
        /// Since when the local server's applied offset has not moved, and where it stands; nil where that is not known.
        public var still: Still?

        /// Makes one.
        public init(contact: Contact, lastSample: Observation?, still: Still?) {
            self.contact = contact
            self.lastSample = lastSample
            self.still = still
        }
    }

    /// An applied offset that does not move: a stream in which nothing arrives.
    public struct Still: Sendable, Equatable {
        /// Where it stands, bytes.
        public var offset: Int64
        /// Since when.
        public var since: Instant

        /// Makes one.
        public init(at offset: Int64, since: Instant) {
            self.offset = offset
            self.since = since
        }
    }

    /// Goes straight to draining.
    static func requested(_ policy: Policy, knowing known: KnownMaster, _ now: Instant) -> Step {
        var drain = Drain(
            attempt: Attempt(policy: policy, startedAt: now), contact: known.contact, mayBeFenced: false,
            deadline: now + GateTiming.drainLimit)
        drain.attempt.master = known.lastSample
        drain.still = known.still
        return (.draining(drain), [.sample(.replica, after: .zero)])
    }

    /// The replica of a known master was read.
    static func judge(_ drain: inout Drain, knowing known: KnownMaster, _ observation: Observation, _ now: Instant)
        -> Step
    {
        if let refusal = obstacle(known, observation.info) { return finish(drain, refusing: refusal, now) }
        guard let link = observation.info.masterLink, link.isUp else { return finish(drain, refusing: nil, now) }
        switch known.contact {
        case .restarted:
            return finish(drain, refusing: nil, now)
        case .dead where goesOn(observation.info, after: known):
            return finish(drain, refusing: nil, now)
        case .dead, .silent, .answering:
            return awaitEnd(&drain, link, now)
        }
    }

    /// What is lost at most: what the replica lacks of the last reading.
    static func loss(_ attempt: Attempt, knowing known: KnownMaster, _ now: Instant) -> Loss {
        guard let sample = known.lastSample, let replica = attempt.replica else { return .unknown(.neverSampled) }
        guard sample.info.masterLink == nil, sample.info.backlog.isActive,
            let applied = offset(of: replica.info, after: sample.info), holdsData(known, replica.info) != false
        else { return .unknown(.notComparable) }
        let missing = max(sample.info.masterReplicationOffset - applied, 0)
        return .atMost(bytes: missing, sampleAge: max(now - sample.at, .zero))
    }

    /// How far the replica's data set goes. In a full resync `slave_repl_offset` says 1: from Redis 4 on its own offset
    /// still tells, before that what it had acknowledged to the old master. `nil` where nothing tells.
    static func offset(of replica: ReplicationInfo, after sample: ReplicationInfo?) -> Int64? {
        if replica.identity != nil { return max(replica.dataOffset, replica.masterReplicationOffset) }
        if replica.dataOffset > 1, replica.masterLink?.fullResync == nil { return replica.dataOffset }
        return sample.flatMap(leastAcknowledged)
    }

    private static func leastAcknowledged(_ master: ReplicationInfo) -> Int64? {
        master.replicas.filter(\.isOnline).map(\.acknowledgedOffset).min()
    }

    /// Whether the replica has gone on with the master's successor, which continues the same history under a new id.
    private static func goesOn(_ replica: ReplicationInfo, after known: KnownMaster) -> Bool {
        known.lastSample.map { !isSameHistory(replica, $0.info) } ?? false
    }

    /// What speaks against the replica.
    private static func obstacle(_ known: KnownMaster, _ replica: ReplicationInfo) -> Refusal? {
        let isHeld = holdsData(known, replica)
        if let obstacle = GateConditions.obstacle(replica: replica) {
            guard case .fullResync = obstacle.refusal, known.contact != .silent, isHeld == true else {
                return obstacle.refusal
            }
            if replica.masterLink?.isReadOnly == false { return .writableReplica }
        } else if replica.masterLink?.downtime == .neverConnected {
            return .neverSynchronised
        }
        guard let master = known.lastSample?.info else { return nil }
        if let keys = master.keys, keys > 0, replica.keys == 0 { return .empty(masterKeys: keys) }
        return isHeld == false ? .otherHistory(masterKeys: master.keys) : nil
    }

    /// Whether the replica still holds the known master's data, as far as history and offset tell; `nil` without a reading
    /// of that master.
    private static func holdsData(_ known: KnownMaster, _ replica: ReplicationInfo) -> Bool? {
        guard let master = known.lastSample?.info else { return nil }
        if let own = replica.identity, let theirs = master.history {
            let history = ReplicationHistory(identity: own, offset: offset(of: replica, after: master) ?? 0)
            return history.relation(to: theirs) != .unrelated
        }
        // Before Redis 4: an offset of 1 is that of a link which begins anew, and has replaced nothing until it is up.
        // One below what was acknowledged before counts another process's stream.
        guard replica.masterLink?.isUp == true || replica.dataOffset > 1 else { return true }
        guard replica.masterLink?.fullResync == nil, let acknowledged = leastAcknowledged(master) else { return true }
        return replica.dataOffset >= acknowledged
    }
}
