import Foundation
import Glibc
import RedisLab

/// Clients that write to one place, from a process of their own on a leaf, and note each write that is acknowledged.
public final class LabWriter: Sendable {
    /// Where they write to.
    public enum Target: Sendable {
        /// An address with its port.
        case address(String)
        /// The master that these Sentinels name.
        case sentinels([String])

        var arguments: [String] {
            switch self {
            case .address(let text): ["--to", text]
            case .sentinels(let list): ["--sentinels", list.joined(separator: ",")]
            }
        }
    }

    /// What one connection writes, and in which database.
    public struct Work: Sendable, Hashable {
        /// How a write is done.
        public enum Kind: String, Sendable {
            /// `SET` of a key of its own.
            case set
            /// `RPUSH` of its number to the connection's list.
            case push
            /// `INCR` of the connection's counter.
            case incr
        }

        /// How.
        public var kind: Kind
        /// Where.
        public var database: Int

        /// Makes one.
        public init(_ kind: Kind, database: Int = 0) { (self.kind, self.database) = (kind, database) }
    }

    /// What a connection noted of its writes.
    public struct Notes: Sendable {
        /// `SET`: its keys are `NAME:NUMBER`. Else the name of its list or counter.
        public var name: String
        /// What it wrote.
        public var work: Work
        /// The numbers of its acknowledged writes.
        public var acked: [UInt32] = []
        /// Those that were sent and not answered: they may have been done, or be done later.
        public var unanswered: [UInt32] = []

        /// One that has noted nothing yet.
        public init(name: String, work: Work) { (self.name, self.work) = (name, work) }
    }

    /// How they write.
    public struct Settings: Sendable {
        /// Connections, each with one write after another.
        public var connections = 4
        /// What each connection writes; empty: keys in database 0.
        public var plan: [Work] = []
        /// Writes in a second, of all connections together; nil: as fast as it goes.
        public var rate: Int?
        /// For connecting.
        public var connectTimeout = Duration.milliseconds(50)
        /// For an answer.
        public var timeout = Duration.milliseconds(250)

        /// Four connections at full speed, as of a well configured pool.
        public init() {}
    }

    /// What became of their writes.
    public struct Account: Sendable {
        /// Acknowledged writes.
        public var acked: Int
        /// Of these, those that the server lacks which the clients reach at the end; nil where they reach none.
        public var lost: Int?
        /// The longest time without an acknowledgement, if it ended after the event; nil where there was none after it.
        public var gap: Duration?
        /// From the event to the end of that gap.
        public var recovered: Duration?
        /// Errors by kind.
        public var errors: [String: Int]
    }

    static var executable: String { SyncgateProcess.sibling("syncgate-lab-client") }

    private let lab: NetworkLab
    private let leaf: NetworkLab.Leaf
    private let target: Target
    private let child: ChildProcess
    private let files: (acks: String, status: String, log: String)
    private let prefix: String
    private let plan: [Work]

    /// Starts them, and returns at once.
    public init(_ lab: NetworkLab, on leaf: NetworkLab.Leaf, to target: Target, _ settings: Settings = .init())
        async throws
    {
        (self.lab, self.leaf, self.target) = (lab, leaf, target)
        plan = settings.plan.isEmpty ? Array(repeating: Work(.set), count: settings.connections) : settings.plan
        files = (lab.file("acks"), lab.file("status"), lab.file("writer.log"))
        prefix = "w\(files.acks.split(separator: "/").last?.prefix { $0 != "-" } ?? "")"
        var arguments =
            target.arguments + [
                "--acks", files.acks, "--status", files.status, "--prefix", prefix, "--plan",
                plan.map { "\($0.kind.rawValue):\($0.database)" }.joined(separator: ","),
                "--connect-timeout-ms", "\(Int(settings.connectTimeout / .milliseconds(1)))", "--timeout-ms",
                "\(Int(settings.timeout / .milliseconds(1)))",
            ]
        if let rate = settings.rate { arguments += ["--rate", "\(rate)"] }
        child = try await lab.start([Self.executable, "write"] + arguments, in: leaf, log: files.log)
    }

    /// Writes acknowledged so far, as of 50 ms ago; and when the last one was.
    public var progress: (count: Int, last: WallTime) {
        let words = LabTool.text(files.status).split(whereSeparator: \.isWhitespace).compactMap { Int64($0) }
        return words.count == 3 ? (Int(words[0]), WallTime(nanoseconds: words[1])) : (0, WallTime(nanoseconds: 0))
    }

