public import Replication

/// Replays a salvage file to a server, each write once: decides what is sent next, what a reply means, and where it goes on
/// after an interruption. The caller executes the actions in order, and reports one event for each that asks for one.
///
/// Whatever ends a connection, a process or a server, the marker on the server tells which writes it has; see
/// `ReplayBatch`. A marker that is not where it should be ends the replay: nobody can tell then.
public struct Replay: Sendable, Equatable {
    /// What is to be replayed, and how.
    public struct Request: Sendable, Equatable {
        /// The marker's key.
        public var marker: String
        /// Offset of the file's first byte.
        public var from: Int64
        /// Offset of the byte after its last.
        public var to: Int64
        /// The last offset of the file's history that the server has from its replication; 0 where it is not known. What
        /// ends there or before is not sent.
        public var held: Int64 = 0
        /// The markers of other replays that the file holds writes of, as they are on the server: what it has from those
        /// is not sent either.
        public var replays: [String: Int64] = [:]
        /// Where writes go of which the database is not known.
        public var database = 0
        /// Goes on after a write that the server did not take.
        public var skipsErrors = false
        /// The most writes that are sent in one transaction; a transaction of the file stays whole.
        public var batchWrites = 64
        /// The most bytes of them; a single one may be longer.
        public var batchBytes: Int64 = 1 << 20
        /// For how long a lost connection is tried again.
        public var patience: Duration = .seconds(30)

        /// Makes one with the defaults.
        public init(marker: String, from: Int64, to: Int64) {
            self.marker = marker
            self.from = from
            self.to = to
        }
    }

    /// What happened. Each answers the last action.
    public enum Event: Sendable, Equatable {
        /// A connection is open: in database 0, watching the marker, which was read, and inside `MULTI`.
        case connected(ReplayMarker)
        /// The next unit of the file, and whether it is to be left out.
        case unit(ReplayUnit, isSkipped: Bool)
        /// There is none.
        case fileEnded
        /// The batch was answered.
        case replied(ReplayReply)
        /// The marker says that all of the file was applied, and goes away by itself.
        case concluded
        /// The connection could not be opened, or ended before the answer was complete: why.
        case disconnected(String)
        /// The server is not one to replay to any more: why.
        case unfit(String)
        /// It shall end, at the next moment at which nothing is under way.
        case stopRequested
    }

    /// What is to be done.
    public enum Action: Sendable, Equatable {
        /// Open a connection, after waiting for so long.
        case connect(after: Duration)
        /// Give the next unit of the file.
        case read
        /// Send a batch.
        case send(ReplayBatch)
        /// Let the marker say that all of the file was applied, for a while.
        case conclude
        /// Nothing more: it has ended.
        case end(Outcome)
    }

    /// How it ended.
    public enum Outcome: Sendable, Equatable {
        /// Everything was sent.
        case done
        /// A write failed, and no more were sent.
        case failed
        /// The server takes no writes, by its own words.
        case refused(String)
        /// The marker is not where this replay left it.
        case lostMarker(expected: Int64?, found: ReplayMarker)
        /// By a signal.
        case stopped
        /// The server was away for longer than is waited for: why.
        case unreachable(String)
    }

    /// What was counted.
    public struct Tally: Sendable, Equatable {
        /// Writes that the server has executed, as it said.
        public var applied: Int64 = 0
        /// Writes that it has executed, without anybody having seen whether with success: the connection ended first.
        public var unconfirmed: Int64 = 0
        /// Writes that it did not take.
        public var failed: Int64 = 0
        /// Writes that were left out.
        public var skipped: Int64 = 0
        /// Writes that it had from its replication, or from another replay.
        public var held: Int64 = 0
        /// Writes that an earlier run has sent, or left out.
        public var earlier: Int64 = 0
        /// Bytes, in the file, of those that were sent.
        public var bytes: Int64 = 0
        /// Connections that were lost.
        public var reconnects = 0

        /// All zero.
        public init() {}
    }

    private enum Phase: Sendable, Equatable {
        case connecting
        case reading
        case sending(ReplayBatch)
        case concluding
        case ended
    }

