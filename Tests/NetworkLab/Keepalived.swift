import Foundation
import Glibc
import RedisLab

/// A real keepalived on a leaf, VRRP alone, with its files in the lab's directory.
public final class Keepalived: Sendable {
    /// One `vrrp_instance`.
    public struct Instance: Sendable {
        /// `version`: 2 or 3.
        public var version = 3
        /// `virtual_router_id`.
        public var virtualRouterID = 51
        /// `priority`.
        public var priority = 100
        /// `advert_int`, as it stands in the file: seconds.
        public var interval = "1"
        /// `virtual_ipaddress`.
        public var addresses = ["198.51.100.100/24"]
        /// `auth_pass`; nil for no authentication.
        public var password: String?
        /// `unicast_peer`; empty for multicast.
        public var peers: [String] = []
        /// `state MASTER`: it starts as Active.
        public var startsActive = false
        /// `nopreempt`.
        public var preempts = true
        /// Further lines.
        public var more: [String] = []

        /// An instance of version 3 for 198.51.100.100, VRID 51.
        public init() {}

        func text(name: String, source: String) -> String {
            var lines = [
                "state \(startsActive ? "MASTER" : "BACKUP")", "interface eth0", "version \(version)",
                "virtual_router_id \(virtualRouterID)", "priority \(priority)", "advert_int \(interval)",
            ]
            if let password { lines.append("authentication {\n auth_type PASS\n auth_pass \(password)\n }") }
            if !peers.isEmpty {
                lines.append("unicast_src_ip \(source)")
                lines.append("unicast_peer {\n \(peers.joined(separator: "\n "))\n }")
            }
            if !preempts { lines.append("nopreempt") }
            lines.append("virtual_ipaddress {\n \(addresses.joined(separator: "\n "))\n }")
            return "vrrp_instance \(name) {\n " + (lines + more).joined(separator: "\n ") + "\n}\n"
        }
    }

    /// Why there is none on this machine; nil where there is.
    public static let whyUnavailable: String? =
        LabTool.find("keepalived") == nil ? "keepalived is missing (scripts/setup test installs it)" : nil
    /// Whether a lab and keepalived are there.
    public static var isAvailable: Bool { NetworkLab.isAvailable && whyUnavailable == nil }

    private let parent: ChildProcess
    private let files: (log: String, pid: String)

    /// Starts one and returns when it has read its configuration. `global` are lines of `global_defs`; `before` is what
    /// instances refer to, such as `vrrp_script`.
    public init(
        _ lab: NetworkLab, on leaf: NetworkLab.Leaf, _ instances: [Instance], global: [String] = [],
        before: String = ""
    ) async throws {
        let configuration = lab.file("keepalived.conf")
        files = (lab.file("keepalived.log"), lab.file("keepalived.pid"))
        var text = "global_defs {\n \(global.joined(separator: "\n "))\n}\n" + before
        for (number, instance) in instances.enumerated() {
            let isIPv6 = instance.addresses.first?.contains(":") ?? false
            text += instance.text(name: "r\(number + 1)", source: isIPv6 ? leaf.linkLocal : leaf.ipv4)
        }
        try text.write(toFile: configuration, atomically: false, encoding: .utf8)
        // keepalived refuses a configuration that others may write.
        chmod(configuration, 0o600)
        let command = try [
            LabTool.path("keepalived"), "--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--vrrp",
            "--dont-respawn", "--use-file", configuration, "--pid", "\(files.pid).parent", "--vrrp_pid", files.pid,
        ]
        parent = try await lab.start(command, in: leaf, log: files.log)
        let (parent, log) = (parent, files.log)
        try await waitUntil("keepalived starts: \(LabTool.text(log))") {
            if !parent.isRunning { throw LabError.command("keepalived", output: LabTool.text(log)) }
            return LabTool.text(log).contains("Startup complete")
        }
    }

    /// Starts one with a single instance.
    public convenience init(_ lab: NetworkLab, on leaf: NetworkLab.Leaf, _ instance: Instance) async throws {
        try await self.init(lab, on: leaf, [instance])
    }

    /// Everything that it logged.
    public var log: String { LabTool.text(files.log) }

    /// The states that it logged for its instances, in their order, such as `["BACKUP", "MASTER"]`.
    public var states: [String] {
        log.split(separator: "\n").compactMap { line in
            guard let range = line.range(of: "Entering ") else { return nil }
            return line[range.upperBound...].split(separator: " ").first.map(String.init)
        }
    }

    /// The lines of the log that find fault with a packet, a configuration or an address.
    public var complaints: [String] { Self.complaints(in: log) }

    static func complaints(in log: String) -> [String] {
        let words = [
            "checksum", "invalid", "mismatch", "expect", "wrong", "incorrect", "unexpected", "too short", "too long",
            "not present",
            "not a unicast peer", "not in range", "Cant send", "send advert error", "same IP address",
            "with our IP address",
            "CONFIGURATION ERROR", "IPSEC", "AH header", "should be link local", "must be link local", "Bad",
            "discarding packet",
            "already processed", "Error", "error", "fail", "Unknown", "unknown",
        ]
        return log.split(separator: "\n").filter { line in words.contains { line.contains($0) } }.map(String.init)
    }

    /// The process that was started, and watches the other.
    public var parentID: Int32 { parent.id }
    /// The process that speaks VRRP: a child of the one that was started.
    public var processID: Int32? {
        Int32(LabTool.text(files.pid).trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// Ends it as an operator does (SIGTERM): it sends priority 0 and removes its addresses.
    public func stop() async {
        parent.signal(SIGTERM)
        await parent.waitForExit()
    }

    /// Ends it as a power cut does: it sends nothing more. Its addresses stay.
    ///
    /// The process that speaks VRRP dies first, and its parent is held meanwhile: when the parent dies, the kernel sends
    /// SIGTERM to the child, and that would still send priority 0.
    public func kill() async {
        parent.signal(SIGSTOP)
        signal(SIGKILL)
        parent.signal(SIGKILL)
        await parent.waitForExit()
    }

    /// Sends a signal to the process that speaks VRRP (SIGSTOP, SIGCONT …).
    public func signal(_ number: Int32) {
        // Its parent is held or alive, and reaps it only when it runs: the id is still its own.
        if let id = processID, parent.isRunning { _ = Glibc.kill(id, number) }
    }
}