    /// Waits until so many more writes were acknowledged.
    public func wait(for more: Int = 200, within limit: Duration = .seconds(20)) async throws {
        let goal = progress.count + more
        try await waitUntil("\(more) more writes: \(LabTool.text(files.log))", within: limit, pause: .milliseconds(20))
        {
            progress.count >= goal
        }
    }

    /// Waits until a write was acknowledged that is later than `time`.
    public func wait(since time: WallTime, within limit: Duration = .seconds(20)) async throws {
        try await waitUntil("a write: \(LabTool.text(files.log))", within: limit, pause: .milliseconds(20)) {
            progress.last > time
        }
    }

    /// Ends them and returns what each connection noted.
    public func notes() async throws -> [Notes] {
        try await end()
        var notes = plan.enumerated().map { Notes(name: "\(prefix):\($0)", work: $1) }
        try Self.read(files.acks) { notes[$0].acked.append($1) }
        try Self.read(files.acks + ".unanswered") { notes[$0].unanswered.append($1) }
        return notes
    }

    /// Records of 16 bytes: connection, number, and a time.
    private static func read(_ path: String, _ body: (Int, UInt32) -> Void) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        data.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: 16) {
                body(
                    Int(bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self)),
                    bytes.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self))
            }
        }
    }

    private func end() async throws {
        child.signal(SIGTERM)
        await child.waitForExit()
        guard child.exitCode == 0 else { throw LabError.command("the writer", output: LabTool.text(files.log)) }
    }

    /// Ends them and looks every acknowledged write up on the server that they reach, or on `server`.
    public func stop(since event: WallTime? = nil, lookingAt server: LabRedis? = nil) async throws -> Account {
        try await end()
        let place = server.map { ["--unix", $0.socketPath] } ?? target.arguments
        let text = try await lab.run(
            [Self.executable, "check"] + place + [
                "--acks", files.acks, "--prefix", prefix, "--since", "\(event?.nanoseconds ?? 0)",
            ], in: leaf)
        let values = Self.values(text)
        return Account(
            acked: Int(values["acked"] ?? 0), lost: values["lost"].map { Int($0) },
            gap: values["gap"].map { .nanoseconds($0) }, recovered: values["recovered"].map { .nanoseconds($0) },
            errors: Self.values(LabTool.text(files.acks + ".errors")).mapValues { Int($0) })
    }

    private static func values(_ text: String) -> [String: Int64] {
        var values: [String: Int64] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=")
            if parts.count == 2 { values[String(parts[0])] = Int64(parts[1]) }
        }
        return values
    }
}

/// Notes which servers take writes, every 5 ms, by their unix sockets.
public final class MasterWatch: Sendable {
    /// A time for which a server took writes for certain.
    public struct Span: Sendable, Hashable {
        /// Its place in the list.
        public var server: Int
        /// The first answer.
        public var from: WallTime
        /// The last one.
        public var to: WallTime
    }

    private let child: ChildProcess
    private let output: String

    /// Begins.
    public init(_ lab: NetworkLab, on leaf: NetworkLab.Leaf, _ servers: [LabRedis]) async throws {
        output = lab.file("probe")
        let paths = servers.map(\.socketPath).joined(separator: ",")
        child = try await lab.start(
            [LabWriter.executable, "probe", "--unix", paths, "--output", output], in: leaf, log: lab.file("probe.log"))
        try await waitUntil("the probe runs") { access(output, F_OK) == 0 }
    }

    /// Ends it.
    public func stop() async throws -> [Span] {
        child.signal(SIGTERM)
        await child.waitForExit()
        return LabTool.text(output).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ").compactMap { Int64($0) }
            guard words.count == 3 else { return nil }
            return Span(
                server: Int(words[0]), from: WallTime(nanoseconds: words[1]), to: WallTime(nanoseconds: words[2]))
        }
    }

    /// For how long two servers took writes at the same time, all in all: what is certain, to 5 ms at each end.
    public static func overlap(_ spans: [Span]) -> Duration {
        var total = Duration.zero
        for (index, one) in spans.enumerated() {
            for other in spans[(index + 1)...] where other.server != one.server {
                let (start, end) = (max(one.from, other.from), min(one.to, other.to))
                if start < end { total += end - start }
            }
        }
        return total
    }
}
