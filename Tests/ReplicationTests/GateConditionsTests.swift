import Testing

@testable import Replication

@Suite("GateConditions: what makes equal offsets worthless")
struct GateConditionsTests {
    typealias Address = GateConditions.ReplicaAddress

    private func obstacle(_ master: ReplicationInfo, _ replica: ReplicationInfo, as address: Address? = nil)
        -> GateConditions.Obstacle?
    {
        let address = address ?? Address(ips: ["127.0.0.1"], ports: [replica.server?.port ?? 0])
        return GateConditions.obstacle(master: master, replica: replica, listedAs: address)
    }

    @Test("a healthy pair", arguments: Capture.versions)
    func healthy(version: String) throws {
        let master = try Capture.info(version, "master-with-replica")
        let replica = try Capture.info(version, "replica-online")
        #expect(obstacle(master, replica) == nil)
        #expect(GateConditions.obstacle(replica: replica) == nil)
        let promoted = try Capture.info(version, "promoted-with-follower")
        #expect(obstacle(promoted, try Capture.info(version, "old-master-following")) == nil)
    }

    @Test(
        "backlog freed, the offset stands still although it is written to", arguments: Capture.versions)
    func backlogFreed(version: String) throws {
        let master = try Capture.info(version, "master-backlog-freed")
        var replica = try Capture.info(version, "replica-online")
        replica.identity = master.identity
        #expect(replica.dataOffset == master.masterReplicationOffset)
        #expect(obstacle(master, replica) == .passing(.backlogInactive))
        replica.role = .replica(try #require(replica.masterLink).with { $0.isUp = false })
        #expect(obstacle(master, replica) == .passing(.linkDown))
    }

    @Test("fresh replica, never synced, of a master with keys", arguments: Capture.versions)
    func freshReplica(version: String) throws {
        let replica = try Capture.info(version, "replica-never-connected")
        let master = try Capture.info(version, "master-with-replica")
        #expect(obstacle(master, replica) == .hard(.empty(masterKeys: 101)))
    }

    @Test("a fresh replica of an empty master")
    func freshPair() throws {
        for version in Capture.withoutIDs {
            let replica = try Capture.info(version, "replica-never-connected")
            #expect(obstacle(try Capture.info(version, "master-alone"), replica) == .hard(.neverSynchronised))
        }
        for version in Capture.withIDs {
            let replica = try Capture.info(version, "replica-never-connected")
            #expect(obstacle(try Capture.info(version, "master-alone"), replica) == .hard(.otherHistory(masterKeys: 0)))
        }
    }

    static let fullSyncs: [(version: String, left: Int64)] = [
        ("2.8.17", 35_883_688), ("3.2.6", 35_883_753), ("5.0.6", 35_818_316), ("6.2.14", 35_818_317),
        ("7.0.15", 35_883_849), ("8.2.3", 35_818_312),
    ]

    @Test("in the middle of a full sync", arguments: fullSyncs)
    func fullSync(version: String, left: Int64) throws {
        let master = try Capture.info(version, "master-during-sync")
        #expect(obstacle(master, try Capture.info(version, "replica-syncing")) == .hard(.fullResync(leftBytes: left)))
        let begin = try Capture.info(version, "replica-syncing-start")
        #expect(obstacle(try Capture.info(version, "master-before-sync"), begin) == .hard(.fullResync(leftBytes: nil)))
    }

    @Test("diskless: the size is not known", arguments: ["3.2.6", "5.0.6", "6.2.14", "7.0.15", "8.2.3"])
    func diskless(version: String) throws {
        let master = try Capture.info(version, "master-during-sync-diskless")
        let replica = try Capture.info(version, "replica-syncing-diskless")
        #expect(obstacle(master, replica) == .hard(.fullResync(leftBytes: nil)))
    }

    static let loadings: [(version: String, state: String, eta: Int64)] = [
        ("2.8.17", "replica-loading", 17), ("3.2.6", "replica-loading", 1), ("5.0.6", "replica-loading", 1),
        ("6.2.14", "replica-loading", 1), ("7.0.15", "replica-loading", 1), ("8.2.3", "replica-loading", 1),
        ("7.0.15", "replica-async-loading", 52), ("8.2.3", "replica-async-loading", 38),
    ]

    @Test("loading, although the master lists it online", arguments: loadings)
    func loading(version: String, state: String, eta: Int64) throws {
        let replica = try Capture.info(version, state)
        let master = try Capture.info(version, "master-while-replica-loads")
        #expect(obstacle(master, replica) == .hard(.loading(etaSeconds: eta)))
        #expect(GateConditions.obstacle(replica: replica) == .hard(.loading(etaSeconds: eta)))
    }

    @Test("master restarted empty; its replica still has the data, its link is down")
    func restartedEmpty() throws {
        for version in Capture.withIDs {
            let master = try Capture.info(version, "empty-master-restarted")
            let replica = try Capture.info(version, "replica-before-wipe")
            #expect(obstacle(master, replica) == .hard(.otherHistory(masterKeys: 0)), "\(version)")
        }
        for version in Capture.withoutIDs {
            let master = try Capture.info(version, "empty-master-restarted")
            #expect(
                obstacle(master, try Capture.info(version, "replica-before-wipe")) == .passing(.linkDown), "\(version)")
        }
    }

