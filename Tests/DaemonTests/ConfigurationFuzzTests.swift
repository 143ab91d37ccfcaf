import Daemon
import RedisLab
import Testing

/// Whatever a file holds, it is read or refused, and the process goes on.
struct ConfigurationFuzzTests {
    /// xorshift: the same bytes in each run.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    private static let scraps = [
        "\"", "'", "[", "]", "{", "}", "=", ".", "#", "\n", "\\", "\"\"\"", "'''", "[[", "]]", "\\u0000", "\\uD800",
        "-1",
        "0x7fffffffffffffff", "9223372036854775808", "1e400", "nan", "inf", "1979-05-27T07:32:00Z", "true", "\u{FEFF}",
        "\u{0}", "é", "[[virtual_router]]", "[virtual_router]", "virtual_router = 5", "{ a = { b = [[1]] } }", "255",
        "addresses = [\"::1\"]", String(repeating: "[", count: 300), String(repeating: "{a=", count: 300),
        "\"999999999h\"",
    ]

    private func reference() throws -> String {
        let text = try String(
            contentsOfFile: "\(RedisVersion.packageRoot)/config/syncgate.reference.toml", encoding: .utf8)
        // Every key is there, so that mutations hit values as well as comments.
        return text.replacing(#/(?m)^#([a-z_]+ = )/#) { $0.1 }.replacing(#/(?m)^# e\.g\. ([a-z_]+ = )/#) { $0.1 }
            .split(separator: "\n").filter { !$0.hasPrefix("# ") }.joined(separator: "\n")
    }

    private static func mutated(_ text: String, _ dice: inout Dice) -> String {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &dice) {
            let place = Int.random(in: 0..<bytes.count, using: &dice)
            let end = min(bytes.count, place + Int.random(in: 1...30, using: &dice))
            switch Int.random(in: 0..<6, using: &dice) {
            case 0: bytes.removeSubrange(place..<end)
            case 1: bytes.insert(contentsOf: Array(scraps.randomElement(using: &dice)?.utf8 ?? "".utf8), at: place)
            case 2: bytes.replaceSubrange(place..<end, with: Array(scraps.randomElement(using: &dice)?.utf8 ?? "".utf8))
            case 3: bytes[place] = UInt8.random(in: 0...255, using: &dice)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0..<bytes.count, using: &dice))
            default: swapLines(&bytes, &dice)
            }
            if bytes.isEmpty { bytes = [UInt8(ascii: "x")] }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func swapLines(_ bytes: inout [UInt8], _ dice: inout Dice) {
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.count > 1 else { return }
        lines.swapAt(Int.random(in: 0..<lines.count, using: &dice), Int.random(in: 0..<lines.count, using: &dice))
        bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    @Test(arguments: 1...8)
    func `thousands of damaged references`(seed: Int) throws {
        let reference = try reference()
        var dice = Dice(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15)
        var refused = 0
        for _ in 0..<500 {
            let text = Self.mutated(reference, &dice)
            do throws(ConfigurationError) {
                _ = try ConfigurationFile(
                    text: text, path: "/x/y.toml", surroundings: .init(hostName: "n", variable: { _ in "x" }))
            } catch {
                refused += 1
                #expect(!error.problems.isEmpty)
                let lines = text.utf8.count { $0 == UInt8(ascii: "\n") } + 1
                for problem in error.problems {
                    #expect((1...lines).contains(problem.line ?? 1), "\(problem) of \(lines) lines")
                    #expect(!"\(problem)".contains("\n"), "\(problem)")
                }
            }
        }
        #expect(refused > 100, "the mutations do something")
    }

    @Test func `deep nesting, long lines, no text at all`() {
        let texts = [
            "a = " + String(repeating: "[", count: 100_000), String(repeating: "[a.", count: 100_000),
            "a" + String(repeating: ".a", count: 50_000) + " = 1", String(repeating: "x", count: 500_000),
            "a = \"" + String(repeating: "x", count: 500_000), "\u{FEFF}", "\r\r\r", "=", "[", "[]", "[[]]", "''=''",
            "\"a\\u0001\" = 1", "[virtual_router.local]\n[[virtual_router]]",
        ]
        for text in texts {
            #expect(throws: ConfigurationError.self) {
                _ = try ConfigurationFile(
                    text: text, path: "/x/y.toml", surroundings: .init(hostName: "n", variable: { _ in nil }))
            }
        }
    }
}
