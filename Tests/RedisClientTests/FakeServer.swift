import NIOCore
import NIOPosix
import Synchronization

/// A TCP server that says what a test tells it to, over real loopback sockets.
struct FakeServer {
    /// What it does with every connection.
    enum Behaviour: Sendable {
        /// Sends the bytes at once when a client connects, then hangs up or not.
        case greeting([UInt8], hangsUp: Bool)
        /// Sends the bytes when the first bytes of the client have come, then hangs up or not.
        case answer([UInt8], hangsUp: Bool)
        /// Answers each piece that comes with the next of these, and writes down what came.
        case answers([[UInt8]], Log)
        /// As `answer`, one byte per segment.
        case drip([UInt8])
        /// Sends `prefix` and then `block` again and again, as fast as the client reads.
        case endless(prefix: [UInt8], block: [UInt8])
        /// Never says anything.
        case silence
    }

    /// What came over a connection.
    final class Log: Sendable {
        private let state = Mutex<(bytes: [UInt8], hasEnded: Bool)>(([], false))

        /// All of it.
        var received: String { state.withLock { String(decoding: $0.bytes, as: UTF8.self) } }
        /// Whether the client has closed it.
        var hasEnded: Bool { state.withLock(\.hasEnded) }

        fileprivate func note(_ bytes: [UInt8]) { state.withLock { $0.bytes += bytes } }
        fileprivate func end() { state.withLock { $0.hasEnded = true } }
    }

    let port: Int
    private let channel: any Channel

    static func start(_ behaviour: Behaviour) async throws -> FakeServer {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FakeServerHandler(behaviour))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return FakeServer(port: channel.localAddress!.port!, channel: channel)
    }

    func stop() async { try? await channel.close() }

    /// Starts one, runs `body` with its port, and stops it.
    static func with<Value: Sendable>(
        _ behaviour: Behaviour, isolation: isolated (any Actor)? = #isolation, _ body: (Int) async throws -> Value
    ) async throws -> Value {
        let server = try await start(behaviour)
        do {
            let value = try await body(server.port)
            await server.stop()
            return value
        } catch {
            await server.stop()
            throw error
        }
    }
}

private final class FakeServerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let behaviour: FakeServer.Behaviour
    private var hasAnswered = false
    private var pieces = 0

    init(_ behaviour: FakeServer.Behaviour) { self.behaviour = behaviour }

    func channelActive(context: ChannelHandlerContext) {
        if case .greeting(let bytes, let hangsUp) = behaviour { send(bytes, hangsUp: hangsUp, context: context) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .answers(_, let log) = behaviour { log.end() }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .answers(let answers, let log) = behaviour {
            log.note(Array(unwrapInboundIn(data).readableBytesView))
            if pieces < answers.count { send(answers[pieces], hangsUp: false, context: context) }
            pieces += 1
        }
        guard !hasAnswered else { return }
        hasAnswered = true
        switch behaviour {
        case .greeting, .silence, .answers: break
        case .answer(let bytes, let hangsUp): send(bytes, hangsUp: hangsUp, context: context)
        case .drip(let bytes): drip(bytes[...], context: context)
        case .endless(let prefix, let block):
            context.write(wrapOutboundOut(ByteBuffer(bytes: prefix)), promise: nil)
            fill(block, context: context)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .endless(_, let block) = behaviour, hasAnswered { fill(block, context: context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func send(_ bytes: [UInt8], hangsUp: Bool, context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        if hangsUp { context.close(promise: nil) }
    }

    private func drip(_ bytes: ArraySlice<UInt8>, context: ChannelHandlerContext) {
        guard let first = bytes.first else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: [first])), promise: nil)
        context.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(200)) {
            self.drip(bytes.dropFirst(), context: context)
        }
    }

    private func fill(_ block: [UInt8], context: ChannelHandlerContext) {
        let buffer = ByteBuffer(bytes: block)
        // A closed channel says that it is writable, for ever.
        while context.channel.isActive, context.channel.isWritable {
            context.write(wrapOutboundOut(buffer), promise: nil)
        }
        context.flush()
    }
}
