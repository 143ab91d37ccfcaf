import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Serves the control socket. One request at a time per client, which is not read from before its answer has left: whoever
/// sends too much, or reads too slowly, holds up nobody but itself.
final class ControlServer: Sendable {
    /// What a client may do.
    struct Limits: Sendable {
        /// Bytes of a request.
        var request = 64 << 10
        /// Clients at a time.
        var clients = 64
        /// How long a client may keep silent, or leave an answer unread.
        var idle: Duration = .seconds(60)
    }

    private let channel: any Channel
    private let clients: Clients

    /// Those that are connected.
    fileprivate final class Clients: Sendable {
        private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

        /// False where there are too many.
        func add(_ channel: any Channel, limit: Int) -> Bool {
            channels.withLock { channels in
                guard channels.count < limit else { return false }
                channels[ObjectIdentifier(channel)] = channel
                return true
            }
        }

        func remove(_ channel: any Channel) {
            channels.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) }
        }

        func closeAll() { for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) } }
    }

    /// Listens on a bound socket, which it takes over. `answer` gets a line without its end, and gives one.
    init(
        _ descriptor: Int32, limits: Limits = Limits(), answer: @escaping @Sendable ([UInt8]) async -> String
    ) async throws {
        let clients = Clients()
        self.clients = clients
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let isWelcome = clients.add(channel, limit: limits.clients)
                    channel.closeFuture.whenComplete { _ in clients.remove(channel) }
                    let handler = ControlClientHandler(limits, isWelcome: isWelcome, answer: answer)
                    try channel.pipeline.syncOperations.addHandler(
                        IdleStateHandler(allTimeout: .nanoseconds(Int64(limits.idle / .nanoseconds(1)))))
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .childChannelOption(.maxMessagesPerRead, value: 1)
            // `echo … | socat` says that it has no more to say before it is answered.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .withBoundSocket(descriptor).get()
    }

    /// Ends it, and the connections of all clients.
    func close() async {
        do { try await channel.close().get() } catch {
            // It is closed already.
        }
        clients.closeAll()
    }
}

/// One client.
private final class ControlClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let limits: ControlServer.Limits
    private let isWelcome: Bool
    private let answer: @Sendable ([UInt8]) async -> String
    private var received: [UInt8] = []
    private var isAnswering = false
    private var hasEnded = false
    private var saysNoMore = false

    init(
        _ limits: ControlServer.Limits, isWelcome: Bool, answer: @escaping @Sendable ([UInt8]) async -> String
    ) {
        self.limits = limits
        self.isWelcome = isWelcome
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        if !isWelcome { refuse(context, "too_many_clients", "there are \(limits.clients) clients already") }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasEnded else { return }
        received += unwrapInboundIn(data).readableBytesView
        next(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { saysNoMore = true }
        if !isAnswering, saysNoMore || event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func next(_ context: ChannelHandlerContext) {
        guard !isAnswering, !hasEnded else { return }
        guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else {
            if received.count > limits.request {
                refuse(context, "too_long", "a request has at most \(limits.request) bytes")
            }
            return
        }
        guard end <= limits.request else {
            return refuse(context, "too_long", "a request has at most \(limits.request) bytes")
        }
        let line = Array(received[..<end])
        received.removeFirst(end + 1)
        isAnswering = true
        // Not read from until the answer has left.
        context.channel.setOption(.autoRead, value: false).whenFailure { _ in }
        let channel = context.channel
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        Task { [answer] in
            let text = await answer(line)
            channel.eventLoop.execute {
                let (handler, context) = bound.value
                handler.isAnswering = false
                context.writeAndFlush(handler.wrapOutboundOut(ByteBuffer(string: text + "\n"))).whenSuccess {
                    let (handler, context) = bound.value
                    handler.next(context)
                    if !handler.isAnswering, handler.saysNoMore {
                        context.close(promise: nil)
                    } else if !handler.isAnswering {
                        context.channel.setOption(.autoRead, value: true).whenFailure { _ in }
                    }
                }
            }
        }
    }

    private func refuse(_ context: ChannelHandlerContext, _ code: String, _ text: String) {
        hasEnded = true
        let line = JSONText.encode(ControlAnswer.failure(code, text)) + "\n"
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: line))).whenComplete { _ in
            bound.value.close(promise: nil)
        }
    }
}
