import Foundation
import Logging
import RedisLab
import Replication
import VRRP

@testable import Daemon
@testable import Failover

/// A folder of a test's own, and a log in it.
final class TestFolder {
    let path: String
    let lines: LogLines
    private let descriptor: Int32

    init() throws {
        path = try TemporaryDirectory.make()
        descriptor = open("\(path)/log", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        lines = try LogLines(.json, level: .info, descriptor: descriptor)
    }

    deinit {
        close(descriptor)
        TemporaryDirectory.remove(path)
    }

    var logger: Logger { lines.logger() }

    /// What was logged: level, code, message.
    var logged: [String] {
        text("log").split(separator: "\n").compactMap { line in
            guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
                return nil
            }
            return "\(object["level"] ?? "") \(object["code"] ?? ""): \(object["message"] ?? "")"
        }
    }

    func text(_ name: String) -> String { (try? String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)) ?? "" }

    func write(_ text: String, to name: String, mode: mode_t = 0o600) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
        chmod("\(path)/\(name)", mode)
    }
}

/// Returns when the condition holds; false after the limit.
func eventually(within limit: Duration = .seconds(10), _ condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < end else { return false }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return true
}

/// A transition with a number, and as many bytes of reason as wanted.
func transition(_ number: Int, reason: String = "why") -> Transition {
    Transition(
        number: number, from: .standby, to: .serving, cause: "elected", reason: reason, vrrp: .active,
        loss: .atMost(bytes: 12, sampleAge: .milliseconds(40)), writeGap: .microseconds(12_345),
        evidence: Evidence(
            target: ReplicationPosition(replicationID: "abc", offset: 100), appliedOffset: 88, fence: nil,
            waited: .milliseconds(3)),
        startedAt: .now, steps: [Step(at: .milliseconds(5), step: "promoted", detail: "it is master")])
}
