package import NIOCore
import NIOPosix

/// One connection to one server.
///
/// Commands may be sent from any task; replies come in the order of sending. Every command has a deadline, and the
/// first one missed closes the connection, because nothing that comes later could be matched any more. There is no
/// reconnecting here: who holds the connection decides about that. Dropping the last reference closes it.
public final class RedisConnection: Sendable {
    /// Where this connection leads.
    public let url: RedisURL
    /// Our own IP address on this connection as text, which is what the server sees; nil for a unix socket.
    public let localAddress: String?
    /// Whether the server is on this machine, as far as addresses tell: behind a unix socket, at a loopback address, or at the
    /// one that we have ourselves on this connection.
    public let isToThisMachine: Bool

    private let channel: any Channel
    private let handler: NIOLoopBound<ReplyHandler>

    private init(url: RedisURL, opened: OpenedChannel) {
        self.url = url
        channel = opened.channel
        handler = opened.handler
        localAddress = opened.channel.localAddress?.ipAddress
        isToThisMachine = NetworkAddress.isOfThisMachine(
            opened.channel.remoteAddress?.ipAddress, seenFrom: localAddress)
    }

    deinit { channel.close(promise: nil) }

    /// Connects, does the TLS handshake, and authenticates, all within `timeout`, name resolution included.
    ///
    /// With a password, `AUTH password` or `AUTH user password` is sent; a server that has no password is content
    /// (as with redis-cli), a wrong one is `.server` with code `wrongPass`. Over TLS without a password a `PING` is
    /// sent instead, because TLS 1.3 servers refuse a client certificate only after the handshake.
    public static func connect(
        to url: RedisURL, tls: TLSFiles = TLSFiles(), timeout: Duration
    ) async throws(RedisError) -> RedisConnection {
        try await connect(to: url, tls: tls, timeout: timeout, limits: ReplyLimits())
    }

    /// As the public form, with other limits for replies.
    package static func connect(
        to url: RedisURL, tls: TLSFiles = TLSFiles(), timeout: Duration, limits: ReplyLimits
    ) async throws(RedisError) -> RedisConnection {
        let start = ContinuousClock.now
        let client = url.usesTLS ? try TLSClient(files: tls, address: url.address) : nil
        let opened = try await OpenedChannel.open(
            url.address, tls: client, timeout: timeout - start.duration(to: .now), limits: limits,
            total: timeout)
        let connection = RedisConnection(url: url, opened: opened)
        do {
            try await connection.introduce(timeout: timeout - start.duration(to: .now))
        } catch {
            await connection.close()
            if case .timedOut = error { throw .connectTimedOut(after: timeout) }
            throw error
        }
        return connection
    }

    /// The first command, where one is needed.
    private func introduce(timeout: Duration) async throws(RedisError) {
        if let password = url.password {
            do {
                _ = try await send(["AUTH"] + (url.username.map { [$0] } ?? []) + [password], timeout: timeout)
            } catch .server(let error) where error.saysNoPasswordIsSet {
                // Nothing to prove to this server.
            }
        } else if url.usesTLS {
            do {
                _ = try await send(["PING"], timeout: timeout)
            } catch .server(let error) where error.code != .maxClients {
                // -NOAUTH, -LOADING and the like: the handshake is done, and the caller will see it himself.
            }
        }
    }

    /// Sends one command and returns its reply; an error reply is thrown as `.server`.
    ///
    /// `timeout` counts from the call to the complete reply. `arguments` starts with the command's name.
    public func send(_ arguments: [String], timeout: Duration) async throws(RedisError) -> RedisReply {
        try await pipeline([arguments], timeout: timeout)[0].get()
    }

    /// Sends all commands in one write, and returns one outcome each, in order.
    ///
    /// An error reply is the outcome of its own command only. One deadline holds for all: when it is missed, the
    /// commands without a reply have timed out.
    public func pipeline(_ commands: [[String]], timeout: Duration) async -> [Result<RedisReply, RedisError>] {
        if commands.isEmpty { return [] }
        let prepared = PreparedCommands(commands)
        return await withCheckedContinuation { completion in
            send(prepared, timeout: timeout) { completion.resume(returning: $0) }
        }
    }

    /// As `pipeline`, for arguments of any bytes.
    package func pipeline(bytes commands: [[[UInt8]]], timeout: Duration) async -> [Result<RedisReply, RedisError>] {
        if commands.isEmpty { return [] }
        let prepared = PreparedCommands(bytes: commands)
        return await withCheckedContinuation { completion in
            send(prepared, timeout: timeout) { completion.resume(returning: $0) }
        }
    }

