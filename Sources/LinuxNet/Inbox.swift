internal import Synchronization

/// Messages from other threads to the one that runs an event loop: posting wakes the loop up. Never blocks for longer
/// than an array takes to append; the lock inherits priority, so that a real-time thread does not wait for an ordinary one.
///
/// Unbounded: who posts sees to it that there is an end.
public final class Inbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    private let counter: Descriptor

    /// An empty one.
    public init() throws(SystemCallError) {
        counter = try Descriptor.eventCounter()
    }

    /// Readable while there are messages; for `EventLoop.register`.
    public var fd: Int32 { counter.raw }

    /// Adds a message; from any thread.
    public func post(_ message: Message) {
        let isFirst = messages.withLock { messages in
            messages.append(message)
            return messages.count == 1
        }
        if isFirst { counter.signal() }
    }

    /// Everything posted so far, in the order of posting, and may be empty.
    public func take() -> [Message] {
        // The counter first: a message that is posted after the swap signals again.
        counter.clear()
        return messages.withLock { messages in
            let taken = messages
            messages = []
            return taken
        }
    }
}
