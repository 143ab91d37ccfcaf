import Glibc
import RedisClient
import RedisLab
import Testing

@testable import Operations

/// What is dropped is closed: a server's clients, and a guard's process, do not grow in number with the months.
@Suite("Connections and guards that nobody needs any more", .serialized)
struct ServerConnectionTests {
    private func clients(_ server: RedisServer) async throws -> Int {
        try #require(Int(try await RedisPair.info(server)["connected_clients"] ?? ""))
    }

    @Test("a side that is reconfigured closes what it had opened before")
    func reconfigured() async throws {
        try await withStandby(.v7_0) { pair, side in
            _ = try await side.carryOut(.writeFence(minReplicas: 0), 0)
            try await Task.sleep(for: .milliseconds(100))
            let before = [try await clients(pair.replica), try await clients(pair.master)]
            for number in 1...6 {
                side.side.reconfigure(side.configuration)
                _ = try await side.carryOut(.writeFence(minReplicas: 0), number)
                try await Task.sleep(for: .milliseconds(30))
            }
            try await RedisPair.wait("the former connections' end, of \(before)", limit: .seconds(3)) {
                let after = [try await clients(pair.replica), try await clients(pair.master)]
                return after[0] <= before[0] + 1 && after[1] <= before[1] + 1
            }
        }
    }

    @Test("asking again and again behind another run's fence leaves no connection behind")
    func lockedOut() async throws {
        try await withRedisServer(.v5_0, arguments: ["--requirepass", "fence"]) { redis in
            let before = try await clients(redis)
            let server = Server(
                Endpoint(url: RedisURL(address: .tcp(host: "127.0.0.1", port: redis.port))), timeout: .seconds(1))
            await #expect(throws: ServerTrouble.self) { try await server.observePatiently() }
            #expect(await server.connectionCount > 5)
            try await RedisPair.wait("the connections' end", limit: .seconds(2)) {
                try await clients(redis) <= before + 1
            }
            await server.close()
        }
    }

    @Test("two who need a connection at once share one")
    func shared() async throws {
        try await withRedisServer(.v7_0) { redis in
            let server = Server(Endpoint(url: redis.url), timeout: .seconds(1))
            async let one: Void = server.open()
            async let two: Void = server.open()
            async let third = server.observe("replication")
            _ = try await (one, two, third)
            #expect(await server.connectionCount == 1)
            await server.close()
        }
    }

    /// A guard of a fence on a server with this password, in a journal.
    private func startGuard(
        _ port: Int, undoAfter: Duration, directory: String
    ) async throws -> FenceGuard {
        let address = "redis://127.0.0.1:\(port)"
        let journal = FenceJournal(directory: directory, local: "redis://127.0.0.1:1")
        let entry = FenceJournal.Entry(
            master: address, masterRunID: "x", fencePassword: "fence", previousPassword: "")
        try journal.write(entry)
        return try await FenceGuard.start(
            over: Endpoint(url: RedisURL(address: .tcp(host: "127.0.0.1", port: port))), entry: entry, journal: journal,
            undoAfter: undoAfter, program: SyncgateProcess.executable)
    }

    private func isThere(_ process: pid_t) -> Bool { access("/proc/\(process)", F_OK) == 0 }

    @Test("a guard that a fence was left to undoes it when its time is up, not before, and nothing is left of it")
    func left() async throws {
        let directory = try TemporaryDirectory.make()
        try await withRedisServer(.v5_0, arguments: ["--requirepass", "fence"]) { redis in
            var guardian: FenceGuard? = try await startGuard(
                redis.port, undoAfter: .milliseconds(500), directory: directory)
            let process = try #require(guardian?.process)
            guardian = nil
            func password() async throws -> String? {
                guard case .array(let pair) = try await RedisPair.send(["CONFIG", "GET", "requirepass"], to: redis)
                else { return nil }
                return pair.last?.text
            }
            try await Task.sleep(for: .milliseconds(250))
            #expect(try await password() == "fence")
            try await RedisPair.wait("the fence's end", limit: .seconds(5)) { try await password() == "" }
            try await RedisPair.wait("the guard's end", limit: .seconds(3)) { !isThere(process) }
        }
        TemporaryDirectory.remove(directory)
    }

    @Test("a guard that is at work and does not reach the server keeps nobody waiting")
    func busy() async throws {
        let directory = try TemporaryDirectory.make()
        let guardian = try await startGuard(try FreePort.pick(), undoAfter: .milliseconds(1), directory: directory)
        // By then it has asked in vain, and sleeps.
        try await Task.sleep(for: .milliseconds(300))
        let start = ContinuousClock.now
        let isGone = await guardian.dismiss()
        #expect(ContinuousClock.now - start < .seconds(1))
        #expect(!isGone)
        kill(guardian.process, SIGKILL)
        try await RedisPair.wait("the guard's end", limit: .seconds(3)) { !isThere(guardian.process) }
        TemporaryDirectory.remove(directory)
    }
}
