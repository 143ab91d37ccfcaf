import Testing

/// Files that may use a forbidden word: path, word (spaces removed), reason.
private let excusedWords: [(path: String, word: String, reason: String)] = []

/// Files in Sources that may have more than 350 lines: path, reason.
private let excusedLengths: [(path: String, reason: String)] = []

/// The house rules, applied to this very tree. RuleTests shows that each of them can fail.
@Suite struct TidyTests {
    let files: [SourceFile]

    init() throws {
        files = try Repository.swiftFiles.get()
        #expect(files.contains { $0.isSource }, "no sources found: the tidy tests look at the wrong folder")
    }

    @Test func `each target imports only what it may`() {
        #expect(files.flatMap(undeclaredImports) == [])
    }

    @Test func `no forbidden words`() {
        let findings = files.flatMap { file in
            forbiddenWords(in: file, excused: Set(excusedWords.filter { $0.path == file.path }.map(\.word)))
        }
        #expect(findings == [])
    }

    @Test func `files are short`() {
        let excused = Set(excusedLengths.map(\.path))
        let findings = files.flatMap { file in
            tooLongFile(file, limit: file.isSource && !excused.contains(file.path) ? 350 : 600)
        }
        #expect(findings == [])
    }

    @Test func `functions are short`() {
        #expect(files.flatMap { tooLongFunctions(in: $0, limit: 70) } == [])
    }

    @Test func `types are named after what they are`() {
        #expect(files.flatMap(badTypeNames) == [])
    }

    @Test func `public and package declarations are documented`() {
        #expect(files.flatMap(undocumentedDeclarations) == [])
    }

    @Test func `no exception has outlived its reason`() {
        let unused =
            excusedWords.filter { excuse in
                !files.contains { $0.path == excuse.path && $0.code.filter { !$0.isWhitespace }.contains(excuse.word) }
            }.map(\.path)
            + excusedLengths.filter { excuse in
                !files.contains { $0.path == excuse.path && !tooLongFile($0, limit: 350).isEmpty }
            }.map(\.path)
        #expect(unused == [])
    }

    @Test func `folders in Sources are one level deep`() throws {
        #expect(try Repository.paths(below: "Sources").flatMap(tooDeep) == [])
    }

    @Test func `the top of the tree holds what it should`() throws {
        #expect(try misplacedAtTop(Repository.topLevelEntries()) == [])
    }

    @Test func `the README starts with the two commands`() throws {
        #expect(try readmeCommands(Repository.text("README.md")) == ["scripts/demo", "scripts/test"])
    }

    @Test func `Package.resolved is ignored and not tracked`() throws {
        #expect(try Repository.text(".gitignore").split(separator: "\n").contains("Package.resolved"))
        #expect(try Repository.tracked("Package.resolved") ?? [] == [])
    }
}
