import Synchronization

/// Set once, for other threads to see: something is to come to its end, or has.
final class StopFlag: Sendable {
    private let flag = Atomic(false)

    /// Whether it was set; what was done before that is seen as well.
    var isSet: Bool { flag.load(ordering: .acquiring) }

    func set() { flag.store(true, ordering: .releasing) }
}
