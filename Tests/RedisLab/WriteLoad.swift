public import RedisClient
import Synchronization

/// Clients that write at full speed and note each write that was acknowledged: the oracle of every loss.
///
/// Each writes keys of its own, one after another, and goes to the other server when the present one hangs up or
/// refuses, as a client behind a virtual address would. A write without an answer counts as not acknowledged, and its
/// key is not used again.
public final class WriteLoad: Sendable {
    /// How a write is done.
    public enum Kind: Sendable, CaseIterable {
        /// `SET`.
        case set
        /// A script that sets.
        case eval
        /// `MULTI`, `SET`, `EXEC`.
        case transaction
    }

    /// One acknowledged write.
    public struct Acknowledgement: Sendable {
        /// The key.
        public var key: String
        /// When.
        public var at: ContinuousClock.Instant
        /// The server's place in the list.
        public var server: Int
    }

    /// What the clients saw.
    public struct Account: Sendable {
        /// Every acknowledged write, by time.
        public var acknowledgements: [Acknowledgement]
        /// Acknowledged writes that the server asked lacks.
        public var lost: [String]
        /// From the last acknowledgement by the first server to the first one by another.
        public var writeGap: Duration? {
            guard let next = acknowledgements.first(where: { $0.server != 0 }),
                let last = acknowledgements.last(where: { $0.server == 0 })
            else { return nil }
            return next.at - last.at
        }
    }

    private let servers: [RedisURL]
    private let kind: Kind
    private let isStopping = Atomic(false)
    private let acknowledged = Atomic(0)
    /// The only server that the clients reach; -1 while they reach all.
    private let address = Atomic(-1)
    private let tasks: Mutex<[Task<[Acknowledgement], Never>]> = Mutex([])

    /// Starts `clients` writers on the first server.
    public init(_ servers: [RedisURL], clients: Int = 4, kind: Kind = .set) {
        self.servers = servers
        self.kind = kind
        let started = (0..<clients).map { client in Task.detached { [self] in await write(client) } }
        tasks.withLock { $0 = started }
    }

    /// Cuts the clients off from all servers but this one, as a virtual address that moves does. A write under way is
    /// finished.
    public func moveAddress(to server: Int) { address.store(server, ordering: .relaxed) }

    private func isReachable(_ server: Int) -> Bool {
        let only = address.load(ordering: .relaxed)
        return only < 0 || only == server
    }

    /// Writes acknowledged so far.
    public var count: Int { acknowledged.load(ordering: .relaxed) }

    /// Returns when so many more writes were acknowledged, or after 10 s.
    public func waitForWrites(_ more: Int) async {
        let goal = count + more
        let end = ContinuousClock.now + .seconds(10)
        while count < goal, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(1)) }
    }

    /// Ends the writers and looks every acknowledged key up on `server`.
    public func stop(lookingAt server: RedisURL) async throws -> Account {
        isStopping.store(true, ordering: .relaxed)
        var all: [Acknowledgement] = []
        for task in tasks.withLock({ $0 }) { all += await task.value }
        all.sort { $0.at < $1.at }
        let connection = try await RedisConnection.connect(to: server, timeout: .seconds(5))
        var lost: [String] = []
        for start in stride(from: 0, to: all.count, by: 1000) {
            let keys = all[start..<min(start + 1000, all.count)].map(\.key)
            let replies = await connection.pipeline(keys.map { ["EXISTS", $0] }, timeout: .seconds(10))
            for (key, reply) in zip(keys, replies) where try reply.get() != .integer(1) { lost.append(key) }
        }
        await connection.close()
        return Account(acknowledgements: all, lost: lost)
    }

    private func write(_ client: Int) async -> [Acknowledgement] {
        var acknowledgements: [Acknowledgement] = []
        var current = 0
        var number = 0
        var failures = 0
        while !isStopping.load(ordering: .relaxed) {
            do {
                let connection = try await RedisConnection.connect(to: servers[current], timeout: .milliseconds(500))
                while !isStopping.load(ordering: .relaxed), isReachable(current) {
                    number += 1
                    let key = "w\(client):\(number)"
                    for reply in await connection.pipeline(commands(key), timeout: .seconds(15)) { _ = try reply.get() }
                    acknowledgements.append(Acknowledgement(key: key, at: .now, server: current))
                    acknowledged.add(1, ordering: .relaxed)
                    failures = 0
                }
                await connection.close()
            } catch {
                failures += 1
                if isReachable((current + 1) % servers.count) { current = (current + 1) % servers.count }
                // Who was refused often gives the servers a rest.
                try? await Task.sleep(for: .milliseconds(failures < 100 ? 1 : 10))
            }
            if !isReachable(current) { current = address.load(ordering: .relaxed) }
        }
        return acknowledgements
    }

    private func commands(_ key: String) -> [[String]] {
        switch kind {
        case .set: [["SET", key, "1"]]
        case .eval: [["EVAL", "return redis.call('SET', KEYS[1], '1')", "1", key]]
        case .transaction: [["MULTI"], ["SET", key, "1"], ["EXEC"]]
        }
    }
}
