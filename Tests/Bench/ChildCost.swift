import Foundation

/// What a short-lived process cost.
struct ChildCost {
    var wallMs: Double
    /// User and system time together.
    var processorMs: Double
    var exitCode: Int32
    /// The greatest resident memory, where it was watched.
    var peakKiB: Int?

    /// Runs a program to its end; its output is dropped.
    ///
    /// `ru_maxrss` would be the greater of the program's peak and ours, because the kernel counts what a process was before
    /// `exec`. So with `watchingMemory` the program's `VmHWM` is read until it ends, which takes processor time from it:
    /// do not mix this with measuring its time.
    init(of command: [String], watchingMemory: Bool = false) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor: Int32 in [1, 2] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
        var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var (child, status, usage): (pid_t, Int32, rusage) = (0, 0, rusage())
        let start = ContinuousClock.now
        let code = posix_spawn(&child, command[0], &actions, nil, &argv, environ)
        guard code == 0 else { throw BenchError("\(command[0]): \(String(cString: strerror(code)))") }
        var isReaped = false
        while watchingMemory, !isReaped {
            if let now = Machine.peakKiB(of: child) { peakKiB = max(peakKiB ?? 0, now) }
            isReaped = wait4(child, &status, WNOHANG, &usage) == child
        }
        if !isReaped { wait4(child, &status, 0, &usage) }
        wallMs = start.duration(to: .now).inMilliseconds
        processorMs = Self.milliseconds(usage.ru_utime) + Self.milliseconds(usage.ru_stime)
        exitCode = status & 0x7f == 0 ? status >> 8 & 0xff : -1
        guard exitCode == 0 else { throw BenchError("\(command) exits with \(exitCode)") }
    }

    private static func milliseconds(_ time: timeval) -> Double {
        Double(time.tv_sec) * 1000 + Double(time.tv_usec) / 1000
    }
}
