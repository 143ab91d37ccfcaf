import Foundation
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
}
