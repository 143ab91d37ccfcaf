import Testing

@testable import Replication

@Suite("Versions, fences, losses and refusals")
struct VocabularyTests {
    @Test(
        "versions as servers and people write them",
        arguments: [
            ("7.0.15", ServerVersion(7, 0, 15)), ("255.255.255", ServerVersion(255, 255, 255)),
            ("8.2", ServerVersion(8, 2, 0)),
            ("6", ServerVersion(6, 0, 0)), ("7.4.0-rc1", ServerVersion(7, 4, 0)), ("6.2.14.3", ServerVersion(6, 2, 14)),
            ("7.x", ServerVersion(7, 0, 0)),
        ])
    func versions(text: String, version: ServerVersion) {
        #expect(ServerVersion(parsing: text) == version)
    }

    @Test("no version", arguments: ["", ".", "unstable", "v7.0", "-1.0", "99999999999999999999.0"])
    func noVersion(text: String) {
        #expect(ServerVersion(parsing: text) == nil)
    }

    @Test("versions are ordered by their numbers, not their letters")
    func order() {
        #expect(ServerVersion(6, 2, 9) < ServerVersion(6, 2, 14))
        #expect(ServerVersion(6, 9, 9) < ServerVersion(6, 10, 0))
        #expect(ServerVersion(9, 9, 9) < ServerVersion(10, 0, 0))
        #expect(!(ServerVersion(7, 0, 0) < ServerVersion(7, 0, 0)))
        #expect(ServerVersion(7, 0, 15).description == "7.0.15")
    }

    @Test(
        "the fence that suits a version",
        arguments: [
            (ServerVersion(2, 8, 17), Fence.password), (ServerVersion(5, 0, 6), .password),
            (ServerVersion(6, 0, 20), .password),
            (ServerVersion(6, 2, 0), .clientPause), (ServerVersion(7, 0, 15), .clientPause),
            (ServerVersion(8, 2, 3), .clientPause),
        ])
    func suited(version: ServerVersion, fence: Fence) {
        #expect(Fence.suited(for: version) == fence)
    }

    @Test("only the pause ends by itself; names are stable")
    func fences() {
        #expect(Fence.clientPause.expiresByItself)
        #expect(!Fence.password.expiresByItself && !Fence.readOnlyReplica.expiresByItself)
        let names = [Fence.clientPause, .password, .readOnlyReplica].map(\.rawValue)
        #expect(names == ["client_pause_write", "requirepass", "read_only_replica"])
    }

    @Test("a loss and its limit")
    func losses() {
        #expect(Loss.none.isWithin(0) && !Loss.none.isPossible)
        #expect(Loss.exact(bytes: 5).isWithin(5) && !Loss.exact(bytes: 5).isWithin(4))
        let bounded = Loss.atMost(bytes: 5, sampleAge: .seconds(1))
        #expect(bounded.isWithin(5) && !bounded.isWithin(4) && bounded.isPossible)
        for cause in [Loss.Cause.neverSampled, .notComparable] {
            #expect(!Loss.unknown(cause).isWithin(.max) && Loss.unknown(cause).isPossible)
        }
        #expect(Loss.exact(bytes: 5).description == "exactly 5 bytes of acknowledged writes")
        #expect(bounded.description.contains("1000 ms before"))
    }

    static let everyRefusal: [Refusal] = [
        .loading(etaSeconds: 3), .fullResync(leftBytes: 9), .neverSynchronised, .otherHistory(masterKeys: 4),
        .empty(masterKeys: 4),
        .writableReplica, .linkDown, .notListed, .backlogInactive, .masterLoading(etaSeconds: nil), .lag(bytes: 6),
        .lossAboveLimit(bytes: 6, limit: 5), .replicaOfReplica(host: "h", port: 1), .mutualReplicas,
        .failoverInProgress(state: "x"), .masterUnusable(reason: "x"), .masterHeard, .contactLost,
        .masterAbsent,
        .fenceFailed(reason: "x"),
        .fenceBroken(bytes: 1), .aborted,
    ]

    @Test("every refusal has its own code, description and a remedy")
    func refusals() {
        #expect(Set(Self.everyRefusal.map(\.code)).count == 22)
        #expect(Set(Self.everyRefusal.map(\.description)).count == 22)
        for refusal in Self.everyRefusal {
            #expect(refusal.code.allSatisfy { $0.isLowercase || $0 == "_" })
            #expect(!refusal.description.isEmpty && !refusal.remedy.isEmpty)
        }
        let unknown = Refusal.lossAboveLimit(bytes: nil, limit: 5).description
        #expect(unknown.contains("not known") && unknown.contains("5 bytes"))
    }

    @Test("which refusals a flag overrides, and that the remedy names it")
    func overridable() {
        let unforceable = Self.everyRefusal.filter { !$0.isForceable }.map(\.code)
        #expect(unforceable == ["loading", "fence_broken", "aborted"])
        let patient = Self.everyRefusal.filter(\.isPatience).map(\.code)
        #expect(patient == ["link_down", "not_listed", "backlog_inactive", "master_loading", "lag", "contact_lost"])
        for refusal in Self.everyRefusal {
            #expect(!refusal.isPatience || refusal.remedy.contains("--on-timeout promote"), "\(refusal.code)")
            #expect(refusal.isForceable || !refusal.remedy.contains("--force"), "\(refusal.code)")
        }
    }
}
