import SeededNumbers
import Testing

@testable import Salvage

@Suite("ReplicationStream: commands, offsets, databases")
struct ReplicationStreamTests {
    /// What Redis 8.2 sends: SELECT before the first write, a PING, a transaction, a value that looks like a protocol.
    static let stream =
        resp("SELECT", "3") + resp("SET", "k", "v") + resp("ping") + resp("MULTI") + resp("INCR", "n")
        + resp("DEL", "k") + resp("EXEC") + bytes("\n") + resp("REPLCONF", "GETACK", "*") + bytes("PING\r\n")
        + resp("SELECT", "0") + resp("SET", "a", "*1\r\n$4\r\nPING\r\n")

    @Test("each command has its offset, length, database and kind")
    func table() {
        let reading = Reading([Self.stream], at: 101)
        #expect(reading.failure == nil)
        #expect(
            reading.commands.map(\.name) == [
                "SELECT", "SET", "PING", "MULTI", "INCR", "DEL", "EXEC", "REPLCONF", "PING", "SELECT", "SET",
            ])
        #expect(reading.commands.map(\.offset) == [101, 124, 151, 165, 180, 201, 221, 236, 273, 279, 302])
        #expect(reading.commands.map(\.length) == [23, 27, 14, 15, 21, 20, 14, 37, 6, 23, 41])
        #expect(reading.commands.map(\.database) == [3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0])
        #expect(
            reading.commands.map(\.isWrite) == [
                false, true, false, false, true, true, false, false, false, false, true,
            ])
        #expect(
            reading.commands.map(\.isInTransaction) == [
                false, false, false, false, true, true, false, false, false, false, false,
            ])
        #expect(reading.commands[0].kind == .select(3))
        #expect(reading.commands[10].arguments == [bytes("SET"), bytes("a"), bytes("*1\r\n$4\r\nPING\r\n")])
        #expect(reading.tally == StreamTally(from: 101, to: 343, writes: 4, bookkeeping: 7, firstDatabase: 3))
        #expect(reading.tally.isWhole && reading.tally.bytes == 242)
    }

    @Test("as measured on Redis 2.8 to 8.2: a PING is 14 bytes, SELECT 23, GETACK 37, a leaked MULTI 15")
    func knownLengths() {
        #expect(resp("PING").count == 14)
        #expect(resp("SELECT", "0").count == 23)
        #expect(resp("REPLCONF", "GETACK", "*").count == 37)
        #expect(resp("MULTI").count == 15)
    }

    @Test("cut in two at every byte, and byte by byte, it is the same")
    func chunks() {
        let whole = Reading([Self.stream])
        for cut in 0...Self.stream.count {
            let reading = Reading([Array(Self.stream[..<cut]), Array(Self.stream[cut...])])
            #expect(reading == whole, "cut at \(cut)")
        }
        #expect(Reading(Self.stream.map { [$0] }) == whole)
        #expect(whole.commands.count == 11)
    }

    @Test("every beginning of it says what it ends with")
    func beginnings() {
        let ends: [Int64] = [1, 24, 51, 65, 135, 136, 173, 179, 202, 243]
        for count in 0...Self.stream.count {
            let tally = Reading([Array(Self.stream[..<count])]).tally
            let end = Int64(count) + 1
            #expect(tally.to == end)
            switch tally.ending {
            case .whole: #expect(ends.contains(end), "\(count) bytes")
            case .midCommand(let at, let bytes):
                #expect(at + bytes == end && ends.contains(at) && !ends.contains(end), "\(count) bytes")
            case .midTransaction(let at, let bytes, _):
                #expect(at == 65 && at + bytes == end && (66...134).contains(end), "\(count) bytes")
            }
        }
    }

    @Test("the database is unknown until somebody says it")
    func database() {
        let set = resp("SET", "k", "v")
        #expect(Reading([set]).commands.map(\.database) == [nil])
        #expect(Reading([set]).tally.firstDatabase == nil)
        #expect(Reading([set], database: 5).tally.firstDatabase == 5)
        let later = Reading([set + resp("select", "2") + set])
        #expect(later.commands.map(\.database) == [nil, 2, 2])
        #expect(later.tally.firstDatabase == nil)
        #expect(Reading([resp("PING") + resp("SELECT", "2") + set], database: 5).tally.firstDatabase == 2)
    }

    @Test("a transaction that does not end is not whole, a leaked MULTI is", arguments: [0, 1, 2])
    func openTransaction(writes: Int) {
        let stream = resp("SET", "k", "v") + resp("MULTI") + (0..<writes).flatMap { _ in resp("INCR", "n") }
        let tally = Reading([stream]).tally
        #expect(tally.ending == .midTransaction(at: 28, bytes: Int64(15 + 21 * writes), writes: Int64(writes)))
        #expect(tally.isWhole == (writes == 0))
    }

    @Test("a stream that begins inside a transaction says so, once")
    func innerBeginning() {
        let reading = Reading([resp("INCR", "n") + resp("EXEC") + resp("DEL", "n")])
        #expect(reading.tally.beganInTransaction && reading.tally.isWhole && reading.tally.writes == 2)
        let twice = Reading([resp("EXEC") + resp("EXEC")])
        #expect(twice.failure == .execWithoutMulti(at: 15))
        #expect(Reading([resp("MULTI") + resp("EXEC") + resp("EXEC")]).failure == .execWithoutMulti(at: 30))
    }

    @Test("an empty argument, one of NULs, one of 100,000 bytes")
    func oddArguments() {
        let long = [UInt8](repeating: 7, count: 100_000)
        let stream = bytes("*4\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\0\0\r\n$100000\r\n") + long + bytes("\r\n")
        let reading = Reading([stream])
        #expect(reading.commands.first?.arguments == [bytes("SET"), [], [0, 0], long])
        #expect(reading.commands.first?.length == 100_038)
    }
}