    /// What is replayed.
    public let request: Request
    /// What was counted so far.
    public private(set) var tally = Tally()
    /// The first of the writes that were not taken.
    public private(set) var failures: [ReplayFailure] = []
    /// Where an earlier run was interrupted; `nil` where there was none.
    public private(set) var resumedAt: Int64?
    /// The marker as it is on the server; `nil` for none.
    public private(set) var position: Int64?

    private var phase = Phase.connecting
    /// What a lost connection has interrupted.
    private var interrupted = Phase.connecting
    private var isConnectedOnce = false
    private var pending: [ReplayUnit] = []
    /// What is sent one by one, since the server refused some of it.
    private var singles: [ReplayUnit] = []
    private var isFileRead = false
    private var isStopping = false
    private var lostSince: Instant?
    private var lostWords = ""

    /// The most failures that are kept with their words.
    public static let mostFailures = 1000

    /// At the beginning: a connection is to be opened.
    public init(_ request: Request) { self.request = request }

    /// Takes an event; after the end, nothing happens any more.
    public mutating func handle(_ event: Event, now: Instant) -> [Action] {
        switch (phase, event) {
        case (.ended, _): return []
        case (_, .stopRequested):
            isStopping = true
            return []
        case (_, .disconnected(let reason)): return lose(reason, now: now)
        case (_, .unfit(let reason)): return end(.refused(reason))
        case (.connecting, .connected(let marker)): return begin(marker)
        case (.reading, .unit(let unit, let isSkipped)): return take(unit, isSkipped: isSkipped)
        case (.reading, .fileEnded):
            isFileRead = true
            return proceed()
        case (.sending(let batch), .replied(let reply)):
            lostSince = nil
            return settle(batch, reply)
        case (.concluding, .concluded):
            position = request.to
            return end(.done)
        default: return []
        }
    }
}

// MARK: - Connections

extension Replay {
    private mutating func lose(_ reason: String, now: Instant) -> [Action] {
        if isStopping { return end(.stopped) }
        let since = lostSince ?? now
        lostSince = since
        // The first reason says more than the refused connections after it.
        if since == now { lostWords = reason }
        guard now - since < request.patience else {
            return end(.unreachable(lostWords == reason ? reason : "\(lostWords); then: \(reason)"))
        }
        if phase != .connecting { tally.reconnects += 1 }
        interrupted = phase == .connecting ? interrupted : phase
        phase = .connecting
        return [.connect(after: since == now ? .zero : .milliseconds(500))]
    }

    private mutating func begin(_ marker: ReplayMarker) -> [Action] {
        guard isConnectedOnce else {
            isConnectedOnce = true
            if case .absent = marker { return proceed() }
            guard let offset = marker.offset, (request.from...request.to).contains(offset) else {
                return end(.lostMarker(expected: nil, found: marker))
            }
            position = offset
            if offset > request.from { resumedAt = offset }
            return proceed()
        }
        guard case .sending(let batch) = interrupted else { return goOn(at: marker, after: []) }
        if !marker.isStrange, marker.offset == batch.before {
            phase = .sending(batch)
            return [.send(batch)]
        }
        return marker == .at(batch.end) ? settleUnseen(batch) : goOn(at: marker, after: batch.units)
    }

    /// Goes on where the marker is, if it has moved forward: what an earlier connection, or another run, had sent was
    /// executed late. `units` were to be sent next. A marker that was made while there was none belongs to another run,
    /// which may leave out other writes than this one.
    private mutating func goOn(at marker: ReplayMarker, after units: [ReplayUnit]) -> [Action] {
        let isUnmoved = !marker.isStrange && marker.offset == position
        let isAhead = marker.offset.flatMap { new in position.map { $0 <= new && new <= request.to } } ?? false
        guard isUnmoved || isAhead else { return lost(marker) }
        position = marker.offset
        let waiting = units + singles
        tally.unconfirmed += (waiting + pending).reduce(0) { isBehind($1) ? $0 + Int64($1.writes.count) : $0 }
        singles = waiting.filter { !isBehind($0) }
        pending = pending.filter { !isBehind($0) }
        return proceed()
    }

    /// Whether the server has executed it.
    private func isBehind(_ unit: ReplayUnit) -> Bool { position.map { unit.end <= $0 } ?? false }

    private mutating func lost(_ marker: ReplayMarker) -> [Action] {
        let expected = position
        // Where to go on is what the server says, and not what we remember.
        position = marker.offset
        return end(.lostMarker(expected: expected, found: marker))
    }

