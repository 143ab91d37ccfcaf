import Testing

@testable import Salvage

@Suite("StreamLead: what the bytes before say")
struct StreamLeadTests {
    /// Offsets from 1: SET 1 to 27, SELECT 28, SET 51, MULTI 78, INCR 93, EXEC 114, SET 128, to 155.
    static let stream =
        resp("SET", "a", "1") + resp("SELECT", "3") + resp("SET", "b", "2") + resp("MULTI") + resp("INCR", "n")
        + resp("EXEC") + resp("SET", "c", "3")

    /// The command, or the transaction, that holds the byte; and the database before it.
    private func expected(_ target: Int64) -> StreamLead? {
        switch target {
        case 1..<28: .start(1, nil)
        case 28..<51: .start(28, nil)
        case 51..<78: .start(51, 3)
        case 78..<128: .start(78, 3)
        case 128..<155: .start(128, 3)
        default: target == 155 ? .start(155, 3) : nil
        }
    }

    @Test("for every byte, the beginning of what holds it")
    func every() {
        #expect(Self.stream.count == 154)
        for target in Int64(0)...156 {
            #expect(StreamLead(Self.stream, at: 1, target: target) == expected(target), "\(target)")
        }
    }

    @Test("a lead that is itself cut anywhere")
    func cutLead() {
        for cut in 0..<Self.stream.count {
            let lead = StreamLead(Array(Self.stream[cut...]), at: Int64(cut) + 1, target: 128)
            // The last place to begin is the last SET itself; the SELECT is heard up to its first byte.
            let wanted: StreamLead? = cut > 127 ? nil : .start(128, cut <= 27 ? 3 : nil)
            #expect(lead == wanted, "cut \(cut)")
        }
    }

    @Test("inside a transaction whose beginning is not there, nobody can tell")
    func insideTransaction() {
        let rest = Array(Self.stream[92...])
        #expect(StreamLead(rest, at: 93, target: 93) == nil)
        #expect(StreamLead(rest, at: 93, target: 114) == nil)
        #expect(StreamLead(rest, at: 93, target: 128) == .start(128, nil))
    }

    @Test("values that look like commands do not mislead")
    func values() {
        let inner = "*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n"
        let stream = bytes("x\r\n") + resp("SET", "k", "\n" + inner) + resp("SELECT", "3") + resp("SET", "k", inner)
        let target = Int64(1 + stream.count - resp("SET", "k", inner).count)
        #expect(StreamLead(stream, at: 1, target: target) == .start(target, 3))
        // Only the inner one is there.
        let cut = Array(stream.dropFirst(3 + 20))
        #expect(StreamLead(cut, at: 24, target: target) == .start(target, 3))
    }

    @Test("what does not end with a whole command gives nothing")
    func unfinished() {
        #expect(StreamLead(Self.stream.dropLast(), at: 1, target: 51) == nil)
        #expect(StreamLead([], at: 1, target: 1) == nil)
        #expect(StreamLead(Self.stream, at: .min, target: .min) == nil)
    }

    @Test("hundreds of thousands of false beginnings, and of true ones without an end, are given up")
    func hostile() {
        let stream = bytes(String(repeating: "*\n", count: 200_000))
        #expect(StreamLead(stream, at: 1, target: 400_000) == nil)
        let unfinished = (0..<20_000).flatMap { _ in resp("PING") } + bytes("*1")
        #expect(StreamLead(unfinished, at: 1, target: 280_001) == nil)
    }
}

extension StreamLead {
    /// A literal.
    fileprivate static func start(_ start: Int64, _ database: Int?) -> StreamLead {
        StreamLead(start: start, database: database)
    }
}
