import Foundation
public import RedisLab

/// `syncgate vrrp` on a leaf: the executable under test, as a process of its own.
public final class SyncgateRouter: Sendable {
    /// What it is started with.
    public struct Settings: Sendable {
        /// `--version`.
        public var version = 3
        /// `--vrid`.
        public var virtualRouterID = "51"
        /// `--priority`.
        public var priority = 100
        /// `--interval`.
        public var interval = "1s"
        /// `--address`.
        public var addresses = ["198.51.100.100/24"]
        /// What the file of `--auth-pass-file` holds; nil for no authentication.
        public var password: String?
        /// `--peer`; empty for multicast.
        public var peers: [String] = []
        /// Without `--no-preempt`.
        public var preempts = true
        /// `--real-time`.
        public var isRealTime = false
        /// Further arguments.
        public var more: [String] = []

        /// Version 3 for 198.51.100.100, VRID 51.
        public init() {}
    }

    /// One line of its output.
    public struct Event: Sendable {
        /// `at`.
        public var time: WallTime
        /// `event`, such as `transition`.
        public var name: String
        /// All fields as text.
        public var fields: [String: String]
    }

    /// The process.
    public let process: ChildProcess
    private let files: (output: String, errors: String)

    /// Starts it, and returns when it has said its first word.
    public init(
        _ lab: NetworkLab, on leaf: NetworkLab.Leaf, _ settings: Settings, as user: NetworkLab.User = .root,
        isReady: Bool = true
    ) async throws {
        files = (lab.file("syncgate.jsonl"), lab.file("syncgate.err"))
        var arguments = [
            "vrrp", "--interface", "eth0", "--vrid", settings.virtualRouterID, "--priority", "\(settings.priority)",
            "--version", "\(settings.version)", "--interval", settings.interval, "--format", "json",
        ]
        for address in settings.addresses { arguments += ["--address", address] }
        for peer in settings.peers { arguments += ["--peer", peer] }
        if !settings.preempts { arguments.append("--no-preempt") }
        if settings.isRealTime { arguments.append("--real-time") }
        if let password = settings.password {
            let path = lab.file("password")
            try password.write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, 0o600)
            arguments += ["--auth-pass-file", path]
        }
        process = try await lab.start(
            [SyncgateProcess.executable] + arguments + settings.more, in: leaf, as: user, log: files.output,
            errors: files.errors)
        if isReady {
            try await waitUntil("syncgate vrrp starts: \(errors)") {
                if !process.isRunning { throw LabError.command("syncgate vrrp", output: errors + output) }
                return output.contains("\n")
            }
        }
    }

    /// What it printed so far.
    public var output: String { LabTool.text(files.output) }
    /// What it wrote to standard error so far.
    public var errors: String { LabTool.text(files.errors) }

    /// Its lines so far; what is not JSON is left out.
    public var events: [Event] {
        output.split(separator: "\n").compactMap { line in
            guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                let name = object["event"] as? String, let text = object["at"] as? String, let time = WallTime(text)
            else { return nil }
            return Event(time: time, name: name, fields: object.compactMapValues { "\($0)" })
        }
    }

    /// The states it came to, in their order, such as `["backup", "active"]`.
    public var states: [String] { events.compactMap { $0.name == "transition" ? $0.fields["to"] : nil } }

    /// The lines that find fault with packets.
    public var complaints: [String] {
        events.filter { ["rejected", "discrepancy"].contains($0.name) }.map { "\($0.fields)" }
    }

    /// Waits until it is in a state.
    public func wait(for state: String, within limit: Duration = .seconds(10)) async throws {
        try await waitUntil("syncgate is \(state); it was \(states) \(errors)", within: limit) {
            states.last == state
        }
    }

    /// Ends it as an operator does (SIGTERM), and returns its exit code.
    @discardableResult
    public func stop() async -> Int32? {
        process.signal(SIGTERM)
        await process.waitForExit()
        return process.exitCode
    }

    /// Ends it as a power cut does.
    public func kill() async {
        process.signal(SIGKILL)
        await process.waitForExit()
    }
}
