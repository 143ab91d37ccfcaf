import Failover
import LinuxNet
import Logging
import Synchronization

/// Writes a node's memory down, and lets what follows it pass only when it is on disk. The heartbeat's thread hands both in
/// and goes on; files and orders each have a thread of their own. A disk that hangs holds orders up for `patience` only: a
/// failover is worth more than what a restart would remember.
final class OrderGate: Sendable {
    static let patience: Duration = .seconds(2)

    private struct State {
        var latest: Memory?
        /// How many memories were handed in, and how many of them are on disk, or given up.
        var handedIn = 0
        var settled = 0
        var waiting: [(after: Int, body: @Sendable () -> Void)] = []
    }

    private let state = Mutex(State())
    private let write: @Sendable (Memory) -> Void
    private let files: JobThread
    private let orders: JobThread
    private let logger: Logger

    /// `write` may block, and says itself what went wrong.
    init(logger: Logger, write: @escaping @Sendable (Memory) -> Void) throws(SystemCallError) {
        files = try JobThread("memory")
        orders = try JobThread("orders")
        self.write = write
        self.logger = logger
    }

    /// Has it written; returns at once.
    func remember(_ memory: Memory) {
        let number = state.withLock { state in
            state.latest = memory
            state.handedIn += 1
            return state.handedIn
        }
        files.run { [self] in
            // Where several wait, the latest is written, once.
            if let memory = state.withLock({ $0.latest.take() }) { write(memory) }
            settle(number)
        }
    }

    /// Runs it on another thread, in the order of calling, behind all memories that were handed in before.
    func pass(_ body: @escaping @Sendable () -> Void) {
        let number: Int? = state.withLock { state in
            guard state.settled < state.handedIn || !state.waiting.isEmpty else {
                orders.run(body)
                return nil
            }
            state.waiting.append((state.handedIn, body))
            return state.handedIn
        }
        guard let number else { return }
        Task {
            do { try await Task.sleep(for: Self.patience) } catch { return }
            if settle(number) {
                logger.warning(
                    "the disk does not take what is to be remembered; going on without",
                    metadata: ["code": "memory_slow"])
            }
        }
    }

    /// Returns whether somebody waited for it.
    @discardableResult
    private func settle(_ number: Int) -> Bool {
        state.withLock { state in
            state.settled = max(state.settled, number)
            let ready = state.waiting.prefix { $0.after <= state.settled }
            // Within the lock, so that nobody overtakes.
            for entry in ready { orders.run(entry.body) }
            state.waiting.removeFirst(ready.count)
            return !ready.isEmpty
        }
    }

    /// Waits until all is written and handed on, at most for so long.
    func finish(within limit: Duration) async {
        await files.finish(within: limit)
        await orders.finish(within: limit)
    }
}
