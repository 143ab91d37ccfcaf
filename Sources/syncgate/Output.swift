import ArgumentParser
import Daemon
import Glibc
import Operations
import Replication
import Synchronization

/// The formats that most commands have.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case pretty, json
}

/// Standard output and standard error.
enum Output {
    /// Gives standard input, output and error that were closed to /dev/null: whatever is opened next would get their numbers,
    /// and what is printed.
    static func fillDescriptors() {
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
    }

    /// One line to standard error.
    static func error(_ text: String) {
        write(text + "\n", to: 2)
    }

    /// Whether colour is wanted: a terminal, and no `NO_COLOR`.
    static let usesColor = isatty(1) == 1 && (getenv("NO_COLOR").map { $0.pointee == 0 } ?? true)

    /// Text in a colour of the terminal, where colour is wanted.
    static func colored(_ text: String, _ color: Color) -> String {
        usesColor ? "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// The colours used.
    enum Color: Int {
        case bold = 1
        case red = 31
        case green = 32
        case yellow = 33
    }

    /// Clears the screen, for a display that is shown again and again.
    static func clear() { write("\u{1B}[H\u{1B}[J") }

    private static let hasNoReader = Atomic(false)

    /// Whether the one who read standard output is gone (`| head -1`): what only prints may end.
    static var isUnread: Bool { hasNoReader.load(ordering: .relaxed) }

    /// Writes it all, whatever the descriptor thinks of it; errors end it, there is nobody to tell. Once a signal has ended
    /// the work (`StopSignal`), a reader that does not read is not waited for.
    static func write(_ text: String, to descriptor: Int32 = 1) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            guard waitUntilWritable(descriptor) else { return }
            // No more than a pipe that is writable takes without waiting.
            let count = bytes.prefix(Int(PIPE_BUF)).withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EPIPE, descriptor == 1 { hasNoReader.store(true, ordering: .relaxed) }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }

    private static let isAbandoned = Atomic(false)

    /// False where the work is over, and nobody has read for a second or two since.
    private static func waitUntilWritable(_ descriptor: Int32) -> Bool {
        guard !isAbandoned.load(ordering: .relaxed) else { return false }
        var patience = 2
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        while poll(&entry, 1, 1000) <= 0 {
            guard StopSignal.isReceived else { continue }
            guard patience > 0 else {
                isAbandoned.store(true, ordering: .relaxed)
                return false
            }
            patience -= 1
        }
        return true
    }

    /// A value as JSON, with sorted snake_case keys.
    static func json(_ value: some Encodable, pretty: Bool = true) -> String { JSONText.encode(value, pretty: pretty) }
}

/// Prints steps from a task of its own: who reports them is fencing writes and must not wait for a slow terminal.
struct StepPrinter {
    private let continuation: AsyncStream<Step>.Continuation
    private let task: Task<Void, Never>

    init(isSilent: Bool) {
        let (stream, continuation) = AsyncStream.makeStream(of: Step.self)
        self.continuation = continuation
        task = Task.detached {
            for await step in stream where !isSilent { Output.write(Self.line(step) + "\n") }
        }
    }

    /// Takes a step; returns at once.
    var report: @Sendable (Step) -> Void {
        { [continuation] step in continuation.yield(step) }
    }

    /// Waits until all is printed.
    func finish() async {
        continuation.finish()
        await task.value
    }

    private static func line(_ step: Step) -> String {
        let time = Quantity.decimal(step.at.inMilliseconds, 1)
        return String(repeating: " ", count: max(8 - time.count, 0)) + time + " ms  "
            + step.step.padding(to: 19) + " " + step.detail
    }
}

extension String {
    /// With spaces behind it, up to a width.
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(width - count, 0)) }

    /// With spaces before it, up to a width.
    func padding(from width: Int) -> String { String(repeating: " ", count: max(width - count, 0)) + self }
}
