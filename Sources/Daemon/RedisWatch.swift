import Failover
import RedisClient
import Replication

/// What one server is asked, and what its answers and its silence mean. A machine without IO.
///
/// A connection that ends says nothing by itself: a new one tells. Refused: the process is gone. Let in: it lives, and its
/// `run_id` tells whether it is the same. Neither: it is silent, from the first question that it left open.
struct RedisWatch: Equatable {
    /// How often, and how patient.
    struct Settings: Equatable {
        /// Between two questions to a server whose offset moves, and between two complaints.
        var sampleInterval: Duration
        /// A connection on which nothing was answered for twice this long is given up.
        var downAfter: Duration
        /// Between two questions to a master in which nothing happens, at least: the end of its process is seen without.
        var calmInterval: Duration
        /// The same for a replica, which nothing is lost of.
        var calmReplicaInterval: Duration
        /// Ask also who is subscribed to the presence channels, and, on each new connection, whether its role may be changed.
        var readsChannels: Bool
    }

    /// What happened.
    enum Event {
        /// Begin.
        case started
        /// The connection stands.
        case connected
        /// It could not be had.
        case notConnected(RedisError)
        /// The question's outcomes, one for each command.
        case answered([Result<RedisReply, RedisError>])
        /// The connection has ended, for this reason.
        case closed(RedisError)
        /// Ask now.
        case hurried
        /// `deadline` has passed.
        case deadlineReached
    }

    /// What to ask.
    struct Question: Hashable {
        /// All sections, not just `replication`: four commands and not one.
        var isFull: Bool
        /// `PUBSUB CHANNELS` as well, behind these.
        var withChannels: Bool
        /// `SLAVEOF` in a form that changes nothing, last: what is refused for want of rights is refused first.
        var withRights = false
    }

    /// What to do, in this order.
    enum Action: Equatable {
        case connect
        case disconnect
        case ask(Question)
        case post(RedisReading)
        /// The channels that somebody is subscribed to; nil: the server does not tell, for this reason.
        case channels([String]?, reason: String)
    }

    private enum Link: Equatable {
        case none(retryAt: Instant?)
        case connecting
        case idle(nextAt: Instant)
        case asked(Question, at: Instant)
    }

    /// Every section is read this often.
    private static let fullInterval: Duration = .seconds(1)
    /// The presence channels are read with the first question after this long.
    private static let channelsInterval: Duration = .milliseconds(150)
    /// A server that let us in before, and now wants another password, is being fenced: that passes.
    private static let fencePatience: Duration = .seconds(6)
    private static let firstRetry: Duration = .milliseconds(2)

    var settings: Settings
    private var link = Link.none(retryAt: nil)
    /// The first question, or attempt to connect, that nothing came of.
    private var unansweredSince: Instant?
    private var toldAt: Instant?
    private var lockedOutSince: Instant?
    private var wasLetIn = false
    /// On the present connection.
    private var hasAnswered = false
    /// To be asked once more when it has answered: what it says then may be of before the reason for the hurry.
    private var isHurried = false
    private var retryPause = firstRetry
    private var last: ReplicationInfo?
    private var lastText: [UInt8] = []
    private var fullAt: Instant?
    private var channelsAt: Instant?

    /// Makes one that waits for `started`.
    init(_ settings: Settings) { self.settings = settings }

    /// When `deadlineReached` is due; nil before the start.
    var deadline: Instant? {
        let next: Instant? =
            switch link {
            case .none(let retryAt): retryAt
            case .connecting: nil
            case .idle(let nextAt): nextAt
            case .asked(_, let at): at + settings.downAfter * 2
            }
        guard let complaint, let next else { return complaint ?? next }
        return min(complaint, next)
    }

    /// When the silence is told next, also at the moment when it counts; nil while there is none.
    private var complaint: Instant? {
        guard let since = unansweredSince else { return nil }
        let last = toldAt.map { max($0, since) } ?? since
        let (next, down) = (last + settings.sampleInterval, since + settings.downAfter)
        return last < down ? min(next, down) : next
    }

    /// Takes an event and returns what to do.
    mutating func handle(_ event: Event, now: Instant) -> [Action] {
        switch event {
        case .started: return connect(now)
        case .connected: return ask(full: true, now)
        case .notConnected(let error): return fail(error, now)
        case .answered(let outcomes): return answered(outcomes, now)
        case .closed(let error): return closed(error, now)
        case .hurried:
            switch link {
            case .idle: return ask(full: true, now)
            case .asked: isHurried = true
            case .none, .connecting: break
            }
            return []
        case .deadlineReached: return deadlineReached(now)
        }
    }

