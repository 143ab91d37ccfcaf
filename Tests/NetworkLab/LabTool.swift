import Foundation
import RedisLab

/// Programs of the machine that the lab uses.
enum LabTool {
    /// The path of a program; nil where it is missing.
    static func find(_ name: String) -> String? {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"].map { "\($0)/\(name)" }
            .first { access($0, X_OK) == 0 }
    }

    static func path(_ name: String) throws -> String {
        guard let path = find(name) else { throw LabError.noProgram(name) }
        return path
    }

    /// Runs a program to its end, and returns what it printed; `input` is its standard input.
    @discardableResult
    static func run(_ name: String, _ arguments: [String], input: String? = nil) async throws -> String {
        let directory = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(directory) }
        var arguments = arguments
        if let input {
            // No shell and no pipe: `ip -batch FILE` reads its commands there.
            try input.write(toFile: "\(directory)/in", atomically: false, encoding: .utf8)
            arguments.append("\(directory)/in")
        }
        let child = try await ChildProcess.start(
            path: path(name), arguments: arguments, log: "\(directory)/out", errors: "\(directory)/err")
        await child.waitForExit()
        guard child.exitCode == 0 else {
            throw LabError.command(
                ([name] + arguments).joined(separator: " "), output: text("\(directory)/err") + text("\(directory)/out")
            )
        }
        return text("\(directory)/out")
    }

    static func text(_ path: String) -> String {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
