import Foundation
import Glibc
public import RedisClient
public import RedisLab
import Synchronization

/// A Redis server on a leaf, on all of its addresses, with its files in the lab's directory.
///
/// The test talks to it by its unix socket: that works whatever happens to the network.
public final class LabRedis: Sendable {
    /// What it is started with.
    public struct Settings: Sendable {
        /// What it runs.
        public var version = RedisVersion.v7_0
        /// Where it listens.
        public var port = 6379
        /// Includes config/redis-syncgate.conf: it starts read-only.
        public var hasBootFence = true
        /// An append-only file: it has its data again after a restart.
        public var keepsData = false
        /// `requirepass` and `masterauth`.
        public var password: String?
        /// A Sentinel, and no server of data.
        public var isSentinel = false
        /// Further lines of redis.conf.
        public var more: [String] = []

        /// 7.0 with the fragment, on port 6379.
        public init() {}

        func text(directory: String) -> String {
            var lines = ["port \(port)", "dir \(directory)", "unixsocket \(directory)/redis.sock"]
            if isSentinel { return (lines + ["protected-mode no"] + more).joined(separator: "\n") + "\n" }
            lines.append("save \"\"")
            if version > .v2_8 { lines += ["repl-diskless-sync-delay 0", "protected-mode no"] }
            if hasBootFence { lines.append("include \(RedisVersion.packageRoot)/config/redis-syncgate.conf") }
            if keepsData { lines.append("appendonly yes") }
            if let password { lines += ["requirepass \(password)", "masterauth \(password)"] }
            return (lines + more).joined(separator: "\n") + "\n"
        }
    }

    /// Where it runs.
    public let leaf: NetworkLab.Leaf
    /// Its working directory.
    public let directory: String
    /// What it was started with.
    public let settings: Settings
    private let lab: NetworkLab
    private let log: String
    private let current = Mutex<ChildProcess?>(nil)

    /// Starts one and waits until it answers.
    public init(_ lab: NetworkLab, on leaf: NetworkLab.Leaf, _ settings: Settings = .init()) async throws {
        (self.lab, self.leaf, self.settings) = (lab, leaf, settings)
        directory = lab.file("redis\(leaf.number)")
        log = directory + ".log"
        try await start(isReady: true)
    }

    /// Everything that it logged, over all its lives.
    public var text: String { LabTool.text(log) }
    /// Its process; nil before the first start.
    public var process: ChildProcess? { current.withLock { $0 } }
    /// Where its unix socket is.
    public var socketPath: String { "\(directory)/redis.sock" }
    /// For connections of the test.
    public var url: RedisURL { RedisURL(address: .unix(path: socketPath), password: settings.password) }

    /// Starts it (again). `empty`: without anything of its former life. `isReady`: waits until it answers. `others`: for this
    /// life, instead of `settings`.
    public func start(empty: Bool = false, isReady: Bool = true, with others: Settings? = nil) async throws {
        guard let path = settings.version.serverPath else { throw RedisLabError.missing(settings.version) }
        if empty { TemporaryDirectory.remove(directory) }
        mkdir(directory, 0o755)
        let file = "\(directory)/redis.conf"
        try (others ?? settings).text(directory: directory).write(toFile: file, atomically: false, encoding: .utf8)
        let mode = settings.isSentinel ? ["--sentinel"] : []
        let child = try await lab.start([path, file] + mode, in: leaf, log: log)
        current.withLock { $0 = child }
        guard isReady else { return }
        try await waitUntil("Redis answers: \(text.suffix(2000))") {
            if !child.isRunning { throw LabError.command("redis-server", output: String(text.suffix(2000))) }
            return await answers()
        }
    }

    private func answers() async -> Bool {
        do { return try await ask(["PING"]) == .simpleString("PONG") } catch {
            return "\(error)".contains("MASTERDOWN")
        }
    }

    /// kill -9; returns when it is gone.
    public func kill() async {
        process?.signal(SIGKILL)
        await process?.waitForExit()
    }

    /// Sends a signal (SIGSTOP, SIGCONT, SIGTERM).
    public func signal(_ number: Int32) { process?.signal(number) }

    /// Sends one command on a connection of its own.
    @discardableResult
    public func ask(_ command: [String], timeout: Duration = .seconds(5)) async throws -> RedisReply {
        let connection = try await RedisConnection.connect(to: url, timeout: timeout)
        let reply = await connection.pipeline([command], timeout: timeout)[0]
        await connection.close()
        return try reply.get()
    }

    /// Writes one key, as a client on its own host does.
    public func write(_ key: String) async throws(RedisError) {
        let connection = try await RedisConnection.connect(to: url, timeout: .seconds(5))
        let reply = await connection.pipeline([["SET", key, "value"]], timeout: .seconds(5))[0]
        await connection.close()
        _ = try reply.get()
    }

    /// The fields of its INFO.
    public func info() async throws -> [String: String] {
        let connection = try await RedisConnection.connect(to: url, timeout: .seconds(5))
        let text = try await connection.info(timeout: .seconds(5))
        await connection.close()
        var fields: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
        return fields
    }

    /// Writes keys `WORD:0` … with a value each.
    public func fill(_ count: Int, word: String = "key") async throws {
        let connection = try await RedisConnection.connect(to: url, timeout: .seconds(5))
        let commands = (0..<count).map { ["SET", "\(word):\($0)", "value"] }
        for reply in await connection.pipeline(commands, timeout: .seconds(20)) { _ = try reply.get() }
        await connection.close()
    }

    /// How many keys it holds.
    public func size() async throws -> Int64? {
        if case .integer(let count) = try await ask(["DBSIZE"]) { count } else { nil }
    }

    /// Makes it follow another, and waits until the link is up.
    public func follow(_ leaf: NetworkLab.Leaf) async throws {
        try await ask(["SLAVEOF", leaf.ipv4, "\(settings.port)"])
        try await waitUntil("the link is up") { try await info()["master_link_status"] == "up" }
    }
}

/// Starts a server anew as soon as it is seen dead, as a supervisor does.
public final class LabSupervisor: Sendable {
    private let task: Task<Void, any Error>

    /// Watches from now on; `empty`: without its data.
    public init(_ redis: LabRedis, empty: Bool, within pause: Duration = .milliseconds(20)) {
        task = Task.detached {
            while !Task.isCancelled {
                if redis.process?.isRunning == false { try await redis.start(empty: empty, isReady: false) }
                try await Task.sleep(for: pause)
            }
        }
    }

    /// Lets it be.
    public func stop() async {
        task.cancel()
        _ = await task.result
    }
}
