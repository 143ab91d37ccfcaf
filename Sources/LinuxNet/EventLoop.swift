internal import CLinuxNet
internal import Glibc
internal import Synchronization
public import VRRP

/// Waits for descriptors and for one deadline, on one thread: epoll, a timer and an eventfd.
///
/// Order, in rounds. Each round reads the clock, then polls, then calls the handler of every readable descriptor once,
/// and then, if the deadline had passed *when the clock was read*, `onDeadline`. So whatever lay in a socket when the
/// deadline passed has been offered to its handler before the deadline fires: a process that was suspended reads what
/// waited before it concludes that its peer is dead. Handlers read a bounded number of packets per call, and so a flood
/// delays a deadline by one such batch per descriptor, or, with the patience `untilSilent`, by at most `maximumRounds`.
///
/// A flood of single packets would make a round of each. After 16 rounds within a millisecond the loop therefore rests for
/// 0.2 ms between rounds, unless a deadline is near: what comes meanwhile is read at once.
///
/// Not for sharing: made, used and let go on one thread. Other threads have `stopper` and `Inbox`.
public final class EventLoop {
    /// How much of what waits is read before a deadline that has passed fires.
    public enum Patience: Sendable, Hashable {
        /// One batch of each descriptor: for deadlines by which something must be sent. A flood cannot hold them up.
        case oneRound
        /// Until nothing is readable, at most `maximumRounds` batches: for deadlines that conclude from silence, where a
        /// packet deep in a full socket may say the opposite.
        case untilSilent
    }

    /// With 256 packets per batch it covers more than a VRRP socket's buffer holds, and bounds what a flood that is
    /// faster than its reader can delay.
    public static let maximumRounds = 64

    /// When to call `onDeadline` next; nil for never. It becomes nil before `onDeadline` is called.
    public var deadline: Instant? {
        didSet { if deadline != oldValue { rounds = 0 } }
    }
    /// What the present deadline waits for.
    public var patience = Patience.oneRound
    /// Called on the loop's thread, never before the deadline.
    public var onDeadline: () -> Void = {}
    /// Ends `run` from any thread.
    public let stopper: Stopper

    private let poll: Descriptor
    private let timer: Descriptor
    /// What the timer is set to, and whether it has expired since.
    private var armed: Instant?
    private var hasExpired = false
    /// Rounds that the present deadline, which has passed, has been put off for.
    private var rounds = 0
    /// Rounds in which something was readable, within the millisecond that began then.
    private var quickRounds = 0
    private var quickSince = ContinuousClock.now
    /// Room for all that is watched, so that a round leaves nobody out.
    private var events = [epoll_event](repeating: epoll_event(), count: 2)
    /// By registration, not by descriptor: a number that is closed and opened again within a round is another thing.
    private var handlers: [UInt64: () -> Void] = [:]
    private var registrations: [Int32: UInt64] = [:]
    private var lastRegistration: UInt64 = 1
    private static let timerRegistration: UInt64 = 0
    private static let stopperRegistration: UInt64 = 1

