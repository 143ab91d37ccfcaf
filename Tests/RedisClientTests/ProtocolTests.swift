import NIOCore
import RedisClient
import SeededNumbers
import Testing

@Suite("RESP: literal bytes in both directions")
struct ProtocolTests {
    private func encoded(_ arguments: [[UInt8]]) -> [UInt8] {
        var buffer = ByteBuffer()
        CommandEncoder.append(arguments, to: &buffer)
        return Array(buffer.readableBytesView)
    }

    /// What the bytes say, fed in pieces of `step` bytes; the violation comes last.
    private func read(
        _ bytes: [UInt8], step: Int = .max, limits: ReplyLimits = ReplyLimits()
    ) -> (replies: [RedisReply], violation: RedisError?) {
        var reader = RESPReader(limits: limits)
        var replies: [RedisReply] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(step))
            rest = rest.dropFirst(step)
            let violation = piece.withUnsafeBytes { reader.read($0, into: &replies) }
            if let violation { return (replies, violation) }
        }
        return (replies, nil)
    }

    private func reason(_ text: String, limits: ReplyLimits = ReplyLimits()) -> String {
        guard case .protocolViolation(let reason)? = read(Array(text.utf8), limits: limits).violation else { return "" }
        return reason
    }

    @Test("commands: text, empty and binary arguments")
    func commands() {
        #expect(encoded([Array("PING".utf8)]) == Array("*1\r\n$4\r\nPING\r\n".utf8))
        #expect(
            encoded([Array("CONFIG".utf8), Array("SET".utf8), Array("save".utf8), []])
                == Array("*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$4\r\nsave\r\n$0\r\n\r\n".utf8))
        #expect(encoded([[0, 255, 13, 10]]) == Array("*1\r\n$4\r\n".utf8) + [0, 255, 13, 10, 13, 10])
        #expect(encoded([[]]) == Array("*1\r\n$0\r\n\r\n".utf8))
        var buffer = ByteBuffer()
        CommandEncoder.append(["ECHO", "ü"], to: &buffer)
        #expect(Array(buffer.readableBytesView) == Array("*2\r\n$4\r\nECHO\r\n$2\r\nü\r\n".utf8))
    }

    static let stream =
        "+OK\r\n:-9223372036854775808\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n-ERR no\r\n"
        + "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n-LOADING y\r\n*0\r\n"

    static let expected: [RedisReply] = [
        .simpleString("OK"), .integer(.min), .bulk(Array("a\r\nbc".utf8)), .bulk([]), .null, .null,
        .error(RedisServerError(message: "ERR no")),
        .array([
            .integer(1), .array([.bulk([0x78]), .error(RedisServerError(message: "LOADING y"))]), .array([]),
        ]),
    ]

    @Test("replies of every type, in pieces of every size", arguments: [1, 2, 3, 7, 64, 100_000])
    func replies(step: Int) {
        let (replies, violation) = read(Array(Self.stream.utf8), step: step)
        #expect(replies == Self.expected)
        #expect(violation == nil)
    }

    @Test("text repairs what is not UTF-8")
    func text() {
        #expect(RedisReply.bulk([0x61, 0xff]).text == "a\u{fffd}")
        #expect(RedisReply.simpleString("x").text == "x")
        #expect(RedisReply.integer(1).text == nil)
    }

    @Test("replies before a violation are delivered")
    func repliesBeforeViolation() {
        let (replies, violation) = read(Array("+OK\r\n:1\r\nHTTP/1.1 400 Bad Request\r\n".utf8))
        #expect(replies == [.simpleString("OK"), .integer(1)])
        #expect(violation != nil)
    }

    @Test("arrays: announced size, sum of sizes and depth are bounded before anything is allocated")
    func arrays() {
        #expect(reason("*2147483647\r\n").contains("2147483647 elements"))
        #expect(reason("*1048577\r\n") == "an array of 1048577 elements, more than 1048576 in one reply")
        #expect(reason("*1048576\r\n") == "")
        #expect(reason("*9999999999999999999999\r\n") != "")
        // Ten bytes per header must not buy 8 MB each.
        #expect(reason("*1000\r\n" + String(repeating: "*200000\r\n", count: 6)).contains("more than 1048576"))
        #expect(reason(String(repeating: "*1\r\n", count: 7) + ":1\r\n") == "")
        #expect(reason(String(repeating: "*1\r\n", count: 100)) != "")
        // The budget belongs to one reply, not to the connection.
        var limits = ReplyLimits()
        limits.elements = 3
        #expect(reason(String(repeating: "*3\r\n:1\r\n:1\r\n:1\r\n", count: 50), limits: limits) == "")
    }

    @Test("strings and lines: size is bounded")
    func sizes() {
        var limits = ReplyLimits()
        limits.bytes = 1000
        limits.line = 100
        #expect(reason("$2147483647\r\n") == "a string of 2147483647 bytes, more than 67108864")
        #expect(reason("$1001\r\n", limits: limits) == "a string of 1001 bytes, more than 1000")
        #expect(reason("$1000\r\nabc", limits: limits) == "")
        #expect(reason("+" + String(repeating: "x", count: 200), limits: limits) == "a line of more than 100 bytes")
        #expect(reason("*900\r\n" + String(repeating: ":1\r\n", count: 300), limits: limits).contains("1000 bytes"))
        // Many small replies in one read are not one large reply.
        #expect(reason(String(repeating: ":1\r\n", count: 5000), limits: limits) == "")
        #expect(reason(":99999\r", limits: limits) == "")
    }

    @Test("ten thousand mutations of valid replies never trap, and end in replies or a violation")
    func mutations() {
        var random = SeededGenerator(seed: 0x5eed)
        let valid = Array(Self.stream.utf8)
        var violations = 0
        for _ in 0..<10_000 {
            var bytes = valid
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(Array("0123456789$*:+-\r\n".utf8).randomElement(using: &random)!, at: index)
                case 2: if bytes.count > 1 { bytes.remove(at: index) }
                default: bytes.insert(contentsOf: bytes[index..<min(index + 12, bytes.count)], at: index)
                }
            }
            let outcome = read(bytes, step: Int.random(in: 1...200, using: &random))
            if outcome.violation != nil { violations += 1 }
        }
        // Both kinds must have been met, or the mutations mutate nothing.
        #expect((1000..<10_000).contains(violations))
    }
}
