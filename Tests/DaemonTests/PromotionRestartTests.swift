import Glibc
import RedisClient
import RedisLab
import Replication
import Testing

@testable import Operations

/// The old master follows already, and the server that is to be promoted dies before it is told.
@Suite("Promotion: the server to be promoted is restarted at the last moment", .serialized)
struct PromotionRestartTests {
    /// Promotes the replica, which the old master follows at `port`; `body` is run between the old master's demotion and `SLAVEOF NO ONE`.
    private func promote(
        _ pair: RedisPair, at port: Int? = nil, _ body: @escaping @Sendable () async throws -> Void
    ) async -> OperationReport {
        await Interposing().run(at: "promoting", body) { report in
            var options = PromotionRun.Options(local: Endpoint(url: pair.replica.url))
            options.master = Endpoint(url: pair.master.url)
            options.announce = ("127.0.0.1", port ?? pair.replica.port)
            options.stateDirectory = pair.stateDirectory
            options.guardProgram = SyncgateProcess.executable
            options.watchesLink = false
            return await PromotionRun(options, report: report).run()
        }
    }

    private func withPair(_ version: RedisVersion, _ body: (RedisPair) async throws -> Void) async throws {
        let pair = try await RedisPair.start(version)
        do { try await body(pair) } catch {
            await pair.stop()
            throw error
        }
        await pair.stop()
    }

    private func expectRestored(_ pair: RedisPair, _ report: OperationReport) async throws {
        #expect(report.result == .failed, "\(report)")
        #expect(report.steps.contains { $0.step == "restored" }, "\(report.steps)")
        #expect(try await RedisPair.info(pair.master)["role"] == "master")
        #expect(try await RedisPair.send(["DBSIZE"], to: pair.master) == .integer(100))
    }

    /// Nobody who copies from it is wiped within the test.
    private static let late = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "5"]

    @Test(
        "it is back at once, empty: what was not promoted is not taken for it, nor promoted",
        arguments: [RedisVersion.v5_0, .v7_0], [true, false])
    func back(version: RedisVersion, hasBootFence: Bool) async throws {
        try await withPair(version) { pair in
            let arguments = Self.late + (hasBootFence ? ["--slaveof", "127.0.0.1", "1"] : [])
            let report = await promote(pair) { try await pair.restartEmpty(pair.replica, arguments) }
            try await expectRestored(pair, report)
            if hasBootFence { #expect(try await RedisPair.info(pair.replica)["role"] == "slave") }
        }
    }

    @Test(
        "it is gone, and comes back empty: that the old master begins to copy it is no sign of its life",
        arguments: [RedisVersion.v5_0, .v7_0])
    func copying(version: RedisVersion) async throws {
        try await withPair(version) { pair in
            // So slow that the copy is on its way for a while.
            let link = try LinkProxy(to: pair.replica.port, conditions: .init(bytesPerSecond: 1000))
            let (back, next) = AsyncStream.makeStream(of: Void.self)
            let report = await promote(pair, at: link.port) {
                await pair.replica.kill()
                Task.detached {
                    try await Task.sleep(for: .milliseconds(60))
                    unlink("\(pair.replica.directory)/dump.rdb")
                    try await pair.replica.restart(arguments: ["--repl-diskless-sync", "no"])
                    next.finish()
                }
            }
            for await _ in back {}
            link.cut()
            try await expectRestored(pair, report)
        }
    }
}
