import Foundation
import Glibc
import Synchronization

/// A TCP link between two servers that can be slow, late, frozen or cut: a thread for each direction, copying bytes.
public final class LinkProxy: Sendable {
    /// What the link does with the bytes.
    public struct Conditions: Sendable {
        /// Bytes per second towards the one who connected; `nil` for no limit.
        public var bytesPerSecond: Int?
        /// How much later bytes arrive, in each direction.
        public var delay: Duration
        /// Nothing moves, and nobody is told.
        public var isFrozen: Bool

        /// An undisturbed link, unless said otherwise.
        public init(bytesPerSecond: Int? = nil, delay: Duration = .zero, isFrozen: Bool = false) {
            self.bytesPerSecond = bytesPerSecond
            self.delay = delay
            self.isFrozen = isFrozen
        }
    }

    /// Where the proxy listens, on 127.0.0.1.
    public let port: Int
    private let target: Int
    private let listener: Int32
    private let state: Mutex<(conditions: Conditions, sockets: Set<Int32>, isOpen: Bool)>

    /// Listens on a free port and passes connections on to `target`.
    public init(to target: Int, conditions: Conditions = Conditions()) throws {
        self.target = target
        port = try FreePort.pick()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        state = Mutex((conditions, [], true))
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        guard Self.withAddress(port, { bind(listener, $0, $1) }) == 0, listen(listener, 64) == 0 else {
            throw RedisLabError.system("listen on \(port)", errno: errno)
        }
        Thread.detachNewThread { [self] in accept() }
    }

    /// Changes the link under way.
    public func set(_ conditions: Conditions) { state.withLock { $0.conditions = conditions } }

    /// Closes every connection and refuses new ones.
    public func cut() {
        state.withLock { state in
            state.isOpen = false
            for descriptor in state.sockets { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func accept() {
        while state.withLock({ $0.isOpen }) {
            let near = Glibc.accept(listener, nil, nil)
            guard near >= 0 else { continue }
            let far = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            guard Self.withAddress(target, { connect(far, $0, $1) }) == 0,
                state.withLock({ state in
                    state.sockets.formUnion([near, far])
                    return state.isOpen
                })
            else {
                close(near)
                close(far)
                continue
            }
            Thread.detachNewThread { [self] in copy(from: far, to: near, isLimited: true) }
            Thread.detachNewThread { [self] in copy(from: near, to: far, isLimited: false) }
        }
        close(listener)
    }

    /// Copies until one side ends, then ends both.
    private func copy(from source: Int32, to sink: Int32, isLimited: Bool) {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let limit = isLimited ? state.withLock { $0.conditions.bytesPerSecond } : nil
            let count = recv(source, &buffer, min(buffer.count, max((limit ?? .max) / 100, 1)), 0)
            guard count > 0 else { break }
            while state.withLock({ $0.conditions.isFrozen && $0.isOpen }) { usleep(1000) }
            let delay = state.withLock { $0.conditions.delay }
            if delay > .zero { usleep(UInt32(delay / .microseconds(1))) }
            guard send(sink, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
            if let limit { usleep(UInt32(Double(count) / Double(limit) * 1_000_000)) }
        }
        shutdown(source, Int32(SHUT_RDWR))
        shutdown(sink, Int32(SHUT_RDWR))
        // The last of the two threads closes both.
        let isLast = state.withLock { state in
            let isLast = !state.sockets.contains(source) || !state.sockets.contains(sink)
            state.sockets.subtract([source])
            return isLast
        }
        if isLast {
            close(source)
            close(sink)
        }
    }

    private static func withAddress(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
