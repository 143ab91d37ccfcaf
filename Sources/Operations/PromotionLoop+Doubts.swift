import Replication

/// Refused is not dead: a proxy or firewall may stand between. What the other server's link says, decides.
extension PromotionLoop {
    /// How long a dead peer's replica may take to notice, and a living one's to connect (once a second before Redis 7).
    private static let linkDoubt: Duration = .milliseconds(1500)

    /// Whether the replica's link to its master stays up: then that master lives, whatever we see of it.
    func isLinkUp(from replica: Server) async -> Bool {
        let end = ContinuousClock.now + Self.linkDoubt
        while ContinuousClock.now < end {
            guard case .success(let observation) = await Self.read(replica, isBrief: true),
                observation.info.masterLink?.isUp == true
            else { return false }
            await wait(.milliseconds(5), until: nil)
        }
        return true
    }

    /// Whether the replica's link comes up: then the server lives that was to be promoted. `former`: the replica, when it was
    /// master.
    ///
    /// From Redis 4 on it goes on in its history with that server. A full copy tells that another process answers there, which
    /// is about to replace all that the replica holds.
    func linkComesUp(from replica: Server, since former: ReplicationInfo?) async -> Bool {
        let end = ContinuousClock.now + Self.linkDoubt
        // From Redis 7 on it may have been up when the peer died, and takes a moment to notice.
        await wait(.milliseconds(20), until: nil)
        while ContinuousClock.now < end {
            guard case .success(let observation) = await Self.read(replica, isBrief: true),
                let link = observation.info.masterLink
            else { return false }
            if let own = observation.info.identity {
                if link.fullResync != nil { return false }
                if link.isUp { return former?.identity.map { $0.id == own.id || $0.id == own.previous?.id } ?? true }
            } else if link.isUp || link.fullResync != nil {
                return true
            }
            await wait(.milliseconds(2), until: nil)
        }
        return false
    }
}
