import Glibc
import Replication
import Synchronization

/// Set by SIGINT, SIGTERM and SIGHUP (not where `nohup` has it ignored); asked by whoever works.
enum StopSignal {
    private static let received = Atomic(0)

    /// Whether a signal came since `watch`.
    static var isReceived: Bool { count > 0 }

    /// How many came.
    static var count: Int { received.load(ordering: .relaxed) }

    /// From now on, the signals end the work in an orderly way; SIGHUP only where it has no other meaning.
    static func watch(hangUp: Bool = true) {
        SignalPipe.open()
        for signal in [SIGINT, SIGTERM] + (hangUp && !isIgnored(SIGHUP) ? [SIGHUP] : []) {
            _ = Glibc.signal(signal) { _ in
                StopSignal.received.add(1, ordering: .relaxed)
                SignalPipe.wake()
            }
        }
    }

    private static func isIgnored(_ signal: Int32) -> Bool {
        var present = sigaction()
        guard sigaction(signal, nil, &present) == 0 else { return false }
        return unsafeBitCast(present.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}

/// Set by SIGUSR1: print counters, and go on.
enum StatisticsSignal {
    private static let received = Atomic(false)

    /// Whether a signal came since the last call.
    static func take() -> Bool { received.exchange(false, ordering: .relaxed) }

    /// From now on, SIGUSR1 asks for counters.
    static func watch() {
        SignalPipe.open()
        _ = Glibc.signal(SIGUSR1) { _ in
            StatisticsSignal.received.store(true, ordering: .relaxed)
            SignalPipe.wake()
        }
    }
}

/// Set by SIGHUP, where it means: read the configuration again.
enum ReloadSignal {
    private static let received = Atomic(false)

    /// Whether a signal came since the last call.
    static func take() -> Bool { received.exchange(false, ordering: .relaxed) }

    /// From now on, SIGHUP asks for that.
    static func watch() {
        SignalPipe.open()
        _ = Glibc.signal(SIGHUP) { _ in
            ReloadSignal.received.store(true, ordering: .relaxed)
            SignalPipe.wake()
        }
    }
}

/// Wakes the main thread when a signal comes, so that one who waits for signals costs nothing.
enum SignalPipe {
    private static let reader = Atomic<Int32>(-1)
    private static let writer = Atomic<Int32>(-1)

    /// Opens it, once. Without it, `wait` is just a sleep.
    static func open() {
        guard reader.load(ordering: .relaxed) < 0 else { return }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        reader.store(ends[0], ordering: .relaxed)
        writer.store(ends[1], ordering: .relaxed)
    }

    /// Ends the present or next `wait`. Safe in a signal handler.
    static func wake() {
        var byte: UInt8 = 0
        // What was interrupted may be about to read it.
        let interrupted = errno
        // A full pipe wakes as well.
        _ = Glibc.write(writer.load(ordering: .relaxed), &byte, 1)
        errno = interrupted
    }

    /// Blocks the calling thread until a signal comes, at most for so long; not at all where that is negative.
    static func wait(upTo limit: Duration) {
        var entry = pollfd(fd: reader.load(ordering: .relaxed), events: Int16(POLLIN), revents: 0)
        // poll(2) takes a negative number for ever.
        _ = poll(&entry, 1, Int32(min(max(limit, .zero), .seconds(1_000_000)).millisecondsRoundedUp))
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(entry.fd, &bytes, bytes.count) > 0 {}
    }
}
