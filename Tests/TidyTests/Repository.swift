import Foundation

/// The working tree that these tests were built from.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    static func topLevelEntries() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.path)
    }

    static func paths(below folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: folder).path)
            .map { "\(folder)/\($0)" }.sorted()
    }

    /// Read and blanked once, for all tests.
    static let swiftFiles = Result {
        try (paths(below: "Sources") + paths(below: "Tests")).filter { $0.hasSuffix(".swift") }
            .map { SourceFile(path: $0, text: try text($0)) }
    }

    /// What git tracks among `paths`; nil outside of a git work tree.
    static func tracked(_ paths: String...) throws -> [String]? {
        let git = Process()
        git.executableURL = URL(filePath: "/usr/bin/env")
        git.arguments = ["git", "-C", root.path, "ls-files", "--"] + paths
        let output = Pipe()
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        try git.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        git.waitUntilExit()
        return git.terminationStatus == 0 ? text.split(separator: "\n").map(String.init) : nil
    }
}