    @Test("half-open link, master restarted empty: link up, replica's offset above the master's")
    func halfOpen() throws {
        for version in Capture.withIDs {
            let master = try Capture.info(version, "empty-master-restarted")
            #expect(
                obstacle(master, try Capture.info(version, "replica-online")) == .hard(.otherHistory(masterKeys: 0)))
        }
        for version in Capture.withoutIDs {
            let master = try Capture.info(version, "empty-master-restarted")
            #expect(obstacle(master, try Capture.info(version, "replica-online")) == .passing(.backlogInactive))
        }
    }

    @Test(
        "half-open before Redis 4: the master has another replica, and does not list ours",
        arguments: Capture.withoutIDs)
    func halfOpenWithOther(version: String) throws {
        let master = try Capture.info(version, "min-slaves")
        #expect(obstacle(master, try Capture.info(version, "replica-online")) == .passing(.notListed))
    }

    @Test("another master's history, link up, equal offsets", arguments: Capture.withIDs)
    func otherHistory(version: String) throws {
        let master = try Capture.info(version, "min-slaves")
        let replica = try Capture.info(version, "replica-online")
        #expect(master.masterReplicationOffset == replica.dataOffset)
        #expect(obstacle(master, replica) == .hard(.otherHistory(masterKeys: 101)))
    }

    @Test("writable replica", arguments: Capture.versions)
    func writable(version: String) throws {
        let master = try Capture.info(version, "master-with-replica")
        #expect(obstacle(master, try Capture.info(version, "replica-writable")) == .hard(.writableReplica))
    }

    @Test("a replica of a replica, and two that follow each other")
    func replicaOfReplica() throws {
        let bottom = try Capture.info("7.0.15", "replica-of-replica")
        let middle = try Capture.info("7.0.15", "replica-with-replica")
        #expect(obstacle(middle, bottom) == .hard(.replicaOfReplica(host: "127.0.0.1", port: 22322)))
        let (one, other) = (try Capture.info("8.2.3", "mutual-A"), try Capture.info("8.2.3", "mutual-B"))
        #expect(obstacle(one, other) == .hard(.replicaOfReplica(host: "127.0.0.1", port: 22048)))
        #expect(obstacle(other, one) == .hard(.replicaOfReplica(host: "127.0.0.1", port: 27455)))
    }

    @Test("Redis's own FAILOVER is at work", arguments: ["6.2.14", "7.0.15", "8.2.3"])
    func failover(version: String) throws {
        let master = try Capture.info(version, "failover-in-progress")
        let replica = try Capture.info(version, "replica-online")
        #expect(obstacle(master, replica) == .hard(.failoverInProgress(state: "waiting-for-sync")))
    }

    @Test("the master is loading: passes, whatever its history says meanwhile", arguments: Capture.versions)
    func masterLoading(version: String) throws {
        let master = try Capture.info(version, "loading")
        let replica = try Capture.info(version, "replica-link-down")
        #expect(obstacle(master, replica) == .passing(.masterLoading(etaSeconds: 1)))
    }

    @Test("the link is down, the master lives", arguments: Capture.versions)
    func linkDown(version: String) throws {
        let master = try Capture.info(version, "master-with-replica")
        #expect(obstacle(master, try Capture.info(version, "replica-link-down")) == .passing(.linkDown))
    }

    @Test("a master that was promoted away while our link was down is related, and another one's is not")
    func promotedAway() throws {
        let new = try Capture.info("7.0.15", "promoted-link-down")
        let stale = try Capture.info("7.0.15", "replica-link-down")
        #expect(obstacle(new, stale) == .passing(.linkDown))
        #expect(obstacle(try Capture.info("7.0.15", "promoted"), stale) == .hard(.otherHistory(masterKeys: 101)))
    }

    @Test("a server that is a master itself has nothing in its way")
    func master() throws {
        let master = try Capture.info("7.0.15", "master-alone")
        #expect(GateConditions.obstacle(replica: master) == nil)
        #expect(obstacle(master, master) == nil)
    }
}