@Suite("ReplicationStream: bytes that are no stream")
struct ReplicationStreamErrorTests {
    static let table: [(String, ReplicationStreamError)] = [
        ("$5\r\n", .notACommand(byte: 36, at: 1)),
        ("\r\n", .notACommand(byte: 13, at: 1)),
        ("-ERR Can't SYNC\r\n", .notACommand(byte: 45, at: 1)),
        ("+OK\r\n", .notACommand(byte: 43, at: 1)),
        ("PING\r\n\n\0", .notACommand(byte: 0, at: 8)),
        ("*0\r\n", .outOfRange(.argumentCount, value: 0, at: 3)),
        ("*-1\r\n", .notADigit(byte: 45, in: .argumentCount, at: 2)),
        ("*\r\n", .notADigit(byte: 13, in: .argumentCount, at: 2)),
        ("*1x\r\n", .notADigit(byte: 120, in: .argumentCount, at: 3)),
        ("*+1\r\n", .notADigit(byte: 43, in: .argumentCount, at: 2)),
        ("*1\n", .notADigit(byte: 10, in: .argumentCount, at: 3)),
        ("*1\rx", .missingLineEnd(byte: 120, at: 4)),
        ("*1048577\r\n", .outOfRange(.argumentCount, value: 1_048_577, at: 8)),
        ("*99999999999999999999999\r\n", .outOfRange(.argumentCount, value: 9_999_999, at: 8)),
        ("*01\r\n", .notADigit(byte: 49, in: .argumentCount, at: 3)),
        ("*1\r\n$00\r\n", .notADigit(byte: 48, in: .argumentLength, at: 7)),
        ("*1\r\n:1\r\n", .notAnArgument(byte: 58, at: 5)),
        ("*1\r\n$-1\r\n", .notADigit(byte: 45, in: .argumentLength, at: 6)),
        ("*1\r\n$536870913\r\n", .outOfRange(.argumentLength, value: 536_870_913, at: 14)),
        ("*1\r\n$9223372036854775808\r\n", .outOfRange(.argumentLength, value: 922_337_203, at: 14)),
        ("*1\r\n$4\r\nPINGx\n", .missingLineEnd(byte: 120, at: 13)),
        ("*1\r\n$4\r\nPING\rx", .missingLineEnd(byte: 120, at: 14)),
        ("*1\r\n$4\r\nPING\n", .missingLineEnd(byte: 10, at: 13)),
        ("PING\rx\n", .missingLineEnd(byte: 120, at: 6)),
        ("PING \"a\"\r\n", .strangeInlineByte(byte: 34, at: 6)),
        ("PI\u{1}NG\r\n", .strangeInlineByte(byte: 1, at: 3)),
        ("lost3:1\r\n$1\r\n", .inlineWrite(at: 1)),
        ("*1\r\n$6\r\nSELECT\r\n", .badSelect(at: 1)),
        ("*2\r\n$6\r\nselect\r\n$2\r\n-1\r\n", .badSelect(at: 1)),
        ("*2\r\n$6\r\nSELECT\r\n$10\r\n2147483648\r\n", .badSelect(at: 1)),
        ("SELECT x\r\n", .badSelect(at: 1)),
        ("MULTI\r\nMULTI\r\n", .nestedTransaction(at: 8)),
    ]

    @Test("a typed error with the offset, however it is cut", arguments: table)
    func errors(text: String, error: ReplicationStreamError) {
        #expect(Reading([bytes(text)]).failure == error)
        #expect(Reading(bytes(text).map { [$0] }).failure == error)
        #expect("\(error)".contains("offset \(error.offset)"))
        // The commands before it come out first, and the offset goes with them.
        let later = Reading([resp("PING") + bytes(text)])
        #expect(later.commands.map(\.name).first == "PING")
        #expect(later.failure?.offset == error.offset + 14)
    }

