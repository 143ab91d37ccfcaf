import NIOPosix
import NIOCore

/// A thread of its own for the operations of one pair: a slow disk under a journal, or another pair's trouble, delays
/// nobody else.
final class SideThread: TaskExecutor {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// Runs a task's next part on the thread.
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        group.next().execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Ends the thread. Nothing may be running on it.
    func stop() {
        group.shutdownGracefully { _ in }
    }
}