    private mutating func closed(_ error: RedisError, _ now: Instant) -> [Action] {
        if case .none = link { return [] }
        // A server with too many clients says so, unasked.
        if case .server = error { return fail(error, now) }
        guard hasAnswered else { return fail(.closed, now) }
        return connect(now)
    }

    private mutating func connect(_ now: Instant) -> [Action] {
        link = .connecting
        hasAnswered = false
        unansweredSince = unansweredSince ?? now
        lastText = []
        return [.connect]
    }

    private mutating func ask(full: Bool, _ now: Instant) -> [Action] {
        let question = Question(
            isFull: full || needsFull(now), withChannels: needsChannels(now),
            withRights: settings.readsChannels && !hasAnswered)
        link = .asked(question, at: now)
        isHurried = false
        unansweredSince = unansweredSince ?? now
        return [.ask(question)]
    }

    private func needsFull(_ now: Instant) -> Bool {
        guard let fullAt, let last, now - fullAt < Self.fullInterval else { return true }
        return last.isLoading || last.masterLink?.isUp == false
    }

    private func needsChannels(_ now: Instant) -> Bool {
        settings.readsChannels && channelsAt.map { now - $0 >= Self.channelsInterval } ?? true
    }

    private mutating func deadlineReached(_ now: Instant) -> [Action] {
        var actions: [Action] = []
        if let deadline { overslept(now - deadline) }
        if let since = unansweredSince, let complaint, complaint <= now {
            toldAt = now
            actions.append(.post(.silent(since: since)))
        }
        switch link {
        case .none(let retryAt?) where retryAt <= now: actions += connect(now)
        case .idle(let nextAt) where nextAt <= now: actions += ask(full: false, now)
        case .asked(_, let at) where at + settings.downAfter * 2 <= now:
            actions.append(.disconnect)
            actions += connect(now)
        case .none, .connecting, .idle, .asked: break
        }
        return actions
    }

    /// Who stood still has not waited, and the server may have stood still as well, as on a machine that was paused: it has
    /// its time from now on.
    private mutating func overslept(_ time: Duration) {
        guard time > settings.sampleInterval else { return }
        unansweredSince = unansweredSince.map { $0 + time }
        if case .asked(let question, let at) = link { link = .asked(question, at: at + time) }
    }

    private mutating func answered(_ outcomes: [Result<RedisReply, RedisError>], _ now: Instant) -> [Action] {
        guard case .asked(let question, let at) = link else { return [] }
        let sections = question.isFull ? 4 : 1
        var bytes: [UInt8] = []
        for outcome in outcomes.prefix(sections) {
            switch outcome {
            case .success(.bulk(let section)): bytes += section
            case .success: return fail(.protocolViolation("an answer to INFO that is no text"), now)
            case .failure(.server(let error)): return fail(.server(error), now)
            // Its end is told next, by `closed`.
            case .failure: return []
            }
        }
        let info: ReplicationInfo
        do throws(ReplicationInfoError) { info = try read(bytes, isFull: question.isFull) } catch {
            return fail(.protocolViolation("\(error)"), now)
        }
        if let what = info.server?.unsuitability { return unusable("it is \(what)", now) }
        if question.withRights, case .failure(.server(let error))? = outcomes.last,
            error.code == .noPerm || error.code == .unknownCommand
        {
            return unusable("it lets nobody change its role: SLAVEOF is refused: \(error)", now)
        }
        let channels = question.withChannels && outcomes.count > sections ? outcomes[sections] : nil
        return observed(info, at, question, channels: channels, now)
    }

    private mutating func observed(
        _ info: ReplicationInfo, _ at: Instant, _ question: Question,
        channels: Result<RedisReply, RedisError>?, _ now: Instant
    ) -> [Action] {
        let wasSilent = toldAt != nil
        (unansweredSince, toldAt, lockedOutSince, wasLetIn) = (nil, nil, nil, true)
        (hasAnswered, retryPause) = (true, Self.firstRetry)
        var actions: [Action] = []
        if let channels {
            channelsAt = now
            actions.append(Self.read(channels))
        }
        let isNews = !question.isFull && last.map { Self.differ($0, info) } ?? true
        let isCalm = !wasSilent && last.map { Self.isCalm($0, info) } == true
        last = info
        if question.isFull { fullAt = at }
        if isNews, !question.isFull { return actions + ask(full: true, now) }
        let calm = info.masterLink == nil ? settings.calmInterval : settings.calmReplicaInterval
        let pause = isCalm ? max(calm, settings.sampleInterval) : settings.sampleInterval
        link = .idle(nextAt: max(at + pause, now))
        actions.insert(.post(.observed(Observation(info, at: at))), at: 0)
        return isHurried ? actions + ask(full: true, now) : actions
    }

