import Failover
import Foundation
import Replication
import Testing

@testable import Daemon

@Suite struct HistoryFileTests {
    private func open(_ folder: TestFolder, limit: HistoryFile.Limit = .init()) -> HistoryFile {
        HistoryFile(folder: folder.path, router: "redis", node: "node1", limit: limit)
    }

    @Test func `an entry has all that led to it`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        try file.record(transition(1))
        let entry = try #require(try file.entries().first)
        #expect(entry.number == 1)
        #expect([entry.virtualRouter, entry.node, entry.from, entry.to] == ["redis", "node1", "standby", "serving"])
        #expect([entry.cause, entry.reason, entry.vrrp] == ["elected", "why", "active"])
        #expect(entry.writeGapMs == 12.345)
        #expect([entry.loss?.kind] == ["at_most"])
        #expect(entry.loss?.bytes == 12)
        #expect(entry.loss?.sampleAgeMs == 40)
        #expect(entry.evidence?.targetOffset == 100)
        #expect(entry.evidence?.appliedOffset == 88)
        #expect(entry.steps == [HistoryEntry.StepText(atMs: 5, step: "promoted", detail: "it is master")])
        let form = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/
        #expect(entry.at.wholeMatch(of: form) != nil)
        #expect(entry.startedAt.wholeMatch(of: form) != nil)
        // One line, with every key.
        let line = folder.text("history-redis.jsonl")
        #expect(line.filter { $0 == "\n" }.count == 1)
        #expect(line.contains("\"fence\":null"))
    }

    @Test func `a later entry of the same number takes the place of an earlier one`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        try file.record(transition(1))
        try file.record(transition(2))
        try file.record(transition(1, reason: "more is known"))
        #expect(try file.entries().map(\.reason) == ["more is known", "why"])
        #expect(try file.entries().map(\.number) == [1, 2])
    }

    @Test func `numbers go on over restarts`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        for number in 1...3 { try file.record(transition(number)) }
        var next = open(folder)
        #expect(next.complaint == nil)
        try next.record(transition(1))
        #expect(try next.entries().map(\.number) == [1, 2, 3, 4])
    }

    @Test func `the number of entries is bounded`() throws {
        let folder = try TestFolder()
        var file = open(folder, limit: .init(entries: 20, bytes: 1 << 20))
        for number in 1...100 {
            try file.record(transition(number))
            #expect(folder.text("history-redis.jsonl").filter { $0 == "\n" }.count <= 25)
        }
        let numbers = try file.entries().map(\.number)
        #expect(numbers.last == 100)
        #expect(numbers.count >= 20 && numbers == Array((101 - numbers.count)...100))
    }

    @Test func `the size is bounded`() throws {
        let folder = try TestFolder()
        var file = open(folder, limit: .init(entries: 1000, bytes: 10_000))
        for number in 1...60 { try file.record(transition(number, reason: String(repeating: "x", count: 1000))) }
        #expect(folder.text("history-redis.jsonl").utf8.count <= 12_500)
        #expect(try file.entries().last?.number == 60)
    }

    @Test func `half a line that a crash left is left out`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        try file.record(transition(1))
        try file.record(transition(2))
        let text = folder.text("history-redis.jsonl")
        try folder.write(String(text.dropLast(40)), to: "history-redis.jsonl")
        var next = open(folder)
        #expect(next.complaint == "\(next.path): 1 lines that cannot be read were left out")
        try next.record(transition(1))
        #expect(try next.entries().map(\.number) == [1, 2])
        #expect(folder.text("history-redis.jsonl").filter { $0 == "\n" }.count == 2)
    }

    @Test func `what is no history is no obstacle`() throws {
        let folder = try TestFolder()
        try folder.write("\u{0}\u{1}nonsense\n{\"number\":1}\n[]\n", to: "history-redis.jsonl")
        var file = open(folder)
        #expect(file.complaint == "\(file.path): 3 lines that cannot be read were left out")
        try file.record(transition(1))
        #expect(try file.entries().map(\.number) == [1])
    }

    @Test func `a folder that is gone is an error with its name`() throws {
        let folder = try TestFolder()
        var file = HistoryFile(folder: "\(folder.path)/missing", router: "redis", node: "node1")
        #expect {
            try file.record(transition(1))
        } throws: { error in
            "\(error)" == "cannot write \(folder.path)/missing/history-redis.jsonl: No such file or directory"
        }
    }

    // MARK: What is found out later

    private static let lost = LossAmendment(bytes: 310, commands: 10)

    /// A promotion of the pair.
    private func promotion(_ number: Int, epoch: UInt64, loss: Loss? = nil) -> Transition {
        var promotion = transition(number)
        promotion.epoch = epoch
        if let loss { promotion.loss = loss }
        return promotion
    }

    @discardableResult
    private func amend(
        _ file: inout HistoryFile, _ epoch: UInt64, _ lost: LossAmendment = lost
    ) throws -> HistoryEntry? {
        try file.amend(Settlement(epoch: epoch, lost: lost), by: "node2", kept: ["x.resp"])
    }

    private func lines(_ folder: TestFolder) -> [Substring] {
        folder.text("history-redis.jsonl").split(separator: "\n")
    }

    @Test func `an amendment is a line of its own, and the entry stays as it was`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        try file.record(promotion(1, epoch: 5))
        try file.record(transition(2))
        let before = lines(folder)
        #expect(try amend(&file, 5)?.number == 1)
        #expect(lines(folder).count == 3)
        #expect(lines(folder).starts(with: before))
        #expect(lines(folder)[2].hasPrefix("{\"amends\":1,\"at\":\""))
        let entries = try file.entries()
        #expect(entries.map(\.number) == [1, 2])
        #expect(entries[0].loss?.kind == "at_most")
        let amendment = try #require(entries[0].amendment)
        #expect(amendment.lost == Self.lost)
        #expect(
            amendment.detail == "exact: 310 bytes, 10 commands, found out when the Redis of node2 was made to follow")
        #expect(amendment.kept == ["x.resp"])
        #expect(entries[1].amendment == nil)
    }

    @Test func `the same account is written once, another one takes its place`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        try file.record(promotion(1, epoch: 5))
        try amend(&file, 5)
        #expect(try amend(&file, 5) == nil)
        var next = open(folder)
        #expect(next.complaint == nil)
        #expect(try amend(&next, 5) == nil)
        #expect(lines(folder).count == 2)
        let more = LossAmendment(bytes: 400, commands: nil)
        #expect(try amend(&next, 5, more)?.amendment?.lost == more)
        #expect(try open(folder).entries().first?.amendment?.lost == more)
        #expect(try amend(&next, 5, more) == nil)
    }

    @Test func `the last promotion of the number is meant, and no other entry`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        try file.record(promotion(1, epoch: 5))
        try file.record(promotion(2, epoch: 5))
        try file.record(transition(3))
        #expect(try amend(&file, 5)?.number == 2)
        #expect(try amend(&file, 4) == nil)
        #expect(try amend(&file, 6) == nil)
        #expect(lines(folder).count == 4)
    }

    @Test func `nothing lost of nothing is not worth a line`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        let pings = LossAmendment(bytes: 28, commands: 0)
        try file.record(promotion(1, epoch: 5, loss: Loss.none))
        #expect(try amend(&file, 5, pings) == nil)
        try file.record(promotion(2, epoch: 6))
        #expect(try amend(&file, 6, pings)?.number == 2)
        try file.record(promotion(3, epoch: 7, loss: Loss.none))
        #expect(try amend(&file, 7)?.number == 3)
    }

    @Test func `half an amendment that a crash left is left out, and can be written again`() throws {
        let folder = try TestFolder()
        var file = open(folder)
        try file.record(promotion(1, epoch: 5))
        try amend(&file, 5)
        try folder.write(String(folder.text("history-redis.jsonl").dropLast(20)), to: "history-redis.jsonl")
        var next = open(folder)
        #expect(next.complaint == "\(next.path): 1 lines that cannot be read were left out")
        #expect(try next.entries().map(\.amendment) == [nil])
        #expect(try amend(&next, 5)?.amendment?.lost == Self.lost)
    }

    @Test func `an amendment is kept as long as its entry, and a later entry of the same number keeps it`() throws {
        let folder = try TestFolder()
        var file = open(folder, limit: .init(entries: 20, bytes: 1 << 20))
        try file.record(promotion(1, epoch: 5))
        try amend(&file, 5)
        try file.record(promotion(1, epoch: 5))
        #expect(try file.entries().map { $0.amendment?.bytes } == [310])
        for number in 2...15 { try file.record(transition(number)) }
        try file.record(promotion(16, epoch: 6))
        try amend(&file, 6)
        for number in 17...30 { try file.record(transition(number)) }
        let entries = try file.entries()
        #expect(entries.compactMap { $0.amendment == nil ? nil : $0.number } == [16])
        #expect(lines(folder).count { $0.hasPrefix("{\"amends\"") } == 1)
        #expect(try open(folder).entries() == entries)
        #expect(try amend(&file, 6) == nil)
    }

    @Test func `the size is bounded with amendments too`() throws {
        let folder = try TestFolder()
        var file = open(folder, limit: .init(entries: 1000, bytes: 10_000))
        for number in 1...60 {
            try file.record(promotion(number, epoch: UInt64(number)))
            try amend(&file, UInt64(number))
        }
        #expect(folder.text("history-redis.jsonl").utf8.count <= 13_500)
        #expect(try file.entries().last?.amendment?.lost == Self.lost)
    }
}
