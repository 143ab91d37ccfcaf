// Readings made of values, for the simulation: what a server would say, without its text.

extension ReplicationInfo {
    /// What a server of these values says: a standalone one, with an append-only file, without anything unusual.
    package init(
        playing role: Role, offset: Int64, identity: ReplicationIdentity?, replicas: [Replica], backlog: Backlog,
        server: Server, isLoading: Bool, keys: Int64?
    ) {
        self.role = role
        masterReplicationOffset = offset
        self.identity = identity
        self.replicas = replicas
        self.backlog = backlog
        self.server = server
        persistence = Persistence(
            isLoading: isLoading, isAsyncLoading: false, loadingETA: isLoading ? 1 : nil, isAOFEnabled: true,
            lastSaveTime: nil, isSaving: false, hasLastSaveSucceeded: true)
        self.keys = keys
    }
}

extension ReplicationInfo.MasterLink {
    /// A read-only replica's link. `downtime` is nil while it is up.
    package init(
        to host: String, port: Int, applied: Int64, downtime: ReplicationInfo.Downtime?, quietSeconds: Int64?,
        isCopying: Bool
    ) {
        self.host = host
        self.port = port
        isUp = downtime == nil
        secondsSinceLastIO = quietSeconds
        self.downtime = downtime
        fullResync = isCopying ? ReplicationInfo.FullResync() : nil
        appliedOffset = applied
        receivedOffset = applied
        isReadOnly = true
        priority = 100
    }
}

extension ReplicationInfo.Replica {
    /// One that is streamed to.
    package init(online ip: String, port: Int, acknowledged: Int64) {
        self.ip = ip
        self.port = port
        state = "online"
        acknowledgedOffset = acknowledged
        secondsSinceAcknowledgement = 0
    }
}

extension ReplicationInfo.Backlog {
    /// Of 1 MiB. `firstByte` is nil where it is not active.
    package init(firstByte: Int64?, upTo offset: Int64) {
        isActive = firstByte != nil
        size = 1 << 20
        firstByteOffset = firstByte ?? 0
        length = firstByte.map { max(offset - $0 + 1, 0) } ?? 0
    }
}

extension ReplicationInfo.Server {
    /// A standalone server, Redis 7.0.15.
    package init(runID: String, port: Int, uptime: Int64) {
        version = ServerVersion(7, 0, 15)
        mode = .standalone
        self.runID = runID
        self.port = port
        self.uptime = uptime
    }
}
