import Foundation
public import RedisLab
import Synchronization

/// A segment of its own: leaves with one interface `eth0` each, on a bridge, all in network namespaces.
///
/// Leaf N has 198.51.100.N/24, 2001:db8::N/64 and fe80::N, usable at once (no duplicate address detection), and the MAC
/// address 02:53:47:00:00:N. The namespaces are named `sgPID.LAB-nodeN` and `sgPID.LAB-bridge`. Use `withNetworkLab`,
/// which removes everything; what a test process left behind that died is removed by the next lab.
public final class NetworkLab: Sendable {
    /// A machine on the segment.
    public struct Leaf: Sendable, Hashable {
        /// 1, 2 …
        public let number: Int
        /// The name of its network namespace.
        public let namespace: String

        /// For its addresses alone.
        public init(number: Int, namespace: String = "") {
            self.number = number
            self.namespace = namespace
        }

        /// 198.51.100.N.
        public var ipv4: String { "198.51.100.\(number)" }
        /// 2001:db8::N.
        public var ipv6: String { "2001:db8::\(String(number, radix: 16))" }
        /// fe80::N.
        public var linkLocal: String { "fe80::\(String(number, radix: 16))" }
        /// The MAC address of its eth0.
        public var mac: String { "02:53:47:00:00:" + (number < 16 ? "0" : "") + String(number, radix: 16) }
        /// Its port of the bridge.
        var port: String { "port\(number)" }
    }

    /// The machines, by number from 1.
    public let leaves: [Leaf]
    /// For files of those who use the lab; removed with it.
    public let directory: String
    let bridge: String
    private let children: Mutex<[ChildProcess]> = Mutex([])
    /// Processes that hold the user namespaces of surrendered leaves, by the name of the network namespace.
    let holders: Mutex<[String: ChildProcess]> = Mutex([:])

    /// Why there can be no lab on this machine; nil where there can.
    public static let whyUnavailable: String? = {
        for name in ["ip", "bridge", "nsenter", "setpriv", "unshare", "tcpdump"] where LabTool.find(name) == nil {
            return "no network lab: \(name) is missing (scripts/setup test installs it)"
        }
        let probe = Process()
        probe.executableURL = URL(filePath: LabTool.find("unshare") ?? "unshare")
        probe.arguments = ["--net", "--mount", LabTool.find("ip") ?? "ip", "link", "add", "sg0", "type", "bridge"]
        probe.standardError = FileHandle.nullDevice
        do { try probe.run() } catch { return "no network lab: \(error)" }
        probe.waitUntilExit()
        return probe.terminationStatus == 0 ? nil : "no network lab: network namespaces need root (or CAP_SYS_ADMIN)"
    }()
    /// Whether there can be a lab.
    public static var isAvailable: Bool { whyUnavailable == nil }

    private static let count = Atomic(0)
    private static let prefix = "sg"

    /// Builds one with leaves 1...`leaves`.
    public init(leaves: Int) async throws {
        try await Self.sweep()
        let name = "\(Self.prefix)\(getpid()).\(Self.count.add(1, ordering: .relaxed).newValue)"
        bridge = "\(name)-bridge"
        self.leaves = (1...leaves).map { Leaf(number: $0, namespace: "\(name)-node\($0)") }
        directory = try TemporaryDirectory.make()
        do { try await build() } catch {
            await remove()
            throw error
        }
    }

    private func build() async throws {
        let namespaces = [bridge] + leaves.map(\.namespace)
        try await ip(["-batch"], input: namespaces.map { "netns add \($0)\n" }.joined())
        try await ip(
            ["-n", bridge, "-batch"],
            input: "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set br0 up\n")
        for leaf in leaves { try await plug(leaf) }
    }

