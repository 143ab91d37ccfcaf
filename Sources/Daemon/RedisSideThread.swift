import NIOCore
import NIOPosix

/// A thread of its own for the operations of one pair: a slow disk under a journal, or another pair's trouble, delays
/// nobody else. Lives as long as the process.
final class SideThread: TaskExecutor {
    private let eventLoop: any EventLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1).next()

    /// Runs a task's next part on the thread.
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
