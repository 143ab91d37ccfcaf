import Failover
import NIOCore
import Operations
import RedisClient
import Replication

/// Watches one server: does what a `RedisWatch` says, on the event loop of the connections. Nothing here waits, and no task
/// is made while the server answers.
final class RedisMonitor {
    /// What there is to tell.
    enum News: Sendable {
        case reading(RedisReading)
        /// Names of presence channels; nil: the server does not tell, for this reason.
        case channels([String]?, reason: String)
    }

    private let eventLoop: any EventLoop
    private let endpoint: Endpoint
    private let executor: SideThread
    private let tell: @Sendable (News) -> Void
    private let questions: [RedisWatch.Question: PreparedCommands]
    private var watch: RedisWatch
    private var connection: RedisConnection?
    /// What is under way belongs to a connection of this number; anything else comes too late.
    private var generation = 0
    private var timer: (task: Scheduled<Void>, at: Instant)?
    private var isStopped = false

    /// Makes a monitor, on the event loop. `channels` is the pattern of the presence channels, where they are to be read.
    init(
        _ endpoint: Endpoint, _ settings: RedisWatch.Settings, channels: String, executor: SideThread,
        on eventLoop: any EventLoop, tell: @escaping @Sendable (News) -> Void
    ) {
        self.endpoint = endpoint
        self.eventLoop = eventLoop
        self.executor = executor
        self.tell = tell
        watch = RedisWatch(settings)
        var questions: [RedisWatch.Question: PreparedCommands] = [:]
        for number in 0..<8 {
            let question = RedisWatch.Question(
                isFull: number & 1 != 0, withChannels: number & 2 != 0, withRights: number & 4 != 0)
            let sections = question.isFull ? ["replication", "server", "persistence", "keyspace"] : ["replication"]
            var commands = sections.map { ["INFO", $0] }
            if question.withChannels { commands.append(["PUBSUB", "CHANNELS", channels]) }
            if question.withRights { commands.append(["SLAVEOF", "127.0.0.1", "no-port"]) }
            questions[question] = PreparedCommands(commands)
        }
        self.questions = questions
    }

    /// Begins.
    func start() { handle(.started) }

    /// Asks now, where nothing is asked already.
    func hurry() { handle(.hurried) }

    /// Takes over other timing.
    func apply(_ settings: RedisWatch.Settings) {
        watch.settings = settings
        arm()
    }

    /// Ends: tells nothing more.
    func stop() {
        isStopped = true
        timer?.task.cancel()
        timer = nil
        disconnect()
    }

    private func handle(_ event: RedisWatch.Event) {
        guard !isStopped else { return }
        for action in watch.handle(event, now: .now) {
            switch action {
            case .connect: connect()
            case .disconnect: disconnect()
            case .ask(let question): ask(question)
            case .post(let reading): tell(.reading(reading))
            case .channels(let names, let reason): tell(.channels(names, reason: reason))
            }
        }
        arm()
    }

    private func connect() {
        disconnect()
        let (own, number) = (NIOLoopBound(self, eventLoop: eventLoop), generation)
        // A connection whose server says nothing for that long is tried anew: a lost SYN is repeated after a second.
        let (endpoint, eventLoop, timeout) = (endpoint, eventLoop, max(watch.settings.downAfter, .milliseconds(250)))
        Task(executorPreference: executor) {
            let outcome: Result<RedisConnection, RedisError>
            do throws(RedisError) {
                outcome = .success(
                    try await RedisConnection.connect(to: endpoint.url, tls: endpoint.tls, timeout: timeout))
            } catch {
                outcome = .failure(error)
            }
            eventLoop.execute { own.value.opened(outcome, number) }
        }
    }

    private func opened(_ outcome: Result<RedisConnection, RedisError>, _ number: Int) {
        guard number == generation, !isStopped else {
            if case .success(let late) = outcome { late.abandon() }
            return
        }
        switch outcome {
        case .failure(let error): handle(.notConnected(error))
        case .success(let opened):
            connection = opened
            let own = NIOLoopBound(self, eventLoop: eventLoop)
            opened.whenClosed { own.value.closed(number, $0) }
            handle(.connected)
        }
    }

    private func closed(_ number: Int, _ error: RedisError) {
        guard number == generation else { return }
        connection = nil
        handle(.closed(error))
    }

    private func disconnect() {
        generation += 1
        connection?.abandon()
        connection = nil
    }

    private func ask(_ question: RedisWatch.Question) {
        guard let connection, let commands = questions[question] else { return }
        let (own, number) = (NIOLoopBound(self, eventLoop: eventLoop), generation)
        // The watch gives up earlier.
        connection.send(commands, timeout: watch.settings.downAfter * 4) { outcomes in
            guard own.value.generation == number else { return }
            own.value.handle(.answered(outcomes))
        }
    }

    /// Moving the timer costs less than waking up for nothing.
    private func arm() {
        guard !isStopped, let deadline = watch.deadline, deadline != timer?.at else { return }
        timer?.task.cancel()
        let pause = max(deadline - .now, .zero)
        let task = eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(pause / .nanoseconds(1)))) {
            self.timerFired()
        }
        timer = (task, deadline)
    }

    private func timerFired() {
        timer = nil
        if let deadline = watch.deadline, deadline <= .now { handle(.deadlineReached) } else { arm() }
    }
}
