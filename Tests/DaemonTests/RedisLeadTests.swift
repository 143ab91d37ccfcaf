import RedisClient
import RedisLab
import Replication
import Testing

@testable import Operations

/// Leading without a gate, on real servers: what is lost is said, and no second writable master is left.
@Suite("LeadRun: the other server", .serialized)
struct RedisLeadTests {
    private func lead(
        _ local: RedisServer, beside peer: RedisServer, maxLossBytes: Int64? = nil,
        whenSeen body: @escaping @Sendable () async throws -> Void = {}
    ) async -> OperationReport {
        await Interposing().run(at: "peer", body) { report in
            var options = LeadRun.Options(local: Endpoint(url: local.url), peer: Endpoint(url: peer.url))
            options.maxLossBytes = maxLossBytes
            return await LeadRun(options, report: report).run()
        }
    }

    private func park(_ server: RedisServer) async throws {
        try await RedisPair.send(["SLAVEOF", "127.0.0.1", "1"], to: server)
    }

    private func role(_ server: RedisServer) async throws -> String? { try await RedisPair.info(server)["role"] }

    @Test(
        "both have lost power and drawn new ids: the loss is not known", arguments: [RedisVersion.v3_2, .v5_0, .v7_0])
    func unrelated(version: RedisVersion) async throws {
        try await withRedisServers(version, count: 2) { servers in
            for server in servers {
                try await RedisPair.send(["SET", "a", "1"], to: server)
                try await park(server)
            }
            let refused = await lead(servers[0], beside: servers[1], maxLossBytes: 1000)
            #expect(refused.reasonCode == "loss_above_limit", "\(refused)")
            #expect(try await role(servers[0]) == "slave")
            let report = await lead(servers[0], beside: servers[1])
            #expect(report.result == .promoted && report.loss == .unknown(.notComparable), "\(report)")
            #expect(report.exitCode == .lossPossible)
            #expect(try await role(servers[0]) == "master")
        }
    }

    @Test("an empty master is read-only before another one leads", arguments: [RedisVersion.v2_8, .v5_0, .v7_0])
    func emptyMaster(version: RedisVersion) async throws {
        try await withRedisServers(version, count: 2) { servers in
            try await RedisPair.send(["SET", "a", "1"], to: servers[0])
            try await park(servers[0])
            let meanwhile = await lead(servers[0], beside: servers[1]) {
                try await RedisPair.send(["SET", "b", "1"], to: servers[1])
            }
            #expect(meanwhile.reasonCode == "peer_is_master", "\(meanwhile)")
            #expect(try await role(servers[0]) == "slave")
            #expect(try await role(servers[1]) == "master")
            try await RedisPair.send(["DEL", "b"], to: servers[1])
            let report = await lead(servers[0], beside: servers[1])
            #expect(report.result == .promoted && report.loss == .unknown(.notComparable), "\(report)")
            #expect(try await role(servers[0]) == "master")
            #expect(try await RedisPair.info(servers[1])["master_port"] == "1")
        }
    }

    @Test(
        "a master whose clients have emptied it is not led past, but followed", arguments: [RedisVersion.v5_0, .v7_0])
    func emptied(version: RedisVersion) async throws {
        try await withStandby(version, keys: 3) { pair, side in
            try await park(pair.replica)
            for number in 0..<3 { try await RedisPair.send(["DEL", "key:\(number)"], to: pair.master) }
            let report = await lead(pair.replica, beside: pair.master)
            #expect(report.reasonCode == "peer_newer", "\(report)")
            #expect(try await role(pair.master) == "master")
            let (outcome, _, _) = try await side.carryOut(.follow(accepting: .nothing))
            #expect(outcome.result == .done && outcome.loss == .none, "\(outcome)")
            try await RedisPair.wait("the deletions") {
                try await RedisPair.send(["DBSIZE"], to: pair.replica) == .integer(0)
            }
        }
    }
}
