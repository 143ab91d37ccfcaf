import Foundation
import Glibc
public import RedisLab
import Synchronization

/// `syncgate daemon` on a leaf: the executable under test, with a configuration file of its own.
public final class LabDaemon: Sendable {
    /// One `[[virtual_router]]`.
    public struct Router: Sendable {
        /// `name`.
        public var name = "redis"
        /// `vrid`.
        public var virtualRouterID = 51
        /// `addresses`.
        public var addresses = ["198.51.100.100/24"]
        /// `priority`.
        public var priority = 100
        /// `local.url`.
        public var local = "redis://127.0.0.1:6379"
        /// `peer.url`; nil: port 6379 of the other node.
        public var peer: String?
        /// `local.password`; the peer has the same.
        public var password: String?
        /// Further lines, `key = value`.
        public var more: [String] = []

        /// VRID 51, for 198.51.100.100.
        public init() {}

        func text(peer other: NetworkLab.Leaf) -> String {
            let quoted = addresses.map { "\"\($0)\"" }.joined(separator: ", ")
            var lines = [
                "[[virtual_router]]", "name = \"\(name)\"", "vrid = \(virtualRouterID)", "interface = \"eth0\"",
                "addresses = [\(quoted)]", "priority = \(priority)",
            ]
            lines += more + ["[virtual_router.local]", "url = \"\(local)\""]
            if let password { lines.append("password = \"\(password)\"") }
            lines += ["[virtual_router.peer]", "url = \"\(peer ?? "redis://\(other.ipv4):6379")\""]
            return lines.joined(separator: "\n") + "\n"
        }
    }

    /// What it is started with.
    public struct Settings: Sendable {
        /// The virtual routers.
        public var routers = [Router()]
        /// `log.level`.
        public var logLevel = "info"
        /// Further lines at the end of the file.
        public var more: [String] = []

        /// One virtual router.
        public init() {}
    }

    /// Where it runs.
    public let leaf: NetworkLab.Leaf
    private let lab: NetworkLab
    private let directory: String
    private let current = Mutex<ChildProcess?>(nil)

    /// The configuration file.
    public var file: String { "\(directory)/syncgate.toml" }
    /// The control socket.
    public var socketPath: String { "\(directory)/control.sock" }
    /// What it remembers.
    public var stateDirectory: String { "\(directory)/state" }
    /// Where it keeps what an old master held beyond the new one.
    public var salvageDirectory: String { "\(stateDirectory)/salvage" }
    private var logFile: String { "\(directory)/daemon.log" }

    /// Writes the configuration file; does not start it. `peer`: where the other node is.
    public init(
        _ lab: NetworkLab, on leaf: NetworkLab.Leaf, peer: NetworkLab.Leaf, _ settings: Settings = .init()
    ) throws {
        (self.lab, self.leaf) = (lab, leaf)
        directory = lab.file("daemon\(leaf.number)")
        mkdir(directory, 0o755)
        try configure(settings, peer: peer)
    }

    /// Writes the configuration file anew.
    public func configure(_ settings: Settings, peer: NetworkLab.Leaf) throws {
        let head = [
            "node = \"node\(leaf.number)\"", "state_directory = \"\(stateDirectory)\"", "[control]",
            "socket = \"\(socketPath)\"", "[log]", "level = \"\(settings.logLevel)\"",
        ]
        let routers = settings.routers.map { $0.text(peer: peer) }
        let text = (head + routers + settings.more).joined(separator: "\n") + "\n"
        try text.write(toFile: file, atomically: false, encoding: .utf8)
    }

    /// Starts it (again); what it remembers is where it was. Nobody gets what it needs of the lab's directory first.
    public func start(as user: NetworkLab.User = .root) async throws {
        if user == .nobody {
            chmod(lab.directory, 0o711)
            for path in [directory, file] { chown(path, NetworkLab.User.nobodyID, NetworkLab.User.nobodyID) }
        }
        let command = [SyncgateProcess.executable, "daemon", "--config", file]
        let child = try await lab.start(command, in: leaf, as: user, log: logFile)
        current.withLock { $0 = child }
        try await waitUntil("the daemon listens: \(text.suffix(3000))") {
            if !child.isRunning { throw LabError.command("syncgate daemon", output: String(text.suffix(3000))) }
            return try await self.command(["status"]).exitCode == 0
        }
    }

    /// Everything that it logged, over all its lives.
    public var text: String { LabTool.text(logFile) }
    /// Its process; nil before the first start.
    public var process: ChildProcess? { current.withLock { $0 } }

    /// Sends a signal.
    public func signal(_ number: Int32) { process?.signal(number) }

    /// kill -9; returns when it is gone. Its addresses stay for their lifetime.
    public func kill() async {
        process?.signal(SIGKILL)
        await process?.waitForExit()
        // A new one is known by its socket.
        unlink(socketPath)
    }

    /// Ends it as an operator does (SIGTERM), and returns its exit code.
    @discardableResult
    public func stop() async -> Int32? {
        process?.signal(SIGTERM)
        await process?.waitForExit()
        unlink(socketPath)
        return process?.exitCode
    }

    /// Runs a command of the operator with this daemon: `["switchover"]`.
    @discardableResult
    public func command(_ arguments: [String]) async throws -> SyncgateProcess.Outcome {
        try await SyncgateProcess.run(arguments + ["--control", socketPath])
    }
}
