import Synchronization

/// A value that comes once, from any thread, or not in time.
final class Reply<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value?, Never>)
        case given(Value?)
    }

    private let state = Mutex(State.open)

    /// The first one counts; nil: there will be none.
    func give(_ value: Value?) {
        let waiting: CheckedContinuation<Value?, Never>? = state.withLock { state in
            switch state {
            case .open:
                state = .given(value)
                return nil
            case .awaited(let continuation):
                state = .given(value)
                return continuation
            case .given: return nil
            }
        }
        waiting?.resume(returning: value)
    }

    /// Waits for it, at most for so long; nil where it did not come. Once.
    func value(within limit: Duration) async -> Value? {
        let timer = Task {
            try await Task.sleep(for: limit)
            give(nil)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            let early: Value?? = state.withLock { state in
                if case .given(let value) = state { return .some(value) }
                state = .awaited(continuation)
                return nil
            }
            if case .some(let value) = early { continuation.resume(returning: value) }
        }
    }
}