    /// As `pipeline`, for commands that are sent again and again: encoded once, and without a task. `completion` is called
    /// on the connection's event loop, and must not wait.
    package func send(
        _ commands: PreparedCommands, timeout: Duration,
        completion: @escaping @Sendable ([Result<RedisReply, RedisError>]) -> Void
    ) {
        let pending = PendingCommands(
            names: commands.names, bytes: commands.bytes, deadline: .after(timeout), timeout: timeout,
            completion: completion)
        let handler = handler
        if handler.eventLoop.inEventLoop {
            handler.value.submit(pending)
        } else {
            handler.eventLoop.execute { handler.value.submit(pending) }
        }
    }

    /// The event loop that completions are called on: the same for all connections.
    package static var eventLoop: any EventLoop { ClientThread.group.next() }

    /// Closes the connection; commands without a reply fail with `.closed`. Returns when the socket is closed, over
    /// TLS at most 100 ms later. May be called again.
    public func close() async {
        let handler = handler
        handler.eventLoop.execute { handler.value.end(.closed) }
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            channel.closeFuture.whenComplete { _ in done.resume() }
        }
    }

    /// Calls `mourner` on the event loop when the connection is dead, with the reason; as `closed()`, without a task.
    package func whenClosed(_ mourner: @escaping @Sendable (RedisError) -> Void) {
        let handler = handler
        handler.eventLoop.execute { handler.value.awaitDeath(mourner) }
    }

    /// Sends commands whose answer is no reply, and gives all that comes from then on to another handler, which is made on
    /// the event loop. The connection can only be closed afterwards.
    func takeOver(
        _ commands: PreparedCommands,
        _ makeReader: @escaping @Sendable (any Channel) -> StreamReader
    ) {
        let (handler, channel) = (handler, channel)
        handler.eventLoop.execute {
            let reader = makeReader(channel)
            do {
                try channel.pipeline.syncOperations.addHandler(reader, position: .before(handler.value))
                channel.writeAndFlush(commands.bytes, promise: nil)
            } catch {
                // The connection has ended.
                reader.end()
            }
        }
    }

    /// Closes the connection, without waiting for it.
    package func abandon() {
        let handler = handler
        handler.eventLoop.execute { handler.value.end(.closed) }
    }

    /// Returns when the connection is dead, with the reason; at once when the server hangs up, whether a command is
    /// pending or not. After `close()` the reason is `.closed`.
    public func closed() async -> RedisError {
        let handler = handler
        return await withCheckedContinuation { mourner in
            handler.eventLoop.execute { handler.value.awaitDeath { mourner.resume(returning: $0) } }
        }
    }
}

/// Commands as they go over the wire.
package struct PreparedCommands: Sendable {
    let names: [String]
    let bytes: ByteBuffer

    /// Encodes commands, of which there must be at least one.
    package init(_ commands: [[String]]) {
        self.init(bytes: commands.map { $0.map { Array($0.utf8) } })
    }

    /// As above, for arguments of any bytes.
    package init(bytes commands: [[[UInt8]]]) {
        precondition(!commands.isEmpty, "there is something to send")
        var bytes = ByteBuffer()
        for command in commands { CommandEncoder.append(command, to: &bytes) }
        self.bytes = bytes
        names = commands.map { String(decoding: $0[0], as: UTF8.self) }
    }
}

/// A connected channel, with our handler at the end of its pipeline.
private struct OpenedChannel: Sendable {
    let channel: any Channel
    let handler: NIOLoopBound<ReplyHandler>

    /// Connects. `total` is the time-out to name in the error; `timeout` is what is left of it.
    static func open(
        _ address: RedisURL.Address, tls: TLSClient?, timeout: Duration, limits: ReplyLimits, total: Duration
    ) async throws(RedisError) -> OpenedChannel {
        let bootstrap = ClientBootstrap(group: ClientThread.group).connectTimeout(TimeAmount(clamping: timeout))
        let initializer: @Sendable (any Channel) -> EventLoopFuture<OpenedChannel> = { channel in
            channel.eventLoop.makeCompletedFuture { try OpenedChannel(adding: tls, limits: limits, to: channel) }
        }
        do {
            switch address {
            case .unix(let path):
                return try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: initializer)
            case .tcp(let host, let port):
                if let address = NetworkAddress.numeric(host: host, port: port) {
                    return try await bootstrap.connect(to: address, channelInitializer: initializer)
                }
                return try await bootstrap.connect(host: host, port: port, channelInitializer: initializer)
            }
        } catch {
            throw RedisError(connecting: error, timeout: total)
        }
    }

    private init(adding tls: TLSClient?, limits: ReplyLimits, to channel: any Channel) throws {
        if let tls { try channel.pipeline.syncOperations.addHandler(try tls.makeHandler()) }
        let handler = ReplyHandler(eventLoop: channel.eventLoop, limits: limits)
        try channel.pipeline.syncOperations.addHandler(handler)
        self.channel = channel
        self.handler = NIOLoopBound(handler, eventLoop: channel.eventLoop)
    }
}
