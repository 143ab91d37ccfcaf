import Failover
import Glibc
import LinuxNet
import Logging

/// Runs the operator's programs of one virtual router: in order, one at a time, without a shell, each with a time limit. On a
/// thread of its own; nobody waits for it.
final class HookQueue: Sendable {
    /// What is run, and how it is told why.
    struct Run: Sendable {
        /// Program and arguments.
        var command: [String]
        var hook: Hook
        var limit: Duration
        /// keepalived's: `INSTANCE`, the router's name, the state, the priority.
        var notifyArguments: [String]
        /// `SYNCGATE_…`.
        var environment: [(String, String)]
    }

    /// Between the request to end and the end that cannot be refused.
    static let patience: Duration = .seconds(2)
    /// Lines of a program's output that go to the log, per run.
    static let outputLines = 50

    private let thread: JobThread
    private let logger: Logger
    private let abandonment = StopFlag()

    init(logger: Logger) throws(SystemCallError) {
        thread = try JobThread("hooks")
        self.logger = logger
    }

    /// Runs it after all that were given before; returns at once.
    func run(_ run: Run) {
        thread.run { [logger, abandonment] in
            guard !abandonment.isSet else { return }
            HookProcess(run, logger).execute { abandonment.isSet }
        }
    }

    /// Waits for those that were given, at most for so long; what still runs then is killed.
    func finish(within limit: Duration) async {
        guard await !thread.finish(within: limit) else { return }
        abandonment.set()
        await thread.finish(within: .milliseconds(500))
    }
}

/// One run of a program. Belongs to the thread of its queue.
private struct HookProcess {
    private let run: HookQueue.Run
    private let logger: Logger
    private var name: String { run.hook.rawValue }

    init(_ run: HookQueue.Run, _ logger: Logger) {
        self.run = run
        self.logger = logger
    }

    func execute(isAbandoned: () -> Bool) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            return tell(.error, "cannot run it: no pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        defer { close(ends[0]) }
        let start = ContinuousClock.now
        let spawned = spawn(output: ends[1])
        close(ends[1])
        switch spawned {
        case .failure(let code):
            tell(.error, "cannot run \(run.command[0]): \(String(cString: strerror(code.rawValue)))")
        case .success(let process):
            var output = HookOutput()
            let status = wait(for: process, ends[0], &output, isAbandoned)
            output.finish(ends[0])
            for line in output.lines { tell(.info, "says: \(line)") }
            if output.isCut { tell(.info, "says more, which is left out") }
            let time = Int(((ContinuousClock.now - start) / .milliseconds(1)).rounded())
            let result = status & 0x7f == 0 ? "exit code \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
            tell(status == 0 ? .info : .warning, "ended with \(result) after \(time) ms")
        }
    }

    private func tell(_ level: Logger.Level, _ text: String) {
        logger.log(level: level, "\(name) \(text)", metadata: ["code": "hook"])
    }

    /// In a process group of its own, with no signal blocked or ignored.
    private func spawn(output: Int32) -> Result<pid_t, ErrorNumber> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var arguments: [UnsafeMutablePointer<CChar>?] = (run.command + run.notifyArguments).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { environment.forEach { free($0) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, run.command[0], &actions, &attributes, &arguments, &environment)
        return code == 0 ? .success(process) : .failure(ErrorNumber(rawValue: code))
    }

    /// Nothing of ours but PATH, and never a password that came by the environment.
    private var variables: [String] {
        let path =
            getenv("PATH").map { String(cString: $0) } ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["PATH=\(path)"] + run.environment.map { "\($0.0)=\($0.1)" }
    }

    /// Reads what it says until it ends, and ends it when its time is over. Its group is ended with it then: what it has
    /// started may be what hangs.
    private func wait(
        for process: pid_t, _ pipe: Int32, _ output: inout HookOutput, _ isAbandoned: () -> Bool
    ) -> Int32 {
        var deadline = ContinuousClock.now + run.limit
        var signal = SIGTERM
        var status: Int32 = 0
        while true {
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process || ended < 0 && errno != EINTR { return status }
            if ContinuousClock.now >= deadline || isAbandoned() && signal == SIGTERM {
                let what = signal == SIGTERM ? "SIGTERM" : "SIGKILL"
                tell(
                    .warning,
                    isAbandoned() ? "is ended: the daemon stops (\(what))" : "takes longer than its limit: \(what)")
                kill(-process, signal)
                signal = SIGKILL
                deadline = .now + HookQueue.patience
            }
            var entry = pollfd(fd: output.isAtEnd ? -1 : pipe, events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, 10)
            output.read(pipe)
        }
    }
}

/// What a program says, line by line, as far as it is kept.
private struct HookOutput {
    private(set) var lines: [String] = []
    private(set) var isCut = false
    private(set) var isAtEnd = false
    private var rest: [UInt8] = []

    /// What is there now; never waits.
    mutating func read(_ pipe: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<16 {
            let count = Glibc.read(pipe, &buffer, buffer.count)
            if count == 0 { isAtEnd = true }
            guard count > 0 else { break }
            rest += buffer[..<count]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                add(rest[..<end])
                rest.removeFirst(end + 1)
            }
            if rest.count > 1000 {
                add(rest[...])
                rest = []
            }
        }
    }

    /// The last that is there: whoever it has left running may hold the pipe open.
    mutating func finish(_ pipe: Int32) {
        read(pipe)
        if !rest.isEmpty { add(rest[...]) }
    }

    private mutating func add(_ line: ArraySlice<UInt8>) {
        guard lines.count < HookQueue.outputLines else { return isCut = true }
        lines.append(String(decoding: line.prefix(1000), as: UTF8.self))
    }
}
