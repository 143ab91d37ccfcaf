import Glibc
import RedisClient
import Replication
import Synchronization

/// A process of its own that undoes a password fence when the one that raised it dies or takes too long.
///
/// It is this same program, started with `fence-guard`, in a process group of its own, so that neither Ctrl-C nor a killed
/// process group takes it along. What it must know comes over its standard input, never by arguments or environment,
/// where `ps` would show it. End of input without `done` means that its parent died.
///
/// Whoever drops one without `dismiss` leaves the fence to it.
public final class FenceGuard: Sendable {
    /// The running program, whatever its path.
    package static let ownProgram = "/proc/self/exe"

    private let input: Int32
    let process: pid_t
    private let isDismissed = Atomic(false)

    private init(input: Int32, process: pid_t) {
        self.input = input
        self.process = process
    }

    deinit {
        if !isDismissed.load(ordering: .relaxed) { Self.bury(process, closing: input) }
    }

    /// Starts the guard. Returns when it has all it needs.
    static func start(
        over endpoint: Endpoint, entry: FenceJournal.Entry, journal: FenceJournal, undoAfter: Duration, program: String
    ) async throws(ServerTrouble) -> FenceGuard {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .unusable("cannot start the fence's guard: \(reason(errno))") }
        // Also whatever our own parent left open in us: somebody may wait for its end, and the guard may live longer.
        for descriptor in 3..<Int32(1024) { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        let process = spawn(program, input: ends[0])
        close(ends[0])
        guard let process else {
            close(ends[1])
            throw .unusable("cannot start the fence's guard: \(reason(errno))")
        }
        let guardian = FenceGuard(input: ends[1], process: process)
        var lines = [
            ("url", endpoint.url.addressText), ("fence", entry.fencePassword ?? ""),
            ("previous", entry.previousPassword), ("directory", journal.directory), ("local", journal.local),
            ("milliseconds", String(undoAfter.millisecondsRoundedUp)),
        ]
        let tls: [(String, String?)] = [
            ("connection", entry.connectionName), ("cacert", endpoint.tls.certificateAuthority),
            ("cert", endpoint.tls.certificate),
            ("key", endpoint.tls.key), ("sni", endpoint.tls.serverName),
        ]
        for case (let name, let value?) in tls { lines.append((name, value)) }
        guardian.write(lines.map { "\($0.0) \(FenceJournal.hex($0.1))\n" }.joined() + "go \n")
        return guardian
    }

    /// The fence is undone: the guard may go. Returns whether it is gone; one that was about to undo the fence itself, and
    /// does not reach the server, goes later.
    @discardableResult
    func dismiss() async -> Bool {
        guard !isDismissed.exchange(true, ordering: .relaxed) else { return true }
        write("done \n")
        close(input)
        if await Self.hasEnded(process, within: Self.farewell) { return true }
        Self.bury(process)
        return false
    }

    /// How long a guard that is told to go is waited for: it needs a few milliseconds.
    private static let farewell: Duration = .milliseconds(300)

    /// Takes the process's end when it comes, so that nothing is left of it, and only then closes its input: the end of
    /// that would have it act at once, and not when its time is up.
    private static func bury(_ process: pid_t, closing input: Int32? = nil) {
        Task.detached {
            _ = await hasEnded(process, within: patience * 2)
            if let input { close(input) }
        }
    }

    /// Whether the process has ended, and its end is taken. Blocks no thread.
    private static func hasEnded(_ process: pid_t, within limit: Duration) async -> Bool {
        let end = ContinuousClock.now + limit
        var pause: Duration = .milliseconds(1)
        while waitpid(process, nil, WNOHANG) == 0 {
            guard ContinuousClock.now < end else { return false }
            do { try await Task.sleep(for: pause, tolerance: .zero) } catch { return false }
            pause = min(pause * 2, .milliseconds(500))
        }
        return true
    }

