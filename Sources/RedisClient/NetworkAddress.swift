import NIOCore
import NIOPosix

/// The one thread that serves all connections. A thread per core would be idle, and slower to start: a command line
/// run is to take less than 50 ms.
enum ClientThread {
    /// Started with the first connection, and never stopped.
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
}

/// Addresses that need no resolver.
package enum NetworkAddress {
    /// The socket address of a numeric IPv4 or IPv6 address; nil for a name, and for an address with a zone.
    static func numeric(host: String, port: Int) -> SocketAddress? {
        do {
            return try SocketAddress(ipAddress: host, port: port)
        } catch {
            return nil
        }
    }

    /// Whether a name or address stands for the machine itself.
    package static func isLoopback(_ host: String) -> Bool {
        switch numeric(host: host, port: 0) {
        case .v4(let address)?: return UInt32(bigEndian: address.address.sin_addr.s_addr) >> 24 == 127
        case .v6(let address)?:
            let bytes = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
            let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10..<12].allSatisfy { $0 == 0xff }
            return isMapped ? bytes[12] == 127 : bytes[..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
        case .unixDomainSocket?, nil: return host == "localhost" || host.hasSuffix(".localhost")
        }
    }

    /// Whether the address of a server is one of this machine, for who sees himself under `own` on the way there; both as
    /// text. Of a unix socket both are nil. A port of a container that is forwarded to a loopback address looks so too.
    static func isOfThisMachine(_ address: String?, seenFrom own: String?) -> Bool {
        guard let address else { return own == nil }
        return address == own || isLoopback(address)
    }
}

/// A moment by which something must have happened.
extension NIODeadline {
    /// `timeout` from now. Longer than ten years is ten years: swift-nio counts nanoseconds in an Int64.
    static func after(_ timeout: Duration) -> NIODeadline { .now() + TimeAmount(clamping: timeout) }
}

extension TimeAmount {
    /// A duration in nanoseconds, between zero and ten years.
    init(clamping duration: Duration) {
        let clamped = min(max(duration, .zero), .seconds(315_360_000))
        let (seconds, attoseconds) = clamped.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
