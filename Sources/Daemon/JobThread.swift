import Glibc
import LinuxNet

/// A thread that runs jobs one after another, in the order given: for what may block, such as files and pipes. Nobody waits
/// for it.
final class JobThread: Sendable {
    private let inbox: Inbox<@Sendable () -> Bool>
    private let end: StopFlag

    /// Starts it. `name` is what `ps -L` shows, at most 15 bytes.
    init(_ name: String) throws(SystemCallError) {
        let inbox = try Inbox<@Sendable () -> Bool>()
        let end = StopFlag()
        self.inbox = inbox
        self.end = end
        _ = try HeartbeatThread.start(name: name) { _ in
            var goesOn = true
            while goesOn {
                var entry = pollfd(fd: inbox.fd, events: Int16(POLLIN), revents: 0)
                _ = poll(&entry, 1, -1)
                for job in inbox.take() where goesOn { goesOn = job() }
            }
            end.set()
        }
    }

    /// Runs it after all that was given before; returns at once. After `finish`, nothing is run any more.
    func run(_ job: @escaping @Sendable () -> Void) {
        inbox.post {
            job()
            return true
        }
    }

    /// Ends the thread behind the jobs that were given before, and waits for that, at most for so long. Returns whether all
    /// is done.
    @discardableResult
    func finish(within limit: Duration) async -> Bool {
        inbox.post { false }
        let deadline = ContinuousClock.now + limit
        while !end.isSet {
            guard ContinuousClock.now < deadline else { return false }
            // A cancelled task does not sleep, and polls until the time is over.
            do { try await Task.sleep(for: .milliseconds(2)) } catch { await Task.yield() }
        }
        return true
    }

    deinit { inbox.post { false } }
}
