internal import Glibc
internal import Synchronization

/// A thread of its own, for the heartbeat above all: nothing else of the process runs on it, and it may have real-time priority.
///
/// It blocks all signals that can be sent to a process, so that they are other threads' business. To end it, stop the
/// event loop that its body runs (`EventLoop.Stopper`), then join.
public final class HeartbeatThread: Sendable {
    /// nil once it has been joined.
    private let handle: Mutex<pthread_t?>

    private init(_ handle: pthread_t) { self.handle = Mutex(handle) }

    /// Starts a thread that runs `body` once. The body gets what could not be had of `realTime`: to be reported, no
    /// reason to stop. `name` is what `ps -L` shows, at most 15 bytes.
    public static func start(
        name: String = "heartbeat", realTime: RealTime.Settings? = nil,
        body: @escaping @Sendable (_ problems: [SystemCallError]) -> Void
    ) throws(SystemCallError) -> HeartbeatThread {
        let start = Unmanaged.passRetained(Start(name: name, realTime: realTime, body: body))
        var handle = pthread_t()
        let code = pthread_create(&handle, nil, runHeartbeat, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw SystemCallError(.startThread, ErrorNumber(rawValue: code))
        }
        return HeartbeatThread(handle)
    }

    /// Returns when the body has returned. From any thread but itself, any number of times.
    public func join() {
        handle.withLock { handle in
            guard let running = handle else { return }
            pthread_join(running, nil)
            handle = nil
        }
    }

    deinit {
        handle.withLock { handle in
            if let running = handle { pthread_detach(running) }
        }
    }

    /// What the new thread is given.
    fileprivate final class Start: Sendable {
        let name: String
        let realTime: RealTime.Settings?
        let body: @Sendable ([SystemCallError]) -> Void

        init(name: String, realTime: RealTime.Settings?, body: @escaping @Sendable ([SystemCallError]) -> Void) {
            self.name = name
            self.realTime = realTime
            self.body = body
        }
    }
}

/// The first function of the new thread.
private func runHeartbeat(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<HeartbeatThread.Start>.fromOpaque(argument).takeRetainedValue()
    blockSignals()
    rename(start.name)
    start.body(start.realTime.map(RealTime.apply) ?? [])
    return nil
}

/// All but those that report a fault of this thread itself: blocking these would end the process without a backtrace.
private func blockSignals() {
    var signals = sigset_t()
    sigfillset(&signals)
    for fault in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS] { sigdelset(&signals, fault) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
}

/// Names the calling thread by /proc (pthread_setname_np needs _GNU_SOURCE). Without /proc it keeps the process's name.
private func rename(_ name: String) {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    let bytes = Array(name.utf8.prefix(15))
    _ = write(file, bytes, bytes.count)
    close(file)
}