    /// The text of a busy server changes at every look, that of a quiet one seldom: it is not read twice.
    private mutating func read(_ bytes: [UInt8], isFull: Bool) throws(ReplicationInfoError) -> ReplicationInfo {
        if !isFull, bytes == lastText, let last { return last }
        var info = try ReplicationInfo(parsing: String(decoding: bytes, as: UTF8.self))
        lastText = isFull ? [] : bytes
        guard !isFull, let last else { return info }
        // The process is the same as long as the connection is.
        info.server = last.server
        info.persistence = last.persistence
        info.keys = last.keys
        info.fullResyncsServed = last.fullResyncsServed
        return info
    }

    /// Whether nothing was written in between, and nothing is on its way.
    private static func isCalm(_ one: ReplicationInfo, _ other: ReplicationInfo) -> Bool {
        !differ(one, other) && one.dataOffset == other.dataOffset && one.replicas.count == other.replicas.count
            && !other.isLoading && other.masterLink?.isUp != false
    }

    /// Whether the sections that were not read may be out of date.
    private static func differ(_ one: ReplicationInfo, _ other: ReplicationInfo) -> Bool {
        one.identity != other.identity || one.masterLink?.isUp != other.masterLink?.isUp
            || one.masterLink?.host != other.masterLink?.host || one.masterLink?.port != other.masterLink?.port
            || (one.masterLink?.fullResync == nil) != (other.masterLink?.fullResync == nil)
    }

    private static func read(_ outcome: Result<RedisReply, RedisError>) -> Action {
        switch outcome {
        case .success(.array(let names)): .channels(names.compactMap(\.text), reason: "")
        case .success: .channels(nil, reason: "PUBSUB CHANNELS gives no list")
        case .failure(let error): .channels(nil, reason: "PUBSUB CHANNELS: \(error)")
        }
    }

    /// Neither answer nor connection: what that means.
    private mutating func fail(_ error: RedisError, _ now: Instant) -> [Action] {
        switch error {
        case .refused:
            unansweredSince = nil
            return drop(retryAfter: settings.sampleInterval, now) + [.post(.dead)]
        case .closed:
            // In growing steps, for a process that dies takes a moment to refuse.
            defer { retryPause = min(retryPause * 2, settings.sampleInterval) }
            return drop(retryAfter: retryPause, now)
        case .connectTimedOut, .timedOut:
            return drop(retryAfter: .zero, now)
        case .unreachable:
            return drop(retryAfter: settings.sampleInterval, now)
        case .server(let reply) where reply.code == .busy || reply.code == .loading:
            return again(.busy("\(reply)"), now)
        case .server(let reply) where reply.code == .maxClients:
            unansweredSince = nil
            return drop(retryAfter: settings.sampleInterval, now) + [.post(.busy("\(reply)"))]
        case .server(let reply) where reply.code == .noAuth || reply.code == .wrongPass:
            return lockedOut("\(error)", now)
        case .server, .tls, .protocolViolation:
            return unusable("\(error)", now)
        }
    }

    private mutating func lockedOut(_ reason: String, _ now: Instant) -> [Action] {
        let since = lockedOutSince ?? now
        lockedOutSince = since
        guard wasLetIn, now - since < Self.fencePatience else { return unusable(reason, now) }
        unansweredSince = nil
        return drop(retryAfter: settings.sampleInterval, now) + [.post(.busy(reason))]
    }

    private mutating func unusable(_ reason: String, _ now: Instant) -> [Action] {
        unansweredSince = nil
        return drop(retryAfter: settings.downAfter / 4, now) + [.post(.unusable(reason))]
    }

    private mutating func drop(retryAfter pause: Duration, _ now: Instant) -> [Action] {
        let isOpen =
            switch link {
            case .idle, .asked: true
            case .none, .connecting: false
            }
        link = .none(retryAt: now + pause)
        fullAt = nil
        return isOpen ? [.disconnect] : []
    }

    /// It answers, and the connection stays.
    private mutating func again(_ reading: RedisReading, _ now: Instant) -> [Action] {
        unansweredSince = nil
        toldAt = nil
        switch link {
        case .asked: link = .idle(nextAt: now + settings.sampleInterval)
        case .connecting, .none, .idle: link = .none(retryAt: now + settings.sampleInterval)
        }
        fullAt = nil
        return [.post(reading)]
    }
}
