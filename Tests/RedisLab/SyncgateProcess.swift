import Foundation
import Synchronization

/// One run of the `syncgate` command as a process of its own, as an operator's script would start it.
public final class SyncgateProcess: Sendable {
    /// What came of it.
    public struct Outcome: Sendable {
        /// The exit code; the signal's number where one killed it.
        public var exitCode: Int32
        /// Standard output.
        public var output: String
        /// Standard error.
        public var errors: String
        /// From start to end.
        public var duration: Duration

        /// The value at a path of keys of the JSON output, e.g. `evidence.fence`.
        public func json(_ path: String) -> Any? {
            var value = try? JSONSerialization.jsonObject(with: Data(output.utf8))
            for key in path.split(separator: ".") { value = (value as? [String: Any])?[String(key)] }
            return value is NSNull ? nil : value
        }

        /// The `at_ms` of a step of the JSON output.
        public func step(_ name: String) -> Double? {
            let steps = json("steps") as? [[String: Any]]
            return steps?.first { $0["step"] as? String == name }?["at_ms"] as? Double
        }
    }

    private let process: Process
    private let started = ContinuousClock.now
    private let directory: String

    /// The executable under test: `SYNCGATE_BINARY`, or the product of the build that runs the tests.
    public static var executable: String {
        ProcessInfo.processInfo.environment["SYNCGATE_BINARY"] ?? sibling("syncgate")
    }

    /// An executable of the build that this program belongs to.
    public static func sibling(_ name: String) -> String {
        var folder = Bundle.main.executableURL ?? URL(fileURLWithPath: "/")
        while folder.pathComponents.count > 1 {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent(name).path
            if FileManager.default.isExecutableFile(atPath: candidate), !RedisLabFiles.isDirectory(candidate) {
                return candidate
            }
        }
        return "\(RedisVersion.packageRoot)/.build/debug/\(name)"
    }

    /// Starts it. The fence's journal goes to `stateDirectory`, which outlives the run so that a second one finds it.
    public init(_ arguments: [String], environment: [String: String] = [:]) throws {
        directory = try TemporaryDirectory.make()
        process = Process()
        process.executableURL = URL(fileURLWithPath: Self.executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        for name in ["out", "err"] { _ = FileManager.default.createFile(atPath: "\(directory)/\(name)", contents: nil) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: "\(directory)/out")
        process.standardError = FileHandle(forWritingAtPath: "\(directory)/err")
        try process.run()
    }

    /// The process's id.
    public var id: Int32 { process.processIdentifier }

    /// The arguments as `ps` shows them to everybody.
    public var commandLine: String { RedisLabFiles.text("/proc/\(id)/cmdline") }

    /// Sends a signal.
    public func signal(_ number: Int32) { if process.isRunning { Glibc.kill(id, number) } }

    /// What it printed so far.
    public var output: String { RedisLabFiles.text("\(directory)/out") }

    /// Returns when it has ended; kills it after `limit`.
    public func wait(limit: Duration = .seconds(60)) async -> Outcome {
        let end = started + limit
        while process.isRunning {
            if ContinuousClock.now > end { signal(SIGKILL) }
            try? await Task.sleep(for: .milliseconds(1))
        }
        let outcome = Outcome(
            exitCode: process.terminationStatus, output: output, errors: RedisLabFiles.text("\(directory)/err"),
            duration: started.duration(to: .now))
        TemporaryDirectory.remove(directory)
        return outcome
    }

    /// Starts it and waits for its end.
    public static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
        try await SyncgateProcess(arguments, environment: environment).wait()
    }
}

/// Reading small files.
enum RedisLabFiles {
    static func text(_ path: String) -> String {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    static func isDirectory(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }
}