    private mutating func end(_ outcome: Outcome) -> [Action] {
        phase = .ended
        return [.end(outcome)]
    }
}

// MARK: - Units and batches

extension Replay {
    private mutating func take(_ unit: ReplayUnit, isSkipped: Bool) -> [Action] {
        let count = Int64(unit.writes.count)
        if isBehind(unit) {
            tally.earlier += count
        } else if unit.end - 1 <= request.held || unit.isHeld(by: request.replays, database: request.database) {
            tally.held += count
        } else if isSkipped {
            tally.skipped += count
        } else {
            pending.append(unit)
        }
        return proceed()
    }

    /// The next thing to do when nothing is under way.
    private mutating func proceed() -> [Action] {
        if isStopping { return end(.stopped) }
        if !singles.isEmpty { return send([singles.removeFirst()]) }
        let count = pending.reduce(0) { $0 + $1.writes.count }
        let bytes = pending.reduce(0) { $0 + $1.bytes }
        if !pending.isEmpty, isFileRead || count >= request.batchWrites || bytes >= request.batchBytes {
            defer { pending = [] }
            return send(pending)
        }
        guard isFileRead else {
            phase = .reading
            return [.read]
        }
        guard position != nil else { return end(.done) }
        phase = .concluding
        return [.conclude]
    }

    private mutating func send(_ units: [ReplayUnit]) -> [Action] {
        let batch = ReplayBatch(units, before: position, marker: request.marker, database: request.database)
        phase = .sending(batch)
        return [.send(batch)]
    }

    private mutating func settle(_ batch: ReplayBatch, _ reply: ReplayReply) -> [Action] {
        switch reply.execution {
        case .overtaken:
            // What an earlier connection had sent was executed late, or another run did the same.
            return reply.marker == .at(batch.end) ? settleUnseen(batch) : goOn(at: reply.marker, after: batch.units)
        case .executed(let errors):
            position = batch.end
            guard reply.marker == .at(batch.end) else { return lost(reply.marker) }
            if let error = Self.ownError(errors, in: batch) { return end(.refused(error)) }
            let count = note(errors, in: batch)
            tally.applied += batch.count - count
            tally.bytes += batch.bytes
            return count > 0 && !request.skipsErrors ? end(.failed) : proceed()
        case .discarded(let words):
            guard reply.marker.offset == batch.before, !reply.marker.isStrange else { return lost(reply.marker) }
            return settleDiscarded(batch, reply.queued, words)
        }
    }

    private mutating func settleUnseen(_ batch: ReplayBatch) -> [Action] {
        position = batch.end
        lostSince = nil
        tally.unconfirmed += batch.count
        tally.bytes += batch.bytes
        return proceed()
    }

    /// Nothing of it was executed.
    private mutating func settleDiscarded(_ batch: ReplayBatch, _ queued: [String?], _ words: String) -> [Action] {
        let errors = queued.compactMap(\.self)
        if let error = errors.first(where: ReplayFailure.isAboutServer) { return end(.refused(error)) }
        if let error = Self.ownError(queued, in: batch) { return end(.refused(error)) }
        // None of the commands was refused: it is about the server.
        if errors.isEmpty { return end(.refused(words)) }
        guard batch.units.count == 1 else {
            singles = batch.units
            return proceed()
        }
        _ = note(queued, in: batch)
        // With the refused write of a transaction the others were not executed either.
        tally.failed += batch.count - Int64(errors.count)
        return request.skipsErrors ? proceed() : end(.failed)
    }

    /// What a command of ours was refused with: without it the writes have no database, or no marker.
    private static func ownError(_ errors: [String?], in batch: ReplayBatch) -> String? {
        for case (nil, let error?) in zip(batch.writes, errors) { return error }
        return nil
    }

    /// Writes down what failed; how many that were.
    private mutating func note(_ errors: [String?], in batch: ReplayBatch) -> Int64 {
        var count: Int64 = 0
        for case (let write?, let error?) in zip(batch.writes, errors) {
            count += 1
            guard failures.count < Self.mostFailures else { continue }
            failures.append(ReplayFailure(write, database: request.database, error: error))
        }
        tally.failed += count
        return count
    }
}
