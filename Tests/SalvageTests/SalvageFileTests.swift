import SeededNumbers
import Testing

@testable import Salvage

@Suite("Salvage files: header, name, wholeness")
struct SalvageFileTests {
    static let header = SalvageHeader(
        node: "redis-a", time: "2025-11-22T10:11:12.345Z", replicationID: oldID, from: 101, to: 411, commands: 10,
        database: 3, transition: 17)
    static let line =
        "syncgate-salvage format=1 node=redis-a time=2025-11-22T10:11:12.345Z "
        + "replid=aaaa000000000000000000000000000000000000 from=101 to=411 bytes=310 commands=10 database=3 transition=17"

    @Test("its bytes, byte for byte: ECHO, SELECT, and no trailing thing")
    func encoded() {
        #expect(Self.line.utf8.count == 179)
        #expect(Self.header.encoded == resp("ECHO", Self.line) + resp("SELECT", "3"))
        var unknown = Self.header
        (unknown.database, unknown.transition) = (nil, nil)
        let text = Self.line.replacing("database=3 transition=17", with: "database=unknown transition=unknown")
        #expect(unknown.encoded == resp("ECHO", text))
    }

    @Test("a history that was begun only to be read names the one that the new master knows")
    func origin() throws {
        let new = promoted(at: 100)
        let detached = master(otherID, at: 424, previous: oldID, secondOffset: 411)
        let origin = SalvageHeader.Origin(of: span(101, 425, otherID), old: detached, new: new)
        #expect(origin == .init(replicationID: oldID, end: 410))
        #expect(SalvageHeader.Origin(of: span(101, 411), old: master(oldID, at: 410), new: new) == nil)
        // The new master knows neither; and the one that it was promoted out of before is remembered.
        let later = master(newID, at: 9000, previous: "dd", secondOffset: 5000)
        #expect(SalvageHeader.Origin(of: span(101, 425, otherID), old: detached, new: later) == nil)
        #expect(
            SalvageHeader.Origin(of: span(101, 425, otherID), old: detached, new: later, promotion: remembered100)
                == .init(replicationID: oldID, end: 410))
        var header = Self.header
        (header.replicationID, header.origin) = (otherID, origin)
        let line = Self.line.replacing("aaaa", with: "cccc") + " origin=\(oldID):410"
        #expect(header.encoded == resp("ECHO", line) + resp("SELECT", "3"))
        #expect(try SalvageFile(prefix: header.encoded, size: Int64(header.encoded.count) + 310).header == header)
        #expect(header.replicationIDs == [otherID, oldID])
        for bad in ["", ":", ":5", "x", "x:", "x:-1", "x:9223372036854775807"] {
            let prefix = resp("ECHO", Self.line + " origin=\(bad)") + resp("SELECT", "3")
            #expect(throws: SalvageHeaderError.malformed(.origin, value: bad)) {
                try SalvageFile(prefix: prefix, size: Int64(prefix.count) + 310)
            }
        }
    }

    @Test("what goes in comes out", arguments: [0, 3, nil] as [Int?], ["a", "node b=c%\r\n*1\u{e4}", "-.-"])
    func roundTrip(database: Int?, node: String) throws {
        var header = Self.header
        (header.database, header.node, header.transition) = (database, node, database.map { $0 + 1 })
        let prefix = header.encoded
        #expect(prefix.count < SalvageHeader.longest)
        let file = try SalvageFile(prefix: prefix + bytes("*1\r\n"), size: Int64(prefix.count) + 310)
        #expect(file.header == header && file.payloadStart == prefix.count)
        // On one line.
        #expect(prefix.filter { $0 == 10 }.count == (database == nil ? 5 : 10))
    }

    @Test("the failover and the earliest time are words of their own, where they are known")
    func failover() throws {
        var header = Self.header
        (header.epoch, header.writtenAfter) = (4, "2025-11-22T10:09:58.101Z")
        let line = Self.line + " epoch=4 after=2025-11-22T10:09:58.101Z"
        #expect(header.encoded == resp("ECHO", line) + resp("SELECT", "3"))
        let prefix = header.encoded
        #expect(try SalvageFile(prefix: prefix, size: Int64(prefix.count) + 310).header == header)
        #expect(throws: SalvageHeaderError.malformed(.epoch, value: "x")) {
            let wrong = resp("ECHO", line.replacing("epoch=4", with: "epoch=x")) + resp("SELECT", "3")
            return try SalvageFile(prefix: wrong, size: Int64(wrong.count) + 310)
        }
        // A snapshot has nothing but its name.
        let name = SalvageFileName(header)
        #expect(name.snapshot == "\(name)".dropLast(5) + "-p4.rdb")
        #expect(SalvageFileName(snapshot: name.snapshot) == name)
        #expect(SalvageFileName(snapshot: SalvageFileName(Self.header).snapshot) == SalvageFileName(Self.header))
        for other in ["-p", "-4", "-px", "-p-4"] {
            #expect(SalvageFileName(snapshot: "t-n-r-1-2\(other).rdb")?.epoch == nil, "\(other)")
        }
    }

    @Test("one byte more or less is not whole", arguments: [-1, 1, 310, -310] as [Int64])
    func size(difference: Int64) {
        let prefix = Self.header.encoded
        #expect(throws: SalvageHeaderError.wrongSize(expected: 310, found: 310 + difference)) {
            try SalvageFile(prefix: prefix, size: Int64(prefix.count) + 310 + difference)
        }
    }

    @Test("a file that was cut anywhere is not whole")
    func cut() throws {
        let whole = Self.header.encoded + [UInt8](repeating: 10, count: 310)
        for count in 0..<whole.count {
            #expect(throws: SalvageHeaderError.self, "\(count) bytes") {
                try SalvageFile(prefix: Array(whole[..<count]), size: Int64(count))
            }
        }
        _ = try SalvageFile(prefix: whole, size: Int64(whole.count))
    }

    static let bad: [(String, String, SalvageHeaderError)] = [
        ("syncgate-salvage", "something-else", .notASalvageFile),
        ("format=1", "format=2", .unknownFormat("2")),
        ("format=1 ", "", .missing(.format)),
        ("replid=aaaa000000000000000000000000000000000000 ", "", .missing(.replid)),
        ("from=101", "from=101 from=102", .twice(.from)),
        ("from=101", "from=+101", .malformed(.from, value: "+101")),
        ("from=101", "from=-1", .malformed(.from, value: "-1")),
        ("to=411", "to=9223372036854775807", .malformed(.to, value: "9223372036854775807")),
        ("commands=10", "commands=", .malformed(.commands, value: "")),
        ("node=redis-a", "node=", .malformed(.node, value: "")),
        ("node=redis-a", "node=%4", .malformed(.node, value: "%4")),
        ("node=redis-a", "node=%+1", .malformed(.node, value: "%+1")),
        ("node=redis-a", "node=%ff", .malformed(.node, value: "%ff")),
        ("bytes=310", "bytes=311", .contradiction(from: 101, to: 411, bytes: 311)),
        ("to=411", "to=100", .contradiction(from: 101, to: 100, bytes: 310)),
        ("database=3", "database=4", .wrongSelect(database: 4)),
        ("database=3", "database=x", .malformed(.database, value: "x")),
    ]

    @Test("a header that cannot be", arguments: bad)
    func malformed(old: String, new: String, error: SalvageHeaderError) {
        let prefix = resp("ECHO", Self.line.replacing(old, with: new)) + resp("SELECT", "3")
        #expect(throws: error) { try SalvageFile(prefix: prefix, size: Int64(prefix.count) + 310) }
    }

    @Test("words that a later version adds are left alone; another file is none")
    func others() throws {
        let prefix = resp("ECHO", Self.line + " colour=red") + resp("SELECT", "3")
        #expect(try SalvageFile(prefix: prefix, size: Int64(prefix.count) + 310).header == Self.header)
        #expect(throws: SalvageHeaderError.notASalvageFile) { try SalvageFile(prefix: bytes("REDIS0009"), size: 9) }
        #expect(throws: SalvageHeaderError.notASalvageFile) { try SalvageFile(prefix: resp("PING"), size: 14) }
        #expect(throws: SalvageHeaderError.cutOff) { try SalvageFile(prefix: [], size: 0) }
    }

    @Test("30,000 mutated headers: an error or the same numbers, and no trap")
    func fuzz() {
        var random = SeededGenerator(seed: 11)
        let good = Self.header.encoded
        var errors = 0
        for _ in 0..<30_000 {
            var prefix = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                guard let place = prefix.indices.randomElement(using: &random) else { continue }
                prefix[place] = UInt8.random(in: 0...255, using: &random)
            }
            do throws(SalvageHeaderError) {
                let file = try SalvageFile(prefix: prefix, size: Int64(good.count) + 310)
                #expect(file.header.bytes == 310)
            } catch {
                errors += 1
            }
        }
        #expect(errors > 15_000)
    }

    @Test("a name sorts by time, and is taken apart again")
    func names() {
        let name = SalvageFileName(Self.header)
        #expect(
            "\(name)"
                == "20251122T101112.345Z-redis-a-aaaa000000000000000000000000000000000000-101-411.resp")
        #expect(SalvageFileName("\(name)") == name)
        #expect(SalvageFileName("\(name)" + SalvageFileName.partialSuffix) == nil)
        #expect(name.snapshot == "\(name)".dropLast(5) + ".rdb")
        var header = Self.header
        header.node = "../a b/\u{0}"
        #expect("\(SalvageFileName(header))".contains("Z-..%2Fa%20b%2F%00-aaaa"))
        header.node = String(repeating: "n", count: 300)
        #expect("\(SalvageFileName(header))".utf8.count < 255)
    }

    @Test(
        "other names",
        arguments: ["dump.rdb", "a.resp", "1-2-3-4.resp", "t-n-r-5-4.resp", "t-n-r-x-4.resp", "-n-r-1-2.resp"])
    func otherNames(name: String) {
        #expect(SalvageFileName(name) == nil)
    }
}
