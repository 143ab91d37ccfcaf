import Testing

/// Each rule finds what it is there to find, and nothing in a text that is fine.
@Suite struct RuleTests {
    private func source(_ text: String, at path: String = "Sources/Replication/Sample.swift") -> SourceFile {
        SourceFile(path: path, text: text)
    }

    @Test(arguments: [
        "import Foundation", "import FoundationEssentials", "internal import Glibc", "import NIOCore", "import Logging",
        "@preconcurrency import Dispatch", "public import RedisClient", "import struct CHiredis.redisReader",
    ])
    func `a pure target imports nothing`(line: String) {
        #expect(undeclaredImports(in: source(line)).count == 1)
    }

    @Test func `CHiredis belongs to RedisClient alone`() {
        #expect(undeclaredImports(in: source("import CHiredis", at: "Sources/RedisClient/Sample.swift")) == [])
        #expect(undeclaredImports(in: source("import CHiredis", at: "Sources/Operations/Sample.swift")).count == 1)
    }

    @Test func `a new target needs a line in the import table`() {
        #expect(undeclaredImports(in: source("", at: "Sources/Novel/Sample.swift")).count == 1)
    }

    @Test func `words in comments and strings are no imports`() {
        let text = "// import Foundation\n/* import Glibc */\nlet text = \"\"\"\n    import NIOCore\n    \"\"\"\n"
        #expect(undeclaredImports(in: source(text)) == [])
    }

    @Test(arguments: [
        "struct Box: @unchecked Sendable {}", "nonisolated(unsafe) var count = 0", "let a = try? read()", "try! read()",
        "let b = c as! String", "fatalError(\"never\")", "// TODO: later", "let a = 1  // FIXME", "/// XXX",
    ])
    func `forbidden words are found`(line: String) {
        #expect(forbiddenWords(in: source("import A\n\(line)\n")).count == 1)
    }

    @Test func `forbidden words are fine where they mean nothing`() {
        #expect(forbiddenWords(in: source("// not try? here\nlet text = \"try! \\(a) as! fatalError\"\n")) == [])
        #expect(forbiddenWords(in: source("let canTryAgain = alias ? 1 : 0\n")) == [])
        #expect(forbiddenWords(in: source("try? read()", at: "Tests/RedisClientTests/Sample.swift")) == [])
        #expect(forbiddenWords(in: source("class A: @unchecked  Sendable {}"), excused: ["@uncheckedSendable"]) == [])
    }

    @Test func `long files are found`() {
        let line = "let a = 1\n"
        #expect(tooLongFile(source(String(repeating: line, count: 351)), limit: 350).count == 1)
        #expect(tooLongFile(source(String(repeating: line, count: 350)), limit: 350) == [])
    }

    @Test(arguments: [
        "func long() {", "public init?(\n    a: Int = 1\n) throws {",
        "init<Value>(_ value: Value) where Value: Equatable {",
        "static func == (a: A, b: A) -> Bool {", "func f(body: () -> Void = { }) -> (Int, Int) {", "deinit {",
        "func g() throws(Failure) -> [String: Int] {", "func h(_ text: String = \"}\") { if true { }",
    ])
    func `long functions are found`(head: String) {
        let body = String(repeating: "    let a = \"}\"  // }\n", count: 70)
        #expect(tooLongFunctions(in: source("struct A {\n\(head)\n\(body)}\n}\n"), limit: 70).count == 1)
    }

    @Test func `the length of a function is counted from its declaration to its brace`() {
        let text = """
            protocol P {
                func required(a: Int)
                init(b: Int)
            }
            struct S {
                func one() { let b = "{"; print("\\(b == "}" ? "{" : "")") }
                func three(a: Int) {
                    let other = S.init(b: a)
                }
                var computed: Int { 1 }
            }
            """
        #expect(
            functions(in: blankingCommentsAndStrings(text)) == [
                FunctionExtent(name: "one", line: 6, lineCount: 1),
                FunctionExtent(name: "three", line: 7, lineCount: 3),
            ])
    }

    @Test(arguments: [
        "struct GateManager {}", "final class Helper {}", "enum StringUtils {}", "actor SyncEngine {}",
        "protocol ParseHelper {}",
    ])
    func `empty type names are found`(line: String) {
        #expect(badTypeNames(in: source(line, at: "Tests/RedisLab/Sample.swift")).count == 1)
    }

    @Test func `names that only contain such a word are fine`() {
        #expect(badTypeNames(in: source("struct EngineRoom {}\nlet manager = 1\n")) == [])
    }

    @Test func `deep folders are found`() {
        #expect(tooDeep("Sources/Replication/Parsing/Info.swift").count == 1)
        #expect(tooDeep("Sources/Replication/Info.swift") == [])
    }

    @Test(arguments: [
        "public struct A {}", "    package var a = 1", "// a comment\npublic func f() {}",
        "@inlinable\npublic init() {}",
        "public static func == (a: A, b: A) -> Bool { true }", "@frozen public enum E {}",
        "public private(set) var a = 1",
    ])
    func `undocumented declarations are found`(text: String) {
        #expect(undocumentedDeclarations(in: source("\n\(text)\n")).count == 1)
    }

    @Test func `documented declarations are fine`() {
        let text = """
            public import Replication
            /// A.
            public struct A {
                /// B.
                @inlinable
                public var b: Int { 1 }
                var c = "public struct"
            }
            """
        #expect(undocumentedDeclarations(in: source(text)) == [])
    }

    @Test func `strays and gaps at the top of the tree are found`() {
        let entries = Array(topLevel) + [".git", ".build", ".build-release", ".cache"]
        #expect(misplacedAtTop(entries) == [])
        #expect(misplacedAtTop(entries + ["notes.txt"]) == ["notes.txt: not a part of the tree"])
        #expect(misplacedAtTop(entries.filter { $0 != "LICENSE" }) == ["LICENSE: missing"])
    }

    @Test func `README commands are read from its code blocks`() {
        let readme = "# A\n\nRun `ls`.\n\n```sh\n# first\nscripts/demo    # installs\n$ scripts/test\nother\n```\n"
        #expect(readmeCommands(readme) == ["scripts/demo", "scripts/test"])
        #expect(readmeCommands("scripts/demo\n") == [])
    }
}
