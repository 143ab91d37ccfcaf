import Replication
import SeededNumbers
import Testing

@testable import Salvage

/// A server as a replay sees it: transactions that watch the marker.
private struct ModelServer {
    /// Offsets of the writes that were executed, in order.
    var applied: [Int64] = []
    var marker: Int64?
    /// Changes with each touch of the marker.
    var touches = 0
    /// Without, a second execution is not noticed: to show that the tests can fail.
    var watches = true
    /// Writes that fail when they are executed.
    var failing: Set<Int64> = []
    /// Writes that are refused before the `EXEC`.
    var refused: Set<Int64> = []

    var reading: ReplayMarker { marker.map { .at($0) } ?? .absent }

    /// What `EXEC` does for a connection that has watched since then.
    mutating func execute(_ batch: ReplayBatch, watchedAt watch: Int) -> ReplayReply {
        func errors(_ bad: Set<Int64>) -> [String?] {
            batch.writes.map { write in write.flatMap { bad.contains($0.offset) ? "WRONGTYPE no" : nil } }
        }
        let queued = errors(refused)
        if queued.contains(where: { $0 != nil }) {
            return ReplayReply(queued: queued, execution: .discarded("EXECABORT no"), marker: reading)
        }
        guard watch == touches || !watches else {
            return ReplayReply(queued: queued, execution: .overtaken, marker: reading)
        }
        for unit in batch.units { applied += unit.writes.map(\.offset).filter { !failing.contains($0) } }
        marker = batch.end
        touches += 1
        return ReplayReply(queued: queued, execution: .executed(errors(failing)), marker: reading)
    }
}

/// Runs replays of one file to the end, with whatever goes wrong in between.
private struct Storm {
    let file: [ReplayUnit]
    var random: SeededGenerator
    var server = ModelServer()
    /// What a connection that is gone had sent, and the server has not executed yet.
    var late: [(batch: ReplayBatch, watch: Int)] = []
    var runs = 0
    var outcomes: [Replay.Outcome] = []

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func executeLate() {
        while !late.isEmpty, chance(50) {
            let (batch, watch) = late.removeFirst()
            _ = server.execute(batch, watchedAt: watch)
        }
    }

    /// Until one run has ended by itself, at most so many.
    mutating func run(_ change: (inout Replay.Request) -> Void, atMost limit: Int = 400) -> Replay.Outcome? {
        while runs < limit {
            runs += 1
            if let outcome = one(change) {
                outcomes.append(outcome)
                switch outcome {
                // As the operator is told to.
                case .stopped, .lostMarker: continue
                default: return outcome
                }
            }
        }
        return nil
    }

    /// One process; nil where it was killed.
    private mutating func one(_ change: (inout Replay.Request) -> Void) -> Replay.Outcome? {
        var request = Replay.Request(marker: "m", from: 1, to: file.last.map { $0.end } ?? 1)
        request.batchWrites = Int.random(in: 1...6, using: &random)
        change(&request)
        var replay = Replay(request)
        var index = 0
        var watch = 0
        var action = Replay.Action.connect(after: .zero)
        let now = ContinuousClock.now
        while true {
            executeLate()
            if chance(2) { return nil }
            if chance(1) { _ = replay.handle(.stopRequested, now: now) }
            let event: Replay.Event
            switch action {
            case .connect:
                watch = server.touches
                event = chance(10) ? .disconnected("refused") : .connected(server.reading)
            case .read:
                event = index < file.count ? .unit(file[index], isSkipped: file[index].start % 7 == 3) : .fileEnded
                index += 1
            case .send(let batch):
                event = send(batch, watch)
                watch = server.touches
            case .conclude:
                guard watch == server.touches || !server.watches else {
                    event = .disconnected("touched")
                    break
                }
                let isExecuted = !chance(10)
                if isExecuted { (server.marker, server.touches) = (request.to, server.touches + 1) }
                event = isExecuted && !chance(10) ? .concluded : .disconnected("closed")
            case .end(let outcome): return outcome
            }
            guard let next = replay.handle(event, now: now).first else { return nil }
            action = next
        }
    }

    private mutating func send(_ batch: ReplayBatch, _ watch: Int) -> Replay.Event {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return .disconnected("lost before")
        case 1:
            _ = server.execute(batch, watchedAt: watch)
            return .disconnected("lost behind")
        case 2:
            late.append((batch, watch))
            return .disconnected("silent")
        default: return .replied(server.execute(batch, watchedAt: watch))
        }
    }
}

/// A file of random writes and transactions.
private func randomFile(_ random: inout SeededGenerator) -> [ReplayUnit] {
    var bytes: [UInt8] = []
    for number in 0..<Int.random(in: 1...40, using: &random) {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes += resp("SELECT", "\(number % 3)")
        case 1: bytes += resp("PING")
        case 2:
            bytes += resp("MULTI")
            for index in 0..<Int.random(in: 0...4, using: &random) { bytes += resp("INCR", "t\(index)") }
            bytes += resp("EXEC")
        default: bytes += resp("INCR", "k\(number)")
        }
    }
    var assembly = ReplayUnits()
    return Reading([bytes]).commands.compactMap { assembly.take($0) }
}

