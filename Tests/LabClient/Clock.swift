import Glibc
import Synchronization

/// Since 1970, ns: the clock of the rest of the lab.
func wallTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Sleeps; ns.
func pause(_ nanoseconds: Int64) {
    guard nanoseconds > 0 else { return }
    var time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    nanosleep(&time, nil)
}

/// Set by SIGTERM and SIGINT.
private let isStopping = Atomic(false)

enum Stop {
    static var isAsked: Bool { isStopping.load(ordering: .relaxed) }

    static func listen() {
        for number in [SIGTERM, SIGINT] { signal(number) { _ in isStopping.store(true, ordering: .relaxed) } }
        signal(SIGPIPE, SIG_IGN)
    }
}

/// A thread that runs `body` once.
struct Worker {
    private final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    private let thread: pthread_t

    init(_ body: @escaping @Sendable () -> Void) throws(ClientError) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Box(body))
        let code = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer { Unmanaged<Box>.fromOpaque(pointer).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard code == 0 else { throw .system("pthread_create", code) }
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}
