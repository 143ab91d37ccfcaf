import Failover
import NIOCore
import Operations
import RedisClient
import Replication

/// The other daemon, as the names of presence channels show it. A machine without IO.
///
/// A name ends in a number that changes once a second, the beat: a subscription outlives a machine that lost its power by
/// minutes, but its beat does not.
struct PresenceView: Equatable {
    /// So long after its last beat, a daemon is not there any more.
    private static let patience: Duration = .seconds(3)

    let virtualRouterID: UInt8
    let node: String
    private var seen: [String: Instant] = [:]
    private(set) var presence: Presence?

    /// Makes a view of the other nodes of a virtual router.
    init(virtualRouterID: UInt8, node: String) {
        self.virtualRouterID = virtualRouterID
        self.node = node
    }

    /// The channels' pattern for `PUBSUB CHANNELS`.
    var pattern: String { "syncgate:\(virtualRouterID):*" }

    /// A channel's name with its beat.
    static func name(_ presence: Presence, beat: UInt64) -> String { "\(presence.channel):\(beat)" }

    /// Takes the names that are there now; none where the server cannot be asked. Returns whether `presence` has changed.
    mutating func update(_ names: [String], now: Instant) -> Bool {
        var present: [String: Instant] = [:]
        for name in names where presence(of: name) != nil { present[name] = seen[name] ?? now }
        seen = present
        return settle(now)
    }

    /// Time has passed. Returns whether `presence` has changed.
    mutating func settle(_ now: Instant) -> Bool {
        let before = presence
        // Several at once: an old subscription that nobody has closed yet, or a change under way. The newest counts; of two
        // that appeared in the same moment, the one that goes on from the other.
        let latest = seen.max { ($0.value, Self.beat(of: $0.key) ?? 0) < ($1.value, Self.beat(of: $1.key) ?? 0) }
        presence = latest.flatMap { now - $0.value < Self.patience ? presence(of: $0.key) : nil }
        return presence != before
    }

    private static func beat(of name: String) -> UInt64? {
        name.lastIndex(of: ":").flatMap { UInt64(name[name.index(after: $0)...]) }
    }

    private func presence(of name: String) -> Presence? {
        guard let colon = name.lastIndex(of: ":"), Self.beat(of: name) != nil,
            let presence = Presence(channel: String(name[..<colon])), presence.virtualRouterID == virtualRouterID,
            presence.node != node
        else { return nil }
        return presence
    }
}

/// Shows this daemon to the other one: stays subscribed to a channel on the peer's Redis, on the event loop of the
/// connections.
final class PresenceSender {
    private static let beatInterval: TimeAmount = .seconds(1)
    private static let retryPause: TimeAmount = .milliseconds(100)
    /// Permissions change seldom.
    private static let deniedPause: TimeAmount = .seconds(10)
    private static let timeout: Duration = .seconds(2)

    private let eventLoop: any EventLoop
    private let endpoint: Endpoint
    private let executor: SideThread
    private let log: @Sendable (String) -> Void
    private var presence: Presence?
    private var channel: String?
    private var beat = UInt64.random(in: 0...1_000_000) * 1_000_000
    private var connection: RedisConnection?
    private var generation = 0
    private var isConnecting = false
    private var timer: Scheduled<Void>?
    private var isStopped = false
    private var hasLogged = false

    /// Makes one, on the event loop. `log` is told once why the server does not let us subscribe.
    init(
        _ endpoint: Endpoint, executor: SideThread, on eventLoop: any EventLoop,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.endpoint = endpoint
        self.executor = executor
        self.eventLoop = eventLoop
        self.log = log
    }

    /// Shows this from now on.
    func show(_ presence: Presence) {
        guard !isStopped, presence != self.presence else { return }
        self.presence = presence
        if connection != nil { subscribe() } else if !isConnecting, timer == nil { connect() }
    }

    /// Ends the subscription.
    func stop() {
        isStopped = true
        timer?.cancel()
        timer = nil
        generation += 1
        connection?.abandon()
        connection = nil
    }

    private func connect() {
        isConnecting = true
        generation += 1
        let (own, number) = (NIOLoopBound(self, eventLoop: eventLoop), generation)
        let (endpoint, eventLoop, timeout) = (endpoint, eventLoop, Self.timeout)
        Task(executorPreference: executor) {
            let outcome: RedisConnection?
            do throws(RedisError) {
                outcome = try await RedisConnection.connect(to: endpoint.url, tls: endpoint.tls, timeout: timeout)
            } catch {
                // The monitor tells what is the matter with the server.
                outcome = nil
            }
            eventLoop.execute { own.value.connected(outcome, number) }
        }
    }

    private func connected(_ opened: RedisConnection?, _ number: Int) {
        isConnecting = false
        guard !isStopped, number == generation else {
            opened?.abandon()
            return
        }
        guard let opened else { return after(Self.retryPause, .connect) }
        connection = opened
        channel = nil
        let own = NIOLoopBound(self, eventLoop: eventLoop)
        opened.whenClosed { _ in own.value.closed(number) }
        subscribe()
    }

    private func closed(_ number: Int) {
        guard number == generation, !isStopped else { return }
        connection = nil
        after(Self.retryPause, .connect)
    }

    /// Subscribes to the next channel before it leaves the last one, so that there is always one.
    private func subscribe() {
        guard let connection, let presence else { return }
        beat += 1
        let name = PresenceView.name(presence, beat: beat)
        let commands = [["SUBSCRIBE", name]] + (channel.map { [["UNSUBSCRIBE", $0]] } ?? [])
        channel = name
        let (own, number) = (NIOLoopBound(self, eventLoop: eventLoop), generation)
        connection.send(PreparedCommands(commands), timeout: Self.timeout) { outcomes in
            guard own.value.generation == number, case .failure(.server(let error)) = outcomes[0] else { return }
            own.value.denied(error)
        }
        after(Self.beatInterval, .subscribe)
    }

    /// The connection is given up, for it may hold an old subscription. Where a password is wanted, that is a fence, or the
    /// monitor's to tell; and a script or a data set that is loaded has an end.
    private func denied(_ error: RedisServerError) {
        generation += 1
        connection?.abandon()
        connection = nil
        switch error.code {
        case .noAuth, .busy, .loading: return after(Self.retryPause, .connect)
        default: after(Self.deniedPause, .connect)
        }
        guard !hasLogged else { return }
        hasLogged = true
        log("the other daemon cannot see this one, for the peer's Redis does not let it subscribe: \(error)")
    }

    private enum Next {
        case connect
        case subscribe
    }

    private func after(_ pause: TimeAmount, _ next: Next) {
        timer?.cancel()
        timer = eventLoop.assumeIsolated().scheduleTask(in: pause) {
            self.timer = nil
            switch next {
            case .connect: self.connect()
            case .subscribe: self.subscribe()
            }
        }
    }
}
