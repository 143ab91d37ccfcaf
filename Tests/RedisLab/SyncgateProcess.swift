import Foundation
import Synchronization

/// One run of the `syncgate` command as a process of its own, as an operator's script would start it.
public final class SyncgateProcess: Sendable {
    /// What came of it.
    public struct Outcome: Sendable {
        /// The exit code; 128 and the signal's number where one killed it.
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

    private let child: ChildProcess
    private let started: ContinuousClock.Instant
    private let directory: String

    private init(_ child: ChildProcess, started: ContinuousClock.Instant, directory: String) {
        (self.child, self.started, self.directory) = (child, started, directory)
    }

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
    public static func start(
        _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> SyncgateProcess {
        let directory = try TemporaryDirectory.make()
        let started = ContinuousClock.now
        let child = try await ChildProcess.start(
            path: executable, arguments: arguments, environment: environment, isGuarded: false,
            log: "\(directory)/out", errors: "\(directory)/err")
        return SyncgateProcess(child, started: started, directory: directory)
    }

    /// The process's id.
    public var id: Int32 { child.id }

    /// The arguments as `ps` shows them to everybody.
    public var commandLine: String { RedisLabFiles.text("/proc/\(id)/cmdline") }

    /// Sends a signal.
    public func signal(_ number: Int32) { child.signal(number) }

    /// What it printed so far.
    public var output: String { RedisLabFiles.text("\(directory)/out") }

    /// Returns when it has ended; kills it after `limit`.
    public func wait(limit: Duration = .seconds(60)) async -> Outcome {
        await child.waitForExit(limit: limit)
        let outcome = Outcome(
            exitCode: child.exitCode ?? -1, output: output, errors: RedisLabFiles.text("\(directory)/err"),
            duration: started.duration(to: .now))
        TemporaryDirectory.remove(directory)
        return outcome
    }

    /// Starts it and waits for its end.
    public static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
        try await start(arguments, environment: environment).wait()
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
