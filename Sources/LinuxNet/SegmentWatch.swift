internal import Synchronization
public import VRRP

/// A `SegmentListener` on a thread of its own, which keeps a `SegmentSurvey`. The interface may go down and come back; one
/// that is deleted ends it.
public final class SegmentWatch: Sendable {
    private let shared: Shared
    private let thread: HeartbeatThread
    private let orders: Inbox<Void>

    /// What both threads look at.
    private final class Shared: Sendable {
        let survey = Mutex(SegmentSurvey())
        let isOver = Atomic(false)
        let failure = Mutex<SystemCallError?>(nil)
    }

    /// Listens on the interface of this name. Throws where there is none, or where the rights are missing.
    public init(interface: String) throws(SystemCallError) {
        var netlink = try Netlink()
        guard let link = try netlink.link(named: interface) else {
            throw SystemCallError(.findInterface(interface), .noDevice)
        }
        // Opened here, so that what is wrong is thrown; then it belongs to the thread.
        _ = try SegmentListener(interface: link)
        let shared = Shared()
        let orders = try Inbox<Void>()
        self.shared = shared
        self.orders = orders
        thread = try HeartbeatThread.start(name: "watch") { _ in
            do throws(SystemCallError) { try Self.listen(on: link, orders, shared) } catch {
                shared.failure.withLock { $0 = error }
            }
            shared.isOver.store(true, ordering: .releasing)
        }
    }

    private static func listen(
        on link: Link, _ orders: Inbox<Void>, _ shared: Shared
    ) throws(SystemCallError) {
        let loop = try EventLoop()
        // The monitor first: the interface is there, or its end is heard.
        let monitor = try LinkMonitor()
        let listener = try SegmentListener(interface: link)
        var failure: SystemCallError?
        try loop.register(orders.fd) { loop.stop() }
        try loop.register(monitor.fd) {
            do throws(SystemCallError) {
                guard try monitor.receive().contains(where: { $0.isEnd(of: link) }) else { return }
                failure = SystemCallError(.receiveAdvertisement(interface: link.name), .noDevice)
            } catch {
                failure = error
            }
            loop.stop()
        }
        try loop.register(listener.fd) {
            do throws(SystemCallError) {
                try listener.receive { message, header in
                    let packet = Result { () throws(PacketRejection) in
                        try Advertisement.decode(
                            message, from: header.source, to: header.destination, hopLimit: header.hopLimit)
                    }
                    shared.survey.withLock { $0.record(packet, from: header.source, now: .now) }
                }
            } catch {
                // An interface that is down says so once, and is heard again when it is up.
                guard error.code != .networkDown else { return }
                failure = error
                loop.stop()
            }
        }
        try loop.run()
        if let failure { throw failure }
    }

    /// What was heard so far.
    public var snapshot: SegmentSurvey { shared.survey.withLock { $0 } }

    /// Whether it has ended, by `stop` or by itself.
    public var isFinished: Bool { shared.isOver.load(ordering: .acquiring) }

    /// Ends it; returns at once.
    public func stop() { orders.post(()) }

    /// Waits for the end, and returns what it ended of; nil after `stop`.
    public func join() -> SystemCallError? {
        thread.join()
        return shared.failure.withLock { $0 }
    }
}

extension NetworkChange {
    /// Whether it says that this interface is gone.
    fileprivate func isEnd(of link: Link) -> Bool {
        if case .linkRemoved(let gone) = self { gone.index == link.index } else { false }
    }
}