    /// An event loop that watches nothing yet.
    public init() throws(SystemCallError) {
        poll = try Descriptor(epoll_create1(Int32(EPOLL_CLOEXEC)), .openEventLoop)
        timer = try Descriptor(
            timerfd_create(CLOCK_BOOTTIME, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK)), .openEventLoop)
        stopper = try Stopper()
        try watch(timer.raw, Self.timerRegistration)
        try watch(stopper.counter.raw, Self.stopperRegistration)
    }

    /// Calls `onReadable` in every round in which the descriptor is readable or has an error to report. It must read,
    /// must not block, and reads a bounded amount: what remains is offered again in the next round. A descriptor is
    /// registered at most once, and unregistered before it is closed.
    public func register(_ fd: Int32, _ onReadable: @escaping () -> Void) throws(SystemCallError) {
        lastRegistration += 1
        try watch(fd, lastRegistration)
        registrations[fd] = lastRegistration
        handlers[lastRegistration] = onReadable
        if events.count < handlers.count + 2 { events.append(epoll_event()) }
    }

    /// Its handler is not called any more, not even for what was polled in the present round.
    public func unregister(_ fd: Int32) {
        guard let registration = registrations.removeValue(forKey: fd) else { return }
        handlers[registration] = nil
        // It fails only where the descriptor has been closed, and then epoll has forgotten it already.
        epoll_ctl(poll.raw, EPOLL_CTL_DEL, fd, nil)
    }

    /// Runs until it is stopped. Throws only what epoll itself fails with, which is a mistake of this process.
    public func run() throws(SystemCallError) {
        while !stopper.isStopped {
            // The clock before the poll: see the contract above.
            let due = deadline.flatMap { $0 <= ContinuousClock.now ? $0 : nil }
            if due == nil { try arm() }
            let sawReadable = try pollOnce(waits: due == nil)
            // A handler may have moved the deadline.
            guard let due, deadline == due, !stopper.isStopped else {
                if sawReadable { restWhenFlooded() }
                continue
            }
            if patience == .untilSilent, sawReadable, rounds < Self.maximumRounds {
                rounds += 1
            } else {
                deadline = nil
                onDeadline()
            }
        }
    }

    /// Ends `run` after the present round; `stopper` does the same from any thread. Final: it does not run again.
    public func stop() { stopper.stop() }

    /// Whether a registered descriptor was readable.
    private func pollOnce(waits: Bool) throws(SystemCallError) -> Bool {
        let count = epoll_wait(poll.raw, &events, Int32(events.count), waits ? -1 : 0)
        guard count >= 0 else {
            let code = ErrorNumber.current
            if code == .interrupted { return false }
            throw SystemCallError(.waitForEvents, code)
        }
        var sawReadable = false
        for index in 0..<Int(count) {
            let registration = events[index].data.u64
            if registration == Self.timerRegistration { hasExpired = true }
            guard let handler = handlers[registration] else { continue }
            sawReadable = true
            handler()
        }
        return sawReadable
    }

    private func restWhenFlooded() {
        let now = ContinuousClock.now
        if quickSince.duration(to: now) >= .milliseconds(1) {
            quickSince = now
            quickRounds = 0
        }
        quickRounds += 1
        // The kernel may let a thread without real-time priority sleep a little longer.
        guard quickRounds > 16, deadline.map({ now + .microseconds(300) < $0 }) ?? true else { return }
        usleep(200)
    }

    private func arm() throws(SystemCallError) {
        // Setting it also ends its being readable. Should it have been early, it is set to the same moment again.
        guard hasExpired || armed != deadline else { return }
        var setting = itimerspec()
        if let deadline { setting.it_value = deadline.bootTime }
        guard timerfd_settime(timer.raw, Int32(TFD_TIMER_ABSTIME), &setting, nil) == 0 else {
            throw SystemCallError(.waitForEvents, .current)
        }
        armed = deadline
        hasExpired = false
    }

    private func watch(_ fd: Int32, _ registration: UInt64) throws(SystemCallError) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = registration
        guard epoll_ctl(poll.raw, EPOLL_CTL_ADD, fd, &event) == 0 else {
            throw SystemCallError(.watchDescriptor(fd), .current)
        }
    }

    /// Ends an event loop, from any thread and at any time.
    public final class Stopper: Sendable {
        fileprivate let counter: Descriptor
        private let flag = Atomic(false)

        fileprivate init() throws(SystemCallError) {
            counter = try Descriptor.eventCounter()
        }

        /// The loop ends after its present round; one that does not run yet, ends when it would begin.
        public func stop() {
            flag.store(true, ordering: .releasing)
            counter.signal()
        }

        fileprivate var isStopped: Bool { flag.load(ordering: .acquiring) }
    }
}

extension Instant {
    /// The same moment of CLOCK_BOOTTIME, which is the clock behind ContinuousClock on Linux, or a little earlier where
    /// the thread is interrupted right here; never zero, which would switch a timer off.
    fileprivate var bootTime: timespec {
        var boot = timespec()
        clock_gettime(CLOCK_BOOTTIME, &boot)
        let left = ContinuousClock.now.duration(to: self)
        let total = max(.seconds(boot.tv_sec) + .nanoseconds(boot.tv_nsec) + left, .nanoseconds(1))
        let (seconds, attoseconds) = total.components
        return timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    }
}