@Suite("Replay: never twice, never left out, whatever is interrupted")
struct ReplayPropertyTests {
    private func wanted(_ file: [ReplayUnit]) -> [Int64] {
        file.filter { $0.start % 7 != 3 }.flatMap { $0.writes.map(\.offset) }
    }

    @Test("3000 files, killed and cut off at random: each write once, in order")
    func exactlyOnce() {
        for seed in 1...3000 {
            var random = SeededGenerator(seed: UInt64(seed))
            let file = randomFile(&random)
            var storm = Storm(file: file, random: random)
            let outcome = storm.run { _ in }
            #expect(outcome == .done, "seed \(seed)")
            #expect(storm.server.applied == wanted(file), "seed \(seed)")
            #expect(storm.server.marker == (storm.server.applied.isEmpty ? nil : file.last?.end), "seed \(seed)")
        }
    }

    @Test("with writes that fail and writes that are refused, and --skip-errors: all the others, once")
    func errors() {
        for seed in 1...2000 {
            var random = SeededGenerator(seed: UInt64(seed))
            let file = randomFile(&random)
            var storm = Storm(file: file, random: random)
            let offsets = file.flatMap { $0.writes.map(\.offset) }
            storm.server.failing = Set(offsets.filter { $0 % 5 == 0 })
            // A refused write takes its whole transaction along.
            let refused = file.filter { $0.start % 11 == 1 }
            storm.server.refused = Set(refused.compactMap { $0.writes.last?.offset })
            let outcome = storm.run { $0.skipsErrors = true }
            #expect(outcome == .done, "seed \(seed)")
            let rest = file.filter { $0.start % 7 != 3 && $0.start % 11 != 1 }.flatMap { $0.writes.map(\.offset) }
            #expect(storm.server.applied == rest.filter { $0 % 5 != 0 }, "seed \(seed)")
        }
    }

    @Test("a write that fails stops the run; the next one goes on behind it")
    func stopping() {
        for seed in 1...1000 {
            var random = SeededGenerator(seed: UInt64(seed))
            let file = randomFile(&random)
            var storm = Storm(file: file, random: random)
            storm.server.failing = Set(wanted(file).filter { $0 % 5 == 0 })
            var outcome = storm.run { _ in }
            while outcome == .failed { outcome = storm.run { _ in } }
            #expect(outcome == .done, "seed \(seed)")
            #expect(storm.server.applied == wanted(file).filter { $0 % 5 != 0 }, "seed \(seed)")
        }
    }

    @Test("the storm would see it: a server that does not watch executes some of it twice")
    func canFail() {
        var doubles = 0
        for seed in 1...500 {
            var random = SeededGenerator(seed: UInt64(seed))
            let file = randomFile(&random)
            var storm = Storm(file: file, random: random)
            storm.server.watches = false
            _ = storm.run { _ in }
            if storm.server.applied.count > Set(storm.server.applied).count { doubles += 1 }
        }
        #expect(doubles > 50)
    }

    @Test("two runs of the same file at the same time: each write once, and at most one of them ends early")
    func twoAtOnce() {
        for seed in 1...500 {
            var random = SeededGenerator(seed: UInt64(seed))
            let file = randomFile(&random)
            guard let end = file.last?.end else { continue }
            var server = ModelServer()
            var replays = [2, 3].map { size in
                var request = Replay.Request(marker: "m", from: 1, to: end)
                request.batchWrites = size
                return Replay(request)
            }
            var actions: [Replay.Action] = [.connect(after: .zero), .connect(after: .zero)]
            var (places, watches) = ([0, 0], [0, 0])
            while actions.contains(where: { if case .end = $0 { false } else { true } }) {
                let who = Int.random(in: 0...1, using: &random)
                let event: Replay.Event
                switch actions[who] {
                case .connect:
                    watches[who] = server.touches
                    event = .connected(server.reading)
                case .read:
                    event = places[who] < file.count ? .unit(file[places[who]], isSkipped: false) : .fileEnded
                    places[who] += 1
                case .send(let batch):
                    event = .replied(server.execute(batch, watchedAt: watches[who]))
                    watches[who] = server.touches
                case .conclude:
                    event = watches[who] == server.touches ? .concluded : .disconnected("touched")
                    if event == .concluded { (server.marker, server.touches) = (end, server.touches + 1) }
                case .end: continue
                }
                if let next = replays[who].handle(event, now: .now).first { actions[who] = next }
            }
            #expect(server.applied == file.flatMap { $0.writes.map(\.offset) }, "seed \(seed)")
        }
    }
}
