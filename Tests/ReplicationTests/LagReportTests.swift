import Testing

@testable import Replication

@Suite("LagReport: a master and its replicas")
struct LagReportTests {
    private func reading(_ info: ReplicationInfo?, at milliseconds: Int, trouble: String? = nil)
        -> LagTracker.ReplicaReading
    {
        .init(
            address: "10.0.0.2:6379", listed: listedReplica(offset: 990),
            observation: info.map { seen($0, at: milliseconds) }, trouble: trouble)
    }

    /// Two rounds, ten seconds apart.
    private func second(
        _ first: (master: ReplicationInfo, replica: ReplicationInfo),
        _ last: (master: ReplicationInfo, replica: ReplicationInfo)
    ) throws -> (report: LagReport, lag: ReplicaLag) {
        var tracker = LagTracker()
        _ = tracker.report(master: seen(first.master, at: 0), replicas: [reading(first.replica, at: 0)])
        let report = tracker.report(
            master: seen(last.master, at: 10_000), replicas: [reading(last.replica, at: 10_000)])
        return (report, try #require(report.replicas.first))
    }

    private func only(_ master: ReplicationInfo, _ reading: LagTracker.ReplicaReading) throws -> ReplicaLag {
        var tracker = LagTracker()
        return try #require(tracker.report(master: seen(master, at: 0), replicas: [reading]).replicas.first)
    }

    @Test("a replica with everything is safe to promote; rates need a second reading")
    func safe() throws {
        var tracker = LagTracker()
        let report = tracker.report(master: seen(masterInfo(), at: 0), replicas: [reading(replicaInfo(), at: 1)])
        #expect(report.writeRate == nil)
        #expect(report.backlogCovers == nil)
        let lag = try #require(report.replicas.first)
        #expect(lag.address == "10.0.0.2:6379")
        #expect(lag.state == "online")
        #expect(lag.isLinkUp == true)
        #expect(lag.appliedOffset == 1000)
        #expect(lag.lagBytes == 0)
        #expect(lag.age == .known(.zero))
        #expect(lag.wouldLoseBytes == 0)
        #expect(lag.isSafeToPromote)
        #expect(lag.catchUpRate == nil && lag.eta == nil)
    }

    @Test("bytes, seconds, rates and the backlog of a replica that falls behind")
    func behind() throws {
        let (report, lag) = try second(
            (masterInfo(), replicaInfo()), (masterInfo(offset: 2000), replicaInfo(applied: 1500)))
        #expect(report.writeRate == 100)
        #expect(report.backlogCovers == .seconds(10_485.76))
        #expect(lag.lagBytes == 500)
        #expect(lag.age == .known(.seconds(5)))
        #expect(lag.catchUpRate == -50)
        #expect(lag.eta == nil)
        #expect(lag.wouldLoseBytes == 500)
        #expect(lag.obstacle == "the local replica lacks 500 bytes of acknowledged writes: they would be lost")
        #expect(!lag.isSafeToPromote)
    }

    @Test("a replica that catches up has an ETA")
    func catchingUp() throws {
        let (_, lag) = try second(
            (masterInfo(), replicaInfo(applied: 0)), (masterInfo(offset: 1100), replicaInfo(applied: 600)))
        #expect(lag.catchUpRate == 50)
        #expect(lag.eta == .seconds(10))
        #expect(lag.age == .estimated(.seconds(50)))
    }

    @Test("a replica that is ahead of the master's older reading lacks nothing")
    func ahead() throws {
        let lag = try only(masterInfo(), reading(replicaInfo(applied: 1014), at: 1))
        #expect(lag.lagBytes == 0)
        #expect(lag.isSafeToPromote)
    }

    @Test("a master that only pings has a backlog for ever")
    func idle() throws {
        let (report, _) = try second(
            (masterInfo(), replicaInfo()), (masterInfo(offset: 1014), replicaInfo(applied: 1014)))
        #expect(report.writeRate == 1.4)
        #expect(report.backlogCovers == nil)
    }

    @Test("another id begins the history anew, also where the offset goes on")
    func newHistory() throws {
        let (report, lag) = try second(
            (masterInfo(), replicaInfo()),
            (masterInfo(offset: 2000, id: otherID), replicaInfo(applied: 2000, id: otherID)))
        #expect(report.writeRate == nil)
        #expect(lag.catchUpRate == nil)
        let runs = try second(
            (masterInfo(id: nil), replicaInfo(id: nil)),
            (masterInfo(offset: 2000, id: nil, runID: "cccc"), replicaInfo(id: nil)))
        #expect(runs.report.writeRate == nil)
    }

    @Test("offsets of different histories are never subtracted")
    func otherHistory() throws {
        let lag = try only(masterInfo(), reading(replicaInfo(applied: 400, id: otherID), at: 1))
        #expect(lag.lagBytes == nil && lag.wouldLoseBytes == nil && lag.age == nil)
        #expect(lag.appliedOffset == 400)
        #expect(lag.obstacle?.contains("no common history") == true)
    }

    @Test("a link that is down: the bytes are still told, and it is not safe")
    func linkDown() throws {
        let lag = try only(masterInfo(), reading(replicaInfo(applied: 1000, isUp: false), at: 1))
        #expect(lag.isLinkUp == false)
        #expect(lag.lagBytes == 0)
        #expect(lag.obstacle?.contains("link to the living master is down") == true)
        #expect(!lag.isSafeToPromote)
    }

    @Test("a freed backlog: the master's offset proves nothing")
    func backlogFreed() throws {
        let lag = try only(masterInfo(isBacklogActive: false), reading(replicaInfo(), at: 1))
        #expect(lag.lagBytes == nil)
        #expect(lag.obstacle?.contains("backlog is not active") == true)
    }

    @Test("a full resync: progress, and when its transfer ends at the rate seen")
    func fullResync() throws {
        func syncing(_ left: Int64?) -> ReplicationInfo {
            replicaInfo(applied: 0, isUp: false, fullResync: .init(leftBytes: left))
        }
        var tracker = LagTracker()
        let first = tracker.report(master: seen(masterInfo(), at: 0), replicas: [reading(syncing(1000), at: 0)])
        #expect(first.replicas[0].fullResync == .init(leftBytes: 1000))
        #expect(first.replicas[0].fullResyncETA == nil)
        let second = tracker.report(master: seen(masterInfo(), at: 6000), replicas: [reading(syncing(400), at: 6000)])
        #expect(second.replicas[0].fullResyncETA == .seconds(4))
        #expect(second.replicas[0].lagBytes == nil)
        #expect(second.replicas[0].obstacle?.contains("full resync is in progress, 400 bytes to go") == true)
        // Begun anew, then without a known size: what was seen before says nothing.
        let anew = tracker.report(master: seen(masterInfo(), at: 7000), replicas: [reading(syncing(900), at: 7000)])
        #expect(anew.replicas[0].fullResyncETA == nil)
        let diskless = tracker.report(master: seen(masterInfo(), at: 8000), replicas: [reading(syncing(nil), at: 8000)])
        #expect(diskless.replicas[0].fullResyncETA == nil)
    }

    @Test("a replica that cannot be asked: what the master lists is told, nothing is promised")
    func unreachable() throws {
        let lag = try only(masterInfo(), reading(nil, at: 1, trouble: "connection refused"))
        #expect(lag.appliedOffset == 990)
        #expect(lag.isLinkUp == nil)
        #expect(lag.lagBytes == nil && lag.wouldLoseBytes == nil && lag.age == nil)
        #expect(lag.obstacle == "it could not be asked: connection refused")
        #expect(try only(masterInfo(), reading(nil, at: 1)).obstacle == "it could not be asked: no answer")
    }

    @Test("a listed replica that is a master meanwhile")
    func master() throws {
        let lag = try only(masterInfo(), reading(masterInfo(runID: replicaRunID), at: 1))
        #expect(lag.obstacle == "it is a master itself")
        #expect(lag.lagBytes == nil)
    }

    @Test("several replicas, in the master's order, each with a history of its own")
    func several() {
        var tracker = LagTracker()
        func round(_ ms: Int, _ one: Int64, _ other: Int64, _ master: Int64) -> LagReport {
            let replicas = [("a:1", one), ("b:1", other)].map { address, applied in
                LagTracker.ReplicaReading(
                    address: address, listed: listedReplica(), observation: seen(replicaInfo(applied: applied), at: ms))
            }
            return tracker.report(master: seen(masterInfo(offset: master), at: ms), replicas: replicas)
        }
        _ = round(0, 0, 0, 1000)
        let report = round(10_000, 1000, 100, 1000)
        #expect(report.replicas.map(\.address) == ["a:1", "b:1"])
        #expect(report.replicas.map(\.lagBytes) == [0, 900])
        #expect(report.replicas.map(\.catchUpRate) == [100, 10])
        #expect(report.replicas.map(\.eta) == [nil, .seconds(90)])
    }
}
