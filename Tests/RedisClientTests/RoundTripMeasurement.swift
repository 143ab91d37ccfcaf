import Glibc
import RedisClient
import RedisLab
import Testing

/// Not a test but a ruler: `SYNCGATE_MEASURE=1 swift test --filter RoundTripMeasurement`.
@Suite("Round trips, measured", .serialized, .enabled(if: getenv("SYNCGATE_MEASURE") != nil, "set SYNCGATE_MEASURE"))
struct RoundTripMeasurement {
    @Test("INFO replication back to back, 5000 times, by TCP and by socket")
    func backToBack() async throws {
        try await withRedisServer(try #require(.newest)) { server in
            for url in [server.url, RedisURL(address: .unix(path: server.socketPath))] {
                let connecting = ContinuousClock.now
                let connection = try await RedisConnection.connect(to: url, timeout: .seconds(5))
                print("\(url): connected in \(connecting.duration(to: .now))")
                var durations: [Duration] = []
                for _ in 0..<5000 {
                    let start = ContinuousClock.now
                    _ = try await connection.info("replication", timeout: .seconds(5))
                    durations.append(start.duration(to: .now))
                }
                durations.sort()
                print("\(url): p50 \(durations[2500]), p99 \(durations[4950]), max \(durations[4999])")
                await connection.close()
            }
        }
    }
}
