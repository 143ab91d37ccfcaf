import Glibc
import LinuxNet
import Synchronization
import Testing

@Suite struct HeartbeatThreadTests {
    @Test func `it runs its body once, on a thread of its own with its name, without signals`() throws {
        struct Seen {
            var thread = pthread_t()
            var name = ""
            var blocked: [Int32] = []
            var problems = -1
        }
        let seen = Mutex(Seen())
        let thread = try HeartbeatThread.start(name: "sg-heartbeat-of-node-1") { problems in
            var signals = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &signals)
            var name = [UInt8](repeating: 0, count: 32)
            let file = open("/proc/thread-self/comm", O_RDONLY)
            let count = read(file, &name, name.count)
            close(file)
            seen.withLock {
                $0.thread = pthread_self()
                $0.problems = problems.count
                $0.name = String(decoding: name[..<max(count - 1, 0)], as: UTF8.self)
                $0.blocked = [SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGSEGV, SIGILL].filter {
                    sigismember(&signals, $0) == 1
                }
            }
        }
        thread.join()
        thread.join()
        let result = seen.withLock { $0 }
        #expect(result.thread != pthread_self())
        #expect(result.problems == 0, "nothing was asked for")
        #expect(result.name == "sg-heartbeat-of")
        #expect(result.blocked == [SIGTERM, SIGINT, SIGHUP, SIGPIPE])
    }

    @Test func `several may join, and all wait for the end`() throws {
        let flag = Flag()
        let seen = Mutex<[Bool]>([])
        let thread = try HeartbeatThread.start { _ in
            usleep(30_000)
            flag.raise()
        }
        let others = try (0..<3).map { _ in
            try HeartbeatThread.start { _ in
                thread.join()
                seen.withLock { $0.append(flag.isRaised) }
            }
        }
        others.forEach { $0.join() }
        #expect(seen.withLock { $0 } == [true, true, true])
    }

    @Test func `one that nobody joins is let go`() throws {
        let flag = Flag()
        _ = try HeartbeatThread.start { _ in flag.raise() }
        try waitUntil("the thread has run") { flag.isRaised }
    }

    /// What this machine grants decides which half is seen: CI's root has the rights, an unprivileged user has not.
    @Test func `real time is had, or said to be missing, and the body runs all the same`() throws {
        struct Seen {
            var policy: Int32 = -1
            var priority: Int32 = -1
            var present: Int32?
            var problems: [SystemCallError] = []
        }
        let seen = Mutex(Seen())
        try HeartbeatThread.start(realTime: RealTime.Settings(priority: 7, locksMemory: false)) { problems in
            var policy: Int32 = 0
            var parameters = sched_param()
            pthread_getschedparam(pthread_self(), &policy, &parameters)
            seen.withLock {
                $0 = Seen(
                    policy: policy, priority: parameters.sched_priority, present: RealTime.presentPriority,
                    problems: problems)
            }
        }.join()
        let result = seen.withLock { $0 }
        if result.problems.isEmpty {
            // With SCHED_RESET_ON_FORK: threads that it starts do not inherit it.
            #expect(result.policy == SCHED_RR | 0x4000_0000 && result.priority == 7 && result.present == 7)
        } else {
            #expect(result.policy == SCHED_OTHER && result.present == nil)
            #expect(
                result.problems.map(\.description) == [
                    "cannot get real-time priority 7 (SCHED_RR): EPERM (Operation not permitted); allow it by CAP_SYS_NICE"
                        + " or LimitRTPRIO; it cannot be had in a user namespace. Without it, a busy machine delays"
                        + " advertisements"
                ])
        }
    }

    @Test func `an impossible priority is an error`() throws {
        let problems = Mutex<[SystemCallError]>([])
        try HeartbeatThread.start(realTime: RealTime.Settings(priority: 1000, locksMemory: false)) { found in
            problems.withLock { $0 = found }
        }.join()
        #expect(
            problems.withLock { $0.map(\.description) } == [
                "cannot get real-time priority 1000 (SCHED_RR): EINVAL (Invalid argument)"
            ])
    }
}
