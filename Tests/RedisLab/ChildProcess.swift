import Foundation
import Glibc
import NIOPosix
import Synchronization

/// What cannot be set up for a test.
public enum RedisLabError: Error, CustomStringConvertible {
    /// The version was not built on this machine.
    case missing(RedisVersion)
    /// A call of the system failed.
    case system(String, errno: Int32)
    /// The server ended, or did not answer within 10 s; with the end of what it logged.
    case didNotStart(log: String)

    public var description: String {
        switch self {
        case .missing(let version): "redis-server \(version) is not in .cache/redis"
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        case .didNotStart(let log): "redis-server did not start:\n\(log)"
        }
    }
}

/// A process of ours, addressed by its id alone, and reaped exactly once.
public final class ChildProcess: Sendable {
    /// The id; still meaningful for messages after the process has ended.
    public let id: Int32
    /// The status as `wait` gives it, once the process has been reaped.
    private let status = Mutex<Int32?>(nil)

    /// Starts a program with standard output and error appended to `log`, or the latter to `errors`. It is killed when
    /// the test process dies, where the machine has `setpriv`: nothing is left behind by tests that crash. A program
    /// that passes itself on by `exec` (`ip netns exec`, `nsenter`, `setpriv`) keeps id and guardian. Without one
    /// (`isGuarded: false`) it is the program itself from its first moment. `environment` is added to ours.
    public static func start(
        path: String, arguments: [String], environment: [String: String] = [:], isGuarded: Bool = true,
        log: String, errors: String? = nil
    ) async throws -> ChildProcess {
        // The kernel counts the death of the *thread* that started a child, and Swift's threads come and go. The
        // threads of this group never end.
        try await MultiThreadedEventLoopGroup.singleton.any().submit {
            try ChildProcess(
                command: (isGuarded ? guardian : []) + [path] + arguments,
                environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, log: log, errors: errors)
        }.get()
    }

    private static let guardian =
        access("/usr/bin/setpriv", X_OK) == 0 ? ["/usr/bin/setpriv", "--pdeathsig", "KILL"] : []

    private init(command: [String], environment: [String: String], log: String, errors: String?) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        if let errors {
            posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        // Threads of the test process block signals, and swift-nio ignores SIGPIPE: a server must inherit neither.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in argv + variables { free(text) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, command[0], &actions, &attributes, &argv, &variables)
        guard code == 0 else { throw RedisLabError.system("posix_spawn \(command[0])", errno: code) }
        id = pid
    }

    /// Sends a signal, unless the process has been reaped: its id could be another's by now.
    public func signal(_ number: Int32) {
        status.withLock { status in
            if status == nil { _ = Glibc.kill(id, number) }
        }
    }

    /// Whether the process still runs. Reaps it when not.
    public var isRunning: Bool { exitCode == nil }

    /// Its exit code, once it has ended; 128 and the signal's number where a signal killed it. Reaps it.
    public var exitCode: Int32? {
        status.withLock { status in
            var now: Int32 = 0
            if status == nil, waitpid(id, &now, WNOHANG) != 0 { status = now }
            return status.map { $0 & 0x7f == 0 ? $0 >> 8 & 0xff : 128 + ($0 & 0x7f) }
        }
    }

    /// Returns when the process has ended; kills it after `limit`.
    public func waitForExit(limit: Duration = .seconds(60)) async {
        let end = ContinuousClock.now + limit
        while isRunning {
            if ContinuousClock.now > end { signal(SIGKILL) }
            // Not of this task: a test that has run out of time is cancelled, and would spin here.
            await Task.detached { try? await Task.sleep(for: .milliseconds(1)) }.value
        }
    }

    /// Runs a program to its end; throws with what it printed where it fails.
    public static func run(_ path: String, _ arguments: [String], log: String) async throws {
        let child = try await start(path: path, arguments: arguments, log: log)
        await child.waitForExit()
        guard child.exitCode == 0 else { throw RedisLabError.didNotStart(log: TemporaryDirectory.tail(of: log)) }
    }
}

/// Directories of tests.
public enum TemporaryDirectory {
    /// Creates one that nobody else uses, in SYNCGATE_TMP or /tmp. Its path is short, because a socket's path has at most 107
    /// bytes.
    public static func make() throws -> String {
        let place = ProcessInfo.processInfo.environment["SYNCGATE_TMP"] ?? "/tmp"
        var template = Array("\(place)/syncgate-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw RedisLabError.system("mkdtemp", errno: errno) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a directory and everything in it. Symbolic links are removed, not followed.
    public static func remove(_ path: String) {
        if let directory = opendir(path) {
            var names: [String] = []
            while let entry = readdir(directory) {
                names.append(
                    withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    })
            }
            closedir(directory)
            for name in names where name != "." && name != ".." {
                let inner = "\(path)/\(name)"
                // unlink() first: it refuses directories, and does not follow links.
                if unlink(inner) != 0 { remove(inner) }
            }
        }
        rmdir(path)
    }

    /// The last 2000 bytes of a text file.
    public static func tail(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        fseek(file, max(0, ftell(file) - 2000), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: 2000)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
