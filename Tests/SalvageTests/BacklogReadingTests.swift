import Testing

@testable import Replication
@testable import Salvage

@Suite("BacklogReading: what goes into a salvage file")
struct BacklogReadingTests {
    private static let select = resp("SELECT", "3")
    private static let before = resp("SET", "before", "1")
    private static let first = resp("SET", "a", "1")
    private static let second = resp("INCR", "b")

    private func reading(
        _ pieces: [[UInt8]], lead: Int, old: ReplicationInfo, new: ReplicationInfo = promoted(at: 100)
    ) throws(SalvageFailure) -> BacklogReading {
        let bytes = Array(pieces.joined())
        let from: Int64 = 101
        return try BacklogReading(
            bytes, of: span(from, from + Int64(bytes.count - lead)), lead: Int64(lead), old: old, new: new)
    }

    @Test("the bytes of the span alone, with the database that the lead selects")
    func database() throws {
        let lead = Self.select.count + Self.before.count
        let reading = try reading(
            [Self.select, Self.before, Self.first, Self.second], lead: lead, old: master(oldID, at: 410))
        #expect(Array(reading.payload) == Self.first + Self.second)
        #expect(reading.tally.writes == 2)
        #expect(reading.tally.firstDatabase == 3)
        #expect(reading.tally.from == 101)
    }

    @Test("without a SELECT: the only database that has keys on both; else nobody knows")
    func onlyDatabase() throws {
        var (old, new) = (master(oldID, at: 410), promoted(at: 100))
        func firstDatabase() throws -> Int? {
            try reading([Self.before, Self.first], lead: Self.before.count, old: old, new: new).tally.firstDatabase
        }
        #expect(try firstDatabase() == nil)
        (old.databases, new.databases) = ([2], [2])
        #expect(try firstDatabase() == 2)
        new.databases = []
        #expect(try firstDatabase() == 2)
        new.databases = [0, 2]
        #expect(try firstDatabase() == nil)
    }

    @Test("a lead that begins inside of a command does not matter from Redis 4 on")
    func cutLead() throws {
        let lead = Array(Self.before.dropFirst(5))
        let reading = try reading([lead, Self.first], lead: lead.count, old: master(oldID, at: 410))
        #expect(Array(reading.payload) == Self.first)
    }

    @Test("before Redis 4 the command that P lies in is kept whole")
    func halfReceived() throws {
        let lead = Self.before.count + 4
        let reading = try reading([Self.before, Self.first, Self.second], lead: lead, old: master(nil, at: 410))
        #expect(Array(reading.payload) == Self.first + Self.second)
        #expect(reading.tally.from == 97)
        #expect(reading.tally.writes == 2)
    }

    @Test("what was not all read, or is no stream, is a failure")
    func failures() {
        let old = master(oldID, at: 410)
        #expect(throws: SalvageFailure.self) {
            try BacklogReading(Self.first, of: span(101, 500), lead: 0, old: old, new: promoted(at: 100))
        }
        #expect(throws: SalvageFailure.self) {
            try BacklogReading([1, 2, 3], of: span(101, 104), lead: 0, old: old, new: promoted(at: 100))
        }
        #expect(throws: SalvageFailure.self) {
            try BacklogReading(
                Array(Self.first.dropFirst()), of: span(101, 100 + Int64(Self.first.count)), lead: 0,
                old: master(nil, at: 410), new: promoted(at: 100))
        }
    }
}