    @Test(
        "what can be, but is not all there, is no error",
        arguments: [
            "*1048576\r\n", "*1\r\n$536870912\r\n", "*", "*1", "*1\r", "*1\r\n", "*1\r\n$", "PING", "PING\r",
        ])
    func unfinished(text: String) {
        let reading = Reading([bytes(text)])
        #expect(reading.failure == nil && reading.commands.isEmpty)
        #expect(reading.tally.ending == .midCommand(at: 1, bytes: Int64(text.utf8.count)))
        #expect(!reading.tally.isWhole)
    }

    @Test("an inline command ends at 65,536 bytes")
    func longInline() {
        let most = bytes("P" + String(repeating: " ", count: 65_535))
        #expect(Reading([most]).failure == nil)
        #expect(Reading([most + bytes(" ")]).failure == .inlineTooLong(at: 65_537))
    }

    @Test("the same error again, and no more bytes are taken")
    func latched() {
        var stream = ReplicationStream(at: 1)
        stream.append(bytes("?"))
        for _ in 0..<3 {
            #expect(throws: ReplicationStreamError.notACommand(byte: 63, at: 1)) { try stream.next() }
            stream.append(resp("PING"))
        }
        #expect(stream.offset == 1)
    }

    @Test("an offset that cannot be does not trap", arguments: [Int64.min, -1, .max])
    func offsets(offset: Int64) {
        let reading = Reading([resp("PING")], at: offset)
        #expect(reading.commands.count == 1 && reading.tally.bytes == 14)
    }

    @Test("60,000 mutated streams: no trap, and every error lies inside of what was read")
    func fuzz() {
        var random = SeededGenerator(seed: 5)
        var (errors, whole) = (0, 0)
        for round in 0..<60_000 {
            var stream = ReplicationStreamTests.stream
            for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&stream, &random) }
            let cut = Int.random(in: 0...stream.count, using: &random)
            let reading = Reading([Array(stream[..<cut]), Array(stream[cut...])], at: 1000)
            if round % 20 == 0 { #expect(reading == Reading([stream], at: 1000), "round \(round)") }
            let end = 1000 + Int64(stream.count)
            if let failure = reading.failure {
                errors += 1
                #expect(failure.offset >= 1000 && failure.offset < end, "round \(round): \(failure)")
            } else {
                whole += reading.tally.isWhole ? 1 : 0
                #expect(reading.tally.to == end, "round \(round)")
            }
            let ordered = zip(reading.commands, reading.commands.dropFirst()).allSatisfy {
                $0.offset + $0.length <= $1.offset
            }
            #expect(ordered, "round \(round)")
        }
        #expect(errors > 20_000 && whole > 3_000)
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        guard let place = bytes.indices.randomElement(using: &random) else { return }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[place] = [13, 10, 36, 42, 45, 48, 57, 80].randomElement(using: &random) ?? 0
        case 2: bytes.remove(at: place)
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 4: bytes.removeLast(bytes.count - place)
        default: bytes.insert(contentsOf: bytes[place...].prefix(40), at: place)
        }
    }

    @Test("two million bytes, one at a time, and 60,000 commands in one piece, take linear time")
    func linear() {
        let clock = ContinuousClock()
        let value = [UInt8](repeating: 97, count: 2_000_000)
        let long = bytes("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n") + value + bytes("\r\n")
        var stream = ReplicationStream(at: 1)
        var commands = 0
        let single = clock.measure {
            do throws(ReplicationStreamError) {
                for byte in long {
                    stream.append(CollectionOfOne(byte))
                    while try stream.next() != nil { commands += 1 }
                }
            } catch {
                Issue.record(error)
            }
        }
        let many = (0..<60_000).flatMap { resp("SET", "key:\($0)", "value") }
        let atOnce = clock.measure { #expect(Reading([many]).commands.count == 60_000) }
        #expect(commands == 1)
        // Generous: a quadratic reader would take hours.
        #expect(single < .seconds(60) && atOnce < .seconds(60))
        print("byte by byte: \(long.count) bytes in \(single); at once: \(many.count) bytes in \(atOnce)")
    }

    @Test("what a key's expiry looks like is counted, and a transaction's or several keys' deletion is none")
    func deletions() {
        let tally = Reading([
            resp("DEL", "a") + resp("unlink", "b") + resp("DEL", "a", "b") + resp("MULTI") + resp("DEL", "c")
                + resp("EXEC") + resp("SET", "DEL", "x")
        ]).tally
        #expect(tally.writes == 5 && tally.deletions == 2)
    }
}
