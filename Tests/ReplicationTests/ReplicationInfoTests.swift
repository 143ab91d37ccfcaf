import Testing

@testable import Replication

@Suite("ReplicationInfo: INFO as real servers sent it")
struct ReplicationInfoTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var version: String
        var state: String
        var expected: String
        var testDescription: String { "\(version) \(state)" }
    }

    static let rows: [Row] = {
        var rows: [Row] = []
        var state = ""
        for line in ExpectedCaptures.all.split(separator: "\n") {
            guard line.hasPrefix("  ") else {
                state = String(line)
                continue
            }
            guard !line.hasPrefix("      ") else {
                rows[rows.count - 1].expected += " " + line.drop { $0 == " " }
                continue
            }
            let words = line.drop { $0 == " " }.split(separator: " ", maxSplits: 1)
            rows.append(Row(version: String(words[0]), state: state, expected: String(words[1])))
        }
        return rows
    }()

    @Test("every capture has its line, and no line lacks its capture")
    func tableIsComplete() throws {
        for version in Capture.versions {
            let expected = Self.rows.filter { $0.version == version }.map(\.state).sorted()
            #expect(try Capture.states(of: version) == expected, "\(version)")
        }
        #expect(Self.rows.count == 203)
    }

    @Test("the decisive fields", arguments: rows)
    func fields(row: Row) throws {
        let text = try Capture.text(row.version, row.state)
        guard row.expected != "sentinel" else {
            #expect(throws: ReplicationInfoError.sentinel) { try ReplicationInfo(parsing: text) }
            return
        }
        let info = try ReplicationInfo(parsing: text)
        #expect(summary(info) == row.expected)
        #expect(info.server?.version == ServerVersion(parsing: row.version))
        #expect(info.server?.version.description == row.version)
        #expect(info.masterLink?.priority == (info.masterLink == nil ? nil : 100))
        #expect(info.persistence?.isAOFEnabled == false)
        #expect(info.masterLink.map(\.host) ?? "127.0.0.1" == "127.0.0.1")
        #expect(info.replicas.allSatisfy { $0.ip == "127.0.0.1" })
    }

    /// The line of `ExpectedCaptures` that this value amounts to.
    private func summary(_ info: ReplicationInfo) -> String {
        var words = info.masterLink.map { link($0) } ?? ["M"]
        words.append("off=\(info.masterReplicationOffset)")
        if let identity = info.identity {
            words.append("id=\(identity.id.prefix(6))")
            if let previous = identity.previous { words.append("prev=\(previous.id.prefix(6)):\(previous.end)") }
        }
        let backlog = info.backlog
        words.append("log=\(backlog.isActive ? "on" : "off"):\(backlog.firstByteOffset)+\(backlog.length)")
        words += info.replicas.map {
            ":\($0.port)/\($0.state)/\($0.acknowledgedOffset)/\(text($0.secondsSinceAcknowledgement))"
        }
        if let failover = info.ongoingFailover { words.append("failover=\(failover)") }
        if let persistence = info.persistence {
            if persistence.isLoading { words.append("loading=\(text(persistence.loadingETA))") }
            if persistence.isAsyncLoading { words.append("async=\(text(persistence.loadingETA))") }
        }
        words.append("keys=\(text(info.keys))")
        words.append("\(info.server?.runID.prefix(4) ?? "-")@\(info.server?.port ?? -1)")
        words.append("full=\(text(info.fullResyncsServed))")
        if let mode = info.server?.mode, mode != .standalone { words.append(mode.rawValue) }
        return words.joined(separator: " ")
    }

    private func link(_ link: ReplicationInfo.MasterLink) -> [String] {
        var words = ["R", ":\(link.port)"]
        if link.isUp { words += ["up", "io=\(text(link.secondsSinceLastIO))"] }
        switch link.downtime {
        case nil: break
        case .seconds(let seconds): words.append("down=\(seconds)")
        case .neverConnected: words.append("down=never")
        }
        if let resync = link.fullResync {
            words.append("sync=\(text(resync.leftBytes))/\(text(resync.totalBytes))/\(text(resync.readBytes))")
        }
        words.append("got=\(link.appliedOffset)/\(text(link.receivedOffset))")
        words.append(link.isReadOnly ? "ro" : "rw")
        return words
    }

    private func text(_ number: Int64?) -> String { number.map(String.init) ?? "-" }

    @Test("the whole value of one replica, no field left out")
    func wholeReplica() throws {
        let info = try Capture.info("7.0.15", "replica-syncing")
        let resync = ReplicationInfo.FullResync(leftBytes: 35_883_849, totalBytes: 38_277_961, readBytes: 2_394_112)
        #expect(info.masterLink?.fullResync == resync)
        #expect(info.masterLink?.downtime == .neverConnected)
        #expect(info.masterLink?.secondsSinceLastIO == nil)
        #expect(info.masterLink?.receivedOffset == 0)
        #expect(info.identity == ReplicationIdentity(id: "db6950f5600a2ebbee5eb15c189a0c22ef23108d"))
        #expect(info.backlog.size == 1_048_576)
        #expect(info.backlog.isActive == false)
        #expect(info.isLoading == false)
        #expect(info.keys == 5)
    }

    @Test("isLoading in both ways, and only while the persistence section says so")
    func loading() throws {
        #expect(try Capture.info("2.8.17", "replica-loading").isLoading)
        #expect(try Capture.info("8.2.3", "loading").isLoading)
        #expect(try Capture.info("8.2.3", "replica-async-loading").isLoading)
        #expect(try Capture.info("8.2.3", "replica-async-loading").persistence?.isLoading == false)
        #expect(try Capture.info("8.2.3", "replica-online").isLoading == false)
    }

    @Test("the data set's offset is the applied one on a replica, the master's own on a master")
    func dataOffset() throws {
        #expect(try Capture.info("3.2.6", "replica-online").dataOffset == 59)
        #expect(try Capture.info("3.2.6", "replica-with-replica").dataOffset == 100)
        #expect(try Capture.info("3.2.6", "master-with-replica").dataOffset == 59)
        #expect(try Capture.info("7.0.15", "old-master-following").dataOffset == 120)
        #expect(try Capture.info("3.2.6", "replica-online").history == nil)
    }
}
