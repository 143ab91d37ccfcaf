import NIOCore

/// Commands that leave in one write, and the one who waits for their replies.
struct PendingCommands: Sendable {
    /// The names of the commands, in order; never the arguments, which may hold a password.
    let names: [String]
    /// The commands as RESP.
    let bytes: ByteBuffer
    /// When the last reply must have come.
    let deadline: NIODeadline
    /// The deadline as it was asked for, for the message.
    let timeout: Duration
    /// Called exactly once, with one outcome per command.
    let completion: @Sendable ([Result<RedisReply, RedisError>]) -> Void
    /// The outcomes so far.
    var outcomes: [Result<RedisReply, RedisError>] = []

    /// Gives every command without a reply this error, and resumes the one who waits.
    consuming func fail(_ error: (String) -> RedisError) {
        for name in names[outcomes.count...] { outcomes.append(.failure(error(name))) }
        completion(outcomes)
    }
}

/// The last handler of a connection's pipeline: matches replies to commands, keeps the deadlines, and knows why the
/// connection ended.
///
/// Lives on its event loop alone. Everything pending is failed *before* the channel is closed, because closing TLS
/// to a frozen server takes time.
final class ReplyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let eventLoop: any EventLoop
    private var reader: RESPReader
    private var context: ChannelHandlerContext?
    private var pending = CircularBuffer<PendingCommands>()
    private var replies: [RedisReply] = []
    /// Whether messages may come that no command has asked for.
    private var isSubscribed = false
    /// The one timer, and when it fires. It is left running when a command completes in time, so that quick commands
    /// do not pay for arming and cancelling.
    private var timer: (task: Scheduled<Void>, deadline: NIODeadline)?
    /// Why the connection ended; nil while it lives.
    private var death: RedisError?
    private var mourners: [@Sendable (RedisError) -> Void] = []

    init(eventLoop: any EventLoop, limits: ReplyLimits) {
        self.eventLoop = eventLoop
        reader = RESPReader(limits: limits)
    }

    // MARK: For RedisConnection, on the event loop

    /// Sends commands. Their outcomes come in the order of the commands; on a dead connection, at once.
    func submit(_ commands: PendingCommands) {
        guard death == nil, let context else {
            let reason = death?.afterwards ?? .closed
            commands.fail { _ in reason }
            return
        }
        let bytes = commands.bytes
        let deadline = commands.deadline
        if commands.names.contains("SUBSCRIBE") { isSubscribed = true }
        pending.append(commands)
        arm(deadline)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    /// Calls `mourner` with the reason when the connection is dead.
    func awaitDeath(_ mourner: @escaping @Sendable (RedisError) -> Void) {
        if let death { mourner(death) } else { mourners.append(mourner) }
    }

    /// Ends the connection: pending commands whose deadline has passed have timed out, all others fail with `reason`.
    func end(_ reason: RedisError) {
        guard death == nil else { return }
        death = reason
        timer?.task.cancel()
        timer = nil
        let now = NIODeadline.now()
        while let commands = pending.popFirst() {
            let (timeout, isLate) = (commands.timeout, commands.deadline <= now)
            commands.fail { name in isLate ? .timedOut(command: name, after: timeout) : reason.afterwards }
        }
        for mourner in mourners { mourner(reason) }
        mourners = []
        context?.close(promise: nil)
    }

    // MARK: Deadlines

    private func arm(_ deadline: NIODeadline) {
        if let timer {
            guard deadline < timer.deadline else { return }
            timer.task.cancel()
        }
        let task = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.timerFired() }
        timer = (task, deadline)
    }

    private func timerFired() {
        timer = nil
        guard let first = pending.min(by: { $0.deadline < $1.deadline }) else { return }
        guard first.deadline <= .now() else { return arm(first.deadline) }
        end(.timedOut(command: first.names[first.outcomes.count], after: first.timeout))
    }

    // MARK: From the network

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(.closed)
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard death == nil else { return }
        let violation = unwrapInboundIn(data).withUnsafeReadableBytes { reader.read($0, into: &replies) }
        for reply in replies {
            if let complaint = deliver(reply) { return end(complaint) }
        }
        replies.removeAll(keepingCapacity: true)
        if let violation { end(violation) }
    }

    /// Gives a reply to the command that waits longest. Returns why the connection must end, or nil.
    private func deliver(_ reply: RedisReply) -> RedisError? {
        if isSubscribed, case .array(let parts) = reply, parts.count == 3, parts[0].text == "message" { return nil }
        guard !pending.isEmpty else {
            // A server with too many clients says so, unasked, before it hangs up.
            if case .error(let error) = reply { return .server(error) }
            return .protocolViolation("\(reply.kind) that no command had asked for")
        }
        if case .error(let error) = reply {
            pending[pending.startIndex].outcomes.append(.failure(.server(error)))
        } else {
            pending[pending.startIndex].outcomes.append(.success(reply))
        }
        guard let first = pending.first, first.outcomes.count == first.names.count else { return nil }
        pending.removeFirst()
        first.completion(first.outcomes)
        return nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Whatever else is wrong with a socket (reset, broken pipe, keep-alive) means that the peer is gone.
        end(TLSFailure.isAboutTLS(error) ? .tls(TLSFailure.reason(error)) : .closed)
    }
}