@Suite("GateConditions: whether the master lists the replica")
struct ListedTests {
    private let address = GateConditions.ReplicaAddress(ips: ["10.0.0.2"], ports: [6379, 7000])

    private func isListed(_ replicas: [ReplicationInfo.Replica], ids: Bool = false, masterIDs: Bool? = nil) -> Bool {
        let master = masterInfo(id: masterIDs ?? ids ? historyID : nil, listed: replicas)
        return GateConditions.isListed(master: master, replica: replicaInfo(id: ids ? historyID : nil), as: address)
    }

    @Test("by address and port, in any order, under any of its ports")
    func byAddress() {
        #expect(isListed([listedReplica()]))
        #expect(isListed([listedReplica(ip: "10.0.0.3"), listedReplica(port: 7000)]))
        #expect(isListed([listedReplica(ip: "10.0.0.3"), listedReplica(ip: "10.0.0.4"), listedReplica()]))
        #expect(!isListed([listedReplica(ip: "10.0.0.3"), listedReplica(ip: "10.0.0.4")]))
    }

    @Test("not online, or not at all")
    func notOnline() {
        #expect(!isListed([]))
        #expect(!isListed([listedReplica(state: "send_bulk")]))
        #expect(!isListed([listedReplica(state: "wait_bgsave")], ids: true))
        #expect(!isListed([], ids: true))
    }

    @Test("before Redis 4 the only one at our port is ours by its address alone: a stranger's replica may have it, too")
    func translated() {
        let behindTranslation = [listedReplica(ip: "172.17.0.1"), listedReplica(ip: "10.0.0.3", port: 6380)]
        #expect(!isListed(behindTranslation))
        #expect(isListed(behindTranslation, ids: true))
        #expect(!isListed([listedReplica(port: 6380)]))
    }

    @Test("with replication ids on both sides, an unknown announced address is no objection")
    func announced() {
        #expect(isListed([listedReplica(ip: "10.9.9.9", port: 9999)], ids: true))
        #expect(!isListed([listedReplica(ip: "10.9.9.9", port: 9999)]))
    }

    @Test("a new replica of a master without ids: only the list speaks for it")
    func mixedVersions() {
        #expect(!isListed([listedReplica(ip: "10.9.9.9", port: 9999)], ids: true, masterIDs: false))
        #expect(isListed([listedReplica()], ids: true, masterIDs: false))
    }
}