    private func write(_ text: String) {
        // A guard that died takes nothing; SIGPIPE is ignored since NIO opened its first socket.
        _ = text.utf8.withContiguousStorageIfAvailable { Glibc.write(input, $0.baseAddress, $0.count) }
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    /// This program with `fence-guard`: input from the pipe, no output, so that nobody waits for its end.
    private static func spawn(_ program: String, input: Int32) -> pid_t? {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // A group of its own, and no session: a session has its own share of a busy machine's processors (autogroup, sched(7)),
        // and its first process was seen to wait for seconds, and the fence with it.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("syncgate"), strdup("fence-guard")]
        // The one variable that this program needs to start: where the Swift libraries are, if they are not linked in.
        let libraries = getenv("LD_LIBRARY_PATH").map { "LD_LIBRARY_PATH=" + String(cString: $0) }
        let environment: [UnsafeMutablePointer<CChar>?] = libraries.map { [strdup($0)] } ?? []
        defer { (arguments + environment).forEach { free($0) } }
        var process: pid_t = 0
        let result = posix_spawn(
            &process, program, &actions, &attributes, arguments + [nil], environment + [nil])
        return result == 0 ? process : nil
    }
}

extension FenceGuard {
    /// How long the guard goes on trying; after that the journal is left to the next run.
    private static let patience: Duration = .seconds(3600)
    /// A process that is refused for this long is gone, and its fence with its memory.
    private static let refusalPatience: Duration = .seconds(30)

    /// What the guard process does: waits for `done`, for the end of its input, or for its time; then undoes the fence.
    public static func watch() async {
        // Whoever stops a whole group of processes must not take the fence's end along.
        for signal in [SIGINT, SIGTERM, SIGHUP] { _ = Glibc.signal(signal, SIG_IGN) }
        var input = GuardInput()
        guard let orders = input.readOrders(), let text = orders["url"], let previous = orders["previous"],
            let directory = orders["directory"], let local = orders["local"],
            let milliseconds = orders["milliseconds"].flatMap({ Int32($0) })
        else { return }
        if input.waitForDone(milliseconds: milliseconds) { return }
        let url: RedisURL
        do throws(RedisURLError) { url = try RedisURL(parsing: text) } catch { return }
        let tls = TLSFiles(
            certificateAuthority: orders["cacert"], certificate: orders["cert"], key: orders["key"],
            serverName: orders["sni"])
        let entry = FenceJournal.Entry(
            master: text, masterRunID: "", fencePassword: orders["fence"], previousPassword: previous,
            connectionName: orders["connection"])
        await undo(
            entry, at: Endpoint(url: url, tls: tls), journal: FenceJournal(directory: directory, local: local))
    }

    private static func undo(_ entry: FenceJournal.Entry, at endpoint: Endpoint, journal: FenceJournal) async {
        let end = ContinuousClock.now + patience
        var pause: UInt32 = 200_000
        var answeredAt = ContinuousClock.now
        while ContinuousClock.now < end {
            do throws(ServerTrouble) {
                let isMaster = try await MasterFence.undo(entry, at: endpoint)
                guard let written = journal.read(), written.fencePassword == entry.fencePassword else { return }
                // A master that was told to follow already is for the second run to finish.
                if isMaster { return journal.delete() }
                do throws(FenceJournalError) { try journal.write(written.unfenced) } catch {
                    // The journal stays as it was: undoing twice harms nobody.
                }
                return
            } catch {
                // Refused, silent, or too many clients: the network or the server may come back.
                if error != .dead { answeredAt = .now }
                if ContinuousClock.now - answeredAt > refusalPatience { return }
            }
            usleep(pause)
            pause = min(pause * 2, 5_000_000)
        }
    }
}

/// The guard's standard input, read line by line.
private struct GuardInput {
    private var buffer: [UInt8] = []

    /// The lines up to `go`; nil when the input ends before.
    mutating func readOrders() -> [String: String]? {
        var orders: [String: String] = [:]
        while let (name, value) = nextLine() {
            if name == "go" { return orders }
            orders[name] = value
        }
        return nil
    }

    /// Whether `done` came before the input's end and within the time.
    mutating func waitForDone(milliseconds: Int32) -> Bool {
        var poller = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        if buffer.isEmpty, poll(&poller, 1, milliseconds) <= 0 { return false }
        return nextLine()?.name == "done"
    }

    private mutating func nextLine() -> (name: String, value: String)? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2, let value = FenceJournal.unhex(parts[1]) else { return nil }
                return (String(parts[0]), value)
            }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = read(0, &chunk, chunk.count)
            guard count > 0 else { return nil }
            buffer += chunk[..<count]
        }
    }
}
