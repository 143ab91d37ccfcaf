import Foundation
import Glibc
import NetworkLab
import RedisLab
import Testing

/// `scripts/lab` as the README has it, by an ordinary user: in namespaces that this user makes.
@Suite(
    .serialized,
    .enabled(if: PairTesting.isAvailable, Comment(rawValue: PairTesting.whyUnavailable ?? "")))
struct LabScriptTests {
    @Test(.timeLimit(.minutes(1)))
    func `up, Redis killed, status, down: as nobody, and nothing is left`() async throws {
        let script = try OrdinaryUser()
        do {
            try await use(script)
        } catch {
            _ = try await script.run("down")
            TemporaryDirectory.remove(script.directory)
            throw error
        }
        TemporaryDirectory.remove(script.directory)
    }

    private func use(_ script: OrdinaryUser) async throws {
        let up = try await script.run("up")
        try #require(up.exitCode == 0, "\(up.text)")
        let holder = try #require(Int32(script.text("holder").trimmingCharacters(in: .whitespacesAndNewlines)))
        let status = try String(contentsOfFile: "/proc/\(holder)/status", encoding: .utf8)
        let user = NetworkLab.User.nobodyID
        #expect(status.contains("\nUid:\t\(user)\t\(user)\t\(user)\t\(user)\n"), "\(status)")
        let begun = try await script.run("status")
        #expect(begun.exitCode == 0)
        let lines = begun.text.split(separator: "\n")
        try #require(lines.count == 5, "\(begun.text)")
        #expect(lines[0] == "redis  vrid 51 on eth0  198.51.100.100/24")
        #expect(
            lines[1].split(separator: " ").joined(separator: " ") == "NODE ADDRESS VRRP REDIS OFFSET LAG HEALTH VIP")
        #expect(lines[2].contains(/^  node1  198\.51\.100\.1 +active +master +\d+ +-  ok +yes$/), "\(begun.text)")
        #expect(
            lines[3].contains(/^  node2  198\.51\.100\.2:6379 +backup +replica +\d+ +(\d+ B|-)  ok +no$/),
            "\(begun.text)")
        #expect(lines[4].hasPrefix("  serving since "))

        #expect(try await script.run("kill-redis", "node1").exitCode == 0)
        try await waitUntil("node 2 serves", pause: .milliseconds(50)) {
            try await script.run("master").text == "node2\n"
        }
        let ended = try await script.run("status")
        #expect(
            ended.text.contains(/\n  node1  198\.51\.100\.1 +initialize +dead +- +-  Redis is down +no\n/), "\(ended)")
        #expect(ended.text.contains("\n  next: start Redis on node1; "), "\(ended)")

        #expect(try await script.run("down").exitCode == 0)
        #expect(kill(holder, 0) == -1 && errno == ESRCH)
        #expect(!FileManager.default.fileExists(atPath: script.state))
        let gone = try await script.run("exec", "node1", "true")
        #expect(gone.exitCode == 1)
        #expect(gone.text == "lab: there is no lab; scripts/lab up makes one\n")
    }
}

/// Runs the script as nobody, with the executables of this build.
private struct OrdinaryUser {
    let directory: String
    var state: String { "\(directory)/state" }

    init() throws {
        directory = try TemporaryDirectory.make()
        chown(directory, NetworkLab.User.nobodyID, NetworkLab.User.nobodyID)
    }

    func text(_ name: String) -> String {
        String(decoding: FileManager.default.contents(atPath: "\(state)/\(name)") ?? Data(), as: UTF8.self)
    }

    func run(_ arguments: String...) async throws -> (exitCode: Int32, text: String) {
        let build = SyncgateProcess.sibling("syncgate-lab-client").split(separator: "/").dropLast().joined(
            separator: "/")
        let id = "\(NetworkLab.User.nobodyID)"
        let log = "\(directory)/\(arguments.joined(separator: "-"))"
        let child = try await ChildProcess.start(
            path: "/usr/bin/setpriv",
            arguments: [
                "--reuid", id, "--regid", id, "--clear-groups", "/usr/bin/env", "SYNCGATE_LAB=\(state)",
                "SYNCGATE_BIN=/\(build)", "/bin/bash", "\(RedisVersion.packageRoot)/scripts/lab",
            ] + arguments, log: log)
        await child.waitForExit(limit: .seconds(40))
        let text = String(decoding: FileManager.default.contents(atPath: log) ?? Data(), as: UTF8.self)
        unlink(log)
        return (child.exitCode ?? -1, text)
    }
}