    /// Removes namespaces of test processes that no longer live.
    private static func sweep() async throws {
        // A missing folder means that nobody ever made a namespace here.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
        for name in names where name.hasPrefix(prefix) {
            let digits = name.dropFirst(prefix.count).prefix { $0.isNumber }
            guard let owner = Int32(digits), name.dropFirst(prefix.count + digits.count).hasPrefix("."),
                kill(owner, 0) != 0, errno == ESRCH
            else { continue }
            // Two processes may sweep at once; then one of them finds nothing.
            _ = try? await LabTool.run("ip", ["netns", "del", name])
        }
    }

    /// Ends everything that runs in the lab, and removes it.
    public func remove() async {
        for child in children.withLock({ $0 }) { child.signal(SIGKILL) }
        for namespace in [bridge] + leaves.map(\.namespace) {
            // What is missing here was never built. All processes in there are ours: the namespace is.
            let processes = (try? await LabTool.run("ip", ["netns", "pids", namespace])) ?? ""
            for id in processes.split(separator: "\n").compactMap({ Int32($0) }) { kill(id, SIGKILL) }
            _ = try? await LabTool.run("ip", ["netns", "del", namespace])
        }
        for child in children.withLock({ $0 }) {
            // One that somebody started meanwhile.
            child.signal(SIGKILL)
            await child.waitForExit()
        }
        TemporaryDirectory.remove(directory)
    }

    /// The leaf of that number.
    public subscript(number: Int) -> Leaf { leaves[number - 1] }

    /// Runs `ip`.
    @discardableResult
    func ip(_ arguments: [String], input: String? = nil) async throws -> String {
        try await LabTool.run("ip", arguments, input: input)
    }

    /// Runs a program in a namespace to its end and returns what it printed.
    @discardableResult
    public func run(_ command: [String], in leaf: Leaf) async throws -> String {
        try await LabTool.run("ip", ["netns", "exec", leaf.namespace] + command)
    }

    /// Whose rights a program has.
    public enum User: Sendable {
        case root
        /// Nobody, with CAP_NET_RAW and CAP_NET_ADMIN and nothing else.
        case nobody

        /// Nobody's number, and its group's.
        public static let nobodyID: UInt32 = 65534
    }

    /// Starts a program on a leaf; the process is the program's own. It is killed with the lab at the latest.
    public func start(
        _ command: [String], in leaf: Leaf, as user: User = .root, log: String, errors: String? = nil
    ) async throws -> ChildProcess {
        try await start(command, namespace: leaf.namespace, as: user, log: log, errors: errors)
    }

    func start(
        _ command: [String], namespace: String, as user: User = .root, log: String, errors: String? = nil
    ) async throws -> ChildProcess {
        if let holder = holders.withLock({ $0[namespace] }) {
            return try await start(command, inNamespacesOf: holder, log: log, errors: errors)
        }
        var arguments = ["netns", "exec", namespace]
        if user == .nobody {
            // The guardian before `ip` is forgotten when the user changes.
            let capabilities = "-all,+net_raw,+net_admin"
            arguments += [
                try LabTool.path("setpriv"), "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps",
                capabilities, "--ambient-caps", capabilities, "--bounding-set", capabilities, "--no-new-privs",
                "--pdeathsig", "KILL",
            ]
        }
        let child = try await ChildProcess.start(
            path: LabTool.path("ip"), arguments: arguments + command, log: log, errors: errors)
        adopt(child)
        return child
    }

    func adopt(_ child: ChildProcess) { children.withLock { $0.append(child) } }

    private let files = Atomic(0)
    /// A path in `directory` that is not used yet.
    public func file(_ name: String) -> String {
        "\(directory)/\(files.add(1, ordering: .relaxed).newValue)-\(name)"
    }
}

/// Builds a lab, runs `body`, and removes the lab whatever happens in it.
public func withNetworkLab<Value: Sendable>(
    leaves: Int, isolation: isolated (any Actor)? = #isolation, _ body: (NetworkLab) async throws -> Value
) async throws -> Value {
    let lab = try await NetworkLab(leaves: leaves)
    do {
        let value = try await body(lab)
        await lab.remove()
        return value
    } catch {
        await lab.remove()
        throw error
    }
}
