import FoundationEssentials
import Glibc
public import LinuxNet
public import Logging
import Operations
import Synchronization

/// Takes log lines from any thread without making it wait, and writes them to standard error from a thread of its own. When
/// nobody reads, lines are dropped and counted.
public final class LogLines: Sendable {
    /// How a line is written.
    public enum Format: Sendable, Hashable {
        /// `2026-11-22T20:11:33.123Z notice redis: standby -> serving: …`
        case text
        /// For the journal, which has the time itself: `<5>redis: standby -> serving: …`
        case journal
        /// An object with `at`, `level`, `virtual_router`, `code`, `message`.
        case json
    }

    /// One line before it is written.
    struct Line: Sendable {
        var date = Date.now
        var level: Logger.Level
        var router: String?
        var code: String?
        var message: String
    }

    private struct Backlog {
        var waiting = 0
        var dropped = 0
        var toldAt = ContinuousClock.now
    }

    private let format: Format
    private let descriptor: Int32
    private let capacity: Int
    private let thread: JobThread
    private let backlog = Mutex(Backlog())
    private let threshold: Mutex<Logger.Level>

    /// Starts the thread. `capacity`: how many lines may wait.
    public init(
        _ format: Format, level: Logger.Level, descriptor: Int32 = 2, capacity: Int = 5000
    ) throws(SystemCallError) {
        self.format = format
        threshold = Mutex(level)
        self.descriptor = descriptor
        self.capacity = capacity
        thread = try JobThread("log")
    }

    /// A logger that writes here. Metadata `virtual_router` and `code` become parts of the line.
    public func logger() -> Logger { Logger(label: "syncgate") { _ in LogSink(lines: self) } }

    /// From now on, what is less important is left out, of all loggers.
    public func setLevel(_ level: Logger.Level) { threshold.withLock { $0 = level } }

    /// Whether standard error is the journal's: it is the very stream that JOURNAL_STREAM names.
    public static var isJournal: Bool {
        guard let text = getenv("JOURNAL_STREAM").map({ String(cString: $0) }) else { return false }
        var status = stat()
        guard fstat(2, &status) == 0 else { return false }
        return text == "\(status.st_dev):\(status.st_ino)"
    }

    func take(_ line: Line) {
        guard line.level >= threshold.withLock({ $0 }) else { return }
        let hasRoom = backlog.withLock { backlog in
            guard backlog.waiting < capacity else {
                backlog.dropped += 1
                return false
            }
            backlog.waiting += 1
            return true
        }
        if hasRoom { thread.run { [self] in write(line) } }
    }

    /// Waits until all is written, at most for so long. The last thing that is done with it.
    public func finish(within limit: Duration) async { await thread.finish(within: limit) }

    private func write(_ line: Line) {
        write(format.text(line))
        let dropped = backlog.withLock { backlog in
            backlog.waiting -= 1
            // Not with every line, while more comes than is read.
            guard backlog.dropped > 0, backlog.waiting == 0 || .now - backlog.toldAt > .seconds(1) else { return 0 }
            defer { (backlog.dropped, backlog.toldAt) = (0, .now) }
            return backlog.dropped
        }
        guard dropped > 0 else { return }
        write(
            format.text(
                Line(
                    level: .warning, code: "log_dropped",
                    message: "\(dropped) log lines were dropped: nobody read standard error")))
    }

    /// Blocks while nobody reads; what cannot be written at all is lost.
    private func write(_ text: String) {
        var bytes = Array((text + "\n").utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&entry, 1, -1)
            } else if errno != EINTR {
                return
            }
        }
    }
}

extension LogLines.Format {
    private struct Object: Encodable {
        var at: String
        var level: String
        @OrNull var virtualRouter: String?
        @OrNull var code: String?
        var message: String
    }

    /// One line, whatever is in the message.
    func text(_ line: LogLines.Line) -> String {
        let message = line.message.split(omittingEmptySubsequences: false) {
            $0.isNewline || $0.asciiValue.map { $0 < 32 } ?? false
        }
        .joined(separator: " ")
        let router = line.router.map { "\($0): " } ?? ""
        switch self {
        case .text: return "\(WallClock.text(line.date)) \(line.level.rawValue) \(router)\(message)"
        case .journal: return "<\(line.level.syslog)>\(router)\(message)"
        case .json:
            return JSONText.encode(
                Object(
                    at: WallClock.text(line.date), level: line.level.rawValue, virtualRouter: line.router,
                    code: line.code, message: message))
        }
    }
}

extension Logger.Level {
    /// The journal's number (sd-daemon(3)).
    fileprivate var syslog: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

/// swift-log's way to `LogLines`.
private struct LogSink: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    /// What is written is decided by `LogLines`, for all loggers at once.
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        func value(_ key: String) -> String? { (event.metadata?[key] ?? metadata[key]).map { "\($0)" } }
        lines.take(
            LogLines.Line(
                level: event.level, router: value("virtual_router"), code: value("code"), message: "\(event.message)"))
    }
}
