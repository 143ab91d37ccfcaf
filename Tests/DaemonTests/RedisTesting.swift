import Daemon
import Failover
import Glibc
import Operations
import RedisClient
import RedisLab
import Replication
import Synchronization
import Testing
import VRRP

/// A `RedisSide` and all that it has posted.
final class ObservedSide: Sendable {
    /// One event, and when it came.
    struct Entry: Sendable {
        var event: Node.Event
        var at: ContinuousClock.Instant
    }

    let side: RedisSide
    let configuration: VirtualRouterConfiguration
    let stateDirectory: String
    private let recorded: Recorder

    /// Starts one that watches `local` and `peer`.
    init(
        local: RedisServer, peer: RedisServer, node: String = "node1", witnesses: [Witness] = [],
        localURL: RedisURL? = nil, stateDirectory: String? = nil
    ) throws {
        let recorder = Recorder()
        recorded = recorder
        var configuration = try Self.configuration(node: node)
        configuration = VirtualRouterConfiguration(
            node: configuration.node, interface: "lo", local: Endpoint(url: localURL ?? local.url),
            peer: Endpoint(url: peer.url), announce: HostPort(host: "127.0.0.1", port: local.port),
            witnesses: witnesses)
        self.configuration = configuration
        self.stateDirectory = try stateDirectory ?? TemporaryDirectory.make()
        side = RedisSide(
            configuration, stateDirectory: self.stateDirectory, guardProgram: SyncgateProcess.executable,
            log: { recorder.log($1 + ": " + $2) }, post: { recorder.add($0) })
        side.start()
    }

    private static func configuration(node: String) throws -> VirtualRouterConfiguration {
        let id = try #require(VirtualRouterID(51))
        let nothing = Endpoint(url: RedisURL(address: .tcp(host: "127.0.0.1", port: 1)))
        return VirtualRouterConfiguration(
            node: NodeConfiguration(
                name: "redis", node: node,
                router: VirtualRouterParameters(virtualRouterID: id, addresses: [IPAddress.v4(0xc633_6464)]),
                virtualAddresses: []),
            interface: "lo", local: nothing, peer: nothing)
    }

    func stop() async {
        await side.stop()
        TemporaryDirectory.remove(stateDirectory)
    }

    var entries: [Entry] { recorded.entries.withLock { $0 } }
    var logged: [String] { recorded.logged.withLock { $0 } }

    /// The readings of the local server, or the peer's, from the `start`th on.
    func readings(ofPeer: Bool = false, since start: ContinuousClock.Instant? = nil) -> [RedisReading] {
        entries.filter { entry in start.map { entry.at >= $0 } ?? true }.compactMap { entry in
            switch entry.event {
            case .local(let reading) where !ofPeer: reading
            case .peer(let reading) where ofPeer: reading
            default: nil
            }
        }
    }

    /// Waits for an event, and returns it with its time.
    @discardableResult
    func wait(
        _ what: String, since start: ContinuousClock.Instant? = nil, limit: Duration = .seconds(10),
        for matches: (Node.Event) -> Bool
    ) async throws -> Entry {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            let found = entries.first { entry in start.map { entry.at >= $0 } ?? true && matches(entry.event) }
            if let found { return found }
            try await Task.sleep(for: .milliseconds(2))
        }
        let last = entries.suffix(3).map { "\($0.event)".prefix(300) }
        throw RedisLabError.system("waiting for \(what); the last were \(last)", errno: ETIMEDOUT)
    }

    /// Executes an order and returns its outcome, and when each event of it came after the order.
    func carryOut(
        _ order: RedisOrder, _ id: OperationID = 1
    ) async throws -> (outcome: OperationOutcome, promotedAfter: Duration?, endedAfter: Duration) {
        let start = ContinuousClock.now
        side.order(order, id)
        let ended = try await wait("the end of \(order)", since: start, limit: .seconds(20)) {
            if case .ended(id, _) = $0 { true } else { false }
        }
        guard case .ended(_, let outcome) = ended.event else { throw RedisLabError.system("no outcome", errno: 0) }
        let promoted = entries.first { $0.event == .progress(id, .promoted) && $0.at >= start }
        return (outcome, promoted.map { $0.at - start }, ended.at - start)
    }
}

/// What is posted and logged, from any thread.
private final class Recorder: Sendable {
    let entries = Mutex<[ObservedSide.Entry]>([])
    let logged = Mutex<[String]>([])

    func add(_ event: Node.Event) { entries.withLock { $0.append(.init(event: event, at: .now)) } }
    func log(_ text: String) { logged.withLock { $0.append(text) } }
}

extension Node.Event {
    var local: RedisReading? { if case .local(let reading) = self { reading } else { nil } }
    var peer: RedisReading? { if case .peer(let reading) = self { reading } else { nil } }
}

extension RedisReading {
    /// Whether it is alive and cannot be told anything, and says so with these words.
    func isBusy(saying words: String) -> Bool {
        if case .busy(let said) = self { words.isEmpty || said.contains(words) } else { false }
    }
    var isSilent: Bool { if case .silent = self { true } else { false } }
    var runID: String? { observation?.info.server?.runID }
}

/// A pair, and the side of the replica's node: its local server is the replica, the peer is the master.
func withStandby(
    _ version: RedisVersion, keys: Int = 100, arguments: [String] = [], isolation: isolated (any Actor)? = #isolation,
    _ body: (RedisPair, ObservedSide) async throws -> Void
) async throws {
    let pair = try await RedisPair.start(version, arguments: arguments, keys: keys)
    let side: ObservedSide
    do {
        side = try ObservedSide(local: pair.replica, peer: pair.master)
        do {
            try await side.wait("the local server") { $0.local?.observation != nil }
            try await side.wait("the peer") { $0.peer?.observation != nil }
            try await body(pair, side)
        } catch {
            await side.stop()
            throw error
        }
    } catch {
        await pair.stop()
        throw error
    }
    await side.stop()
    await pair.stop()
}

extension RedisPair {
    /// Kills a server and starts it at once without its data.
    func restartEmpty(_ server: RedisServer, _ arguments: [String]? = nil) async throws {
        await server.kill()
        unlink("\(server.directory)/dump.rdb")
        try await server.restart(arguments: arguments)
    }
}
