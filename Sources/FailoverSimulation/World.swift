import Failover
import Replication
import VRRP

/// Everything there is in one simulation, and its time. One seed, one world; nothing in it depends on anything else.
final class World {
    let options: Simulation.Options
    var random: SeededRandom
    private(set) var now: Time = 0
    private var queue = EventQueue()
    var timeline = Timeline()
    var network: Network
    /// The pair; where there is a stranger, that, and the machine that it may take for its peer, which is never on.
    var hosts: [Host] = []
    var clients: [Client] = []
    let stranger: Stranger?
    let witnesses: Witnesses?
    var audit = Audit()
    var totals = Simulation.Totals()
    var linkNumber = 0
    var processNumber = 0
    var operations: [Int: ObjectIdentifier] = [:]
    /// Whether Redis starts with `slaveof 127.0.0.1 1` (config/redis-syncgate.conf).
    var hasBootFence = true
    private(set) var failure: Simulation.Failure?
    private(set) var lines: [String] = []
    private let epoch = ContinuousClock().systemEpoch

    init(_ options: Simulation.Options, seed: UInt64) {
        self.options = options
        random = SeededRandom(seed)
        stranger = Stranger.drawn(seed: seed, options)
        witnesses = Witnesses.drawn(seed: seed, options)
        network = Network(hosts: stranger == nil ? 2 : Self.mostHosts, clients: 2)
    }

    // MARK: Time

    func at(_ time: Time, _ job: @escaping EventQueue.Job) { queue.schedule(at: max(time, now), job) }

    func after(_ delay: Time, _ job: @escaping EventQueue.Job) { queue.schedule(at: now + max(delay, 0), job) }

    /// As the nodes see it.
    func instant(_ time: Time) -> Instant { epoch + .microseconds(time) }

    var instant: Instant { instant(now) }

    /// The first microsecond that is not before this.
    func time(_ instant: Instant) -> Time {
        let (seconds, attoseconds) = (instant - epoch).components
        return seconds * 1_000_000 + (attoseconds + 999_999_999_999) / 1_000_000_000_000
    }

    func span(_ duration: Duration) -> Time {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }

    /// Runs until the time has come, until nothing is left to do, or until something has failed.
    func run(until end: Time) {
        while failure == nil, let next = queue.nextTime, next <= end, let (time, job) = queue.take() {
            now = time
            totals.steps += 1
            job(self)
            watch()
        }
        if failure == nil { now = max(now, end) }
    }

    // MARK: Telling

    /// Notes a line for the trace; the text is made only where one is wanted.
    func note(_ host: Int?, _ text: @autoclosure () -> String) {
        guard options.isTracing else { return }
        let who = host.map { "node\($0 + 1)" } ?? "-----"
        lines.append("\(now.text) \(who) \(text())")
    }

    /// An invariant does not hold. Only the first one counts.
    func fail(_ invariant: Simulation.Invariant, _ text: @autoclosure () -> String) {
        guard failure == nil else { return }
        let text = text()
        failure = Simulation.Failure(invariant: invariant, text: text, seconds: Double(now) / 1e6)
        note(nil, "VIOLATION \(invariant.rawValue): \(text)")
    }
}
