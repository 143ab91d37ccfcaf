import Foundation
import NetworkLab
import RedisLab
import Synchronization

/// keepalived with scripts that promote and demote Redis.
struct KeepalivedContender: Contender {
    /// How it is set up; docs/benchmark-failover.md says why.
    enum Style: Sendable {
        /// As the articles have it: VRRP v2 with 1 s, a check every 2 s, `SLAVEOF peer; sleep 10; SLAVEOF NO ONE`.
        case classic
        /// VRRP v3 with 100 ms, Redis asked every 100 ms, and no sleeps.
        case tuned
    }

    let pair: PairLab
    private let style: Style
    private let keepalived: [Keepalived]
    private let watchers: [ChildProcess]
    private let directories: [String]
    var target: LabWriter.Target { .address(pair.endpoint) }
    var log: String {
        keepalived.map { "---- keepalived\n\($0.log)" }.joined()
            + directories.map { (try? String(contentsOfFile: "\($0)/log", encoding: .utf8)) ?? "" }.joined()
    }

    init(_ pair: PairLab, _ style: Style) async throws {
        (self.pair, self.style) = (pair, style)
        try await pair[2].redis.follow(pair[1].leaf)
        var (keepalived, watchers, directories): ([Keepalived], [ChildProcess], [String]) = ([], [], [])
        for node in pair.nodes {
            let directory = pair.lab.file("scripts\(node.leaf.number)")
            directories.append(directory)
            try Self.writeScripts(style, directory, peer: pair.peer(of: node).leaf.ipv4)
            if style == .tuned {
                watchers.append(
                    try await pair.lab.start(["/bin/sh", "\(directory)/watch"], in: node.leaf, log: "\(directory)/log"))
            }
            var instance = Keepalived.Instance()
            instance.priority = node.leaf.number == 1 ? 110 : 100
            instance.preempts = false
            instance.addresses = pair.settings.daemon.routers[0].addresses
            (instance.version, instance.interval) = style == .classic ? (2, "1") : (3, "0.1")
            instance.more = Self.notifications(directory)
            instance.more += style == .classic ? ["track_script {\n redis\n }"] : ["track_file {\n redis weight 0\n }"]
            keepalived.append(
                try await Keepalived(
                    pair.lab, on: node.leaf, [instance], global: ["script_user root"],
                    before: Self.tracking(style, directory)))
            if node.leaf.number == 1 {
                let first = keepalived[0]
                try await waitUntil("keepalived is MASTER: \(first.log)", within: .seconds(20)) {
                    first.states.last == "MASTER"
                }
            }
        }
        (self.keepalived, self.watchers, self.directories) = (keepalived, watchers, directories)
        try await pair.waitUntilServing(pair[1])
        // From now on the scripts do what they are there for: at the start, the classic one would let 15 s pass.
        try await Task.sleep(for: .milliseconds(300))
        for directory in directories { try "".write(toFile: "\(directory)/armed", atomically: true, encoding: .utf8) }
    }

    private static func notifications(_ directory: String) -> [String] {
        ["master", "backup", "fault", "stop"].map { "notify_\($0) \"\(directory)/\($0)\"" }
    }

    private static func tracking(_ style: Style, _ directory: String) -> String {
        switch style {
        case .classic: "vrrp_script redis {\n script \"\(directory)/check\"\n interval 2\n timeout 2\n}\n"
        case .tuned: "track_file redis {\n file \"\(directory)/state\"\n init_file 0\n}\n"
        }
    }

    private static func writeScripts(_ style: Style, _ directory: String, peer: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let follow = "redis-cli SLAVEOF \(peer) 6379"
        let rule = "redis-cli SLAVEOF NO ONE"
        let bodies: [(String, String)] =
            switch style {
            case .classic:
                [
                    ("master", "\(follow)\nsleep 10\n\(rule)"), ("backup", "sleep 15\n\(follow)"), ("fault", "true"),
                    ("stop", "true"),
                ]
            case .tuned:
                [("master", rule), ("backup", follow), ("fault", "true"), ("stop", "timeout 1 \(follow)")]
            }
        for (name, body) in bodies {
            let guardian = "[ -e \(directory)/armed ] || exit 0\nexec >>\(directory)/log 2>&1\necho \(name)\n"
            try script("\(directory)/\(name)", guardian + body)
        }
        try script("\(directory)/check", "[ \"$(redis-cli ping)\" = PONG ]")
        try script(
            "\(directory)/watch",
            """
            last=0
            while :; do
                if [ "$(timeout 0.5 redis-cli ping 2>/dev/null)" = PONG ]; then now=0; else now=1; fi
                [ $now = $last ] || echo $now >\(directory)/state
                last=$now
                sleep 0.1
            done
            """)
    }

    private static func script(_ path: String, _ body: String) throws {
        try "#!/bin/sh\n\(body)\n".write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o700)
    }

    func kill(on node: PairLab.Node) async throws {
        await keepalived[node.leaf.number - 1].kill()
    }

    func switchover() async throws {
        let first = keepalived[0]
        Task.detached { await first.stop() }
    }

    func isOver() async throws -> Bool {
        guard try await pair.lab.holds(pair[2].leaf, pair.address) else { return false }
        return try await pair[2].redis.info()["role"] == "master"
    }

    func processes(on node: PairLab.Node) -> [Int32] {
        let keepalived = keepalived[node.leaf.number - 1]
        let watcher = style == .tuned ? [watchers[node.leaf.number - 1].id] : []
        return [keepalived.processID ?? 0, keepalived.parentID] + watcher
    }
}
