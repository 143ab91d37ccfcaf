import Dispatch
import Replication
import Testing

@testable import Daemon
@testable import Operations

/// Has a run stand still in the middle of a step, on a thread of its own, until something has been done to the servers.
final class Interposing: Sendable {
    private let thread = SideThread()

    /// Runs an operation to its end. When it tells of `step`, `body` is run first.
    func run(
        at step: String, _ body: @escaping @Sendable () async throws -> Void,
        _ operation: @escaping @Sendable (_ report: @escaping @Sendable (Step) -> Void) async -> OperationReport
    ) async -> OperationReport {
        await Task(executorPreference: thread) {
            await operation { told in
                if told.step == step { Self.wait(for: body) }
            }
        }.value
    }

    private static func wait(for body: @escaping @Sendable () async throws -> Void) {
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            do { try await body() } catch { Issue.record("\(error)") }
            done.signal()
        }
        done.wait()
    }
}
