import Glibc

/// Tells systemd how the service is (sd_notify(3)). Nothing where it was not started by it. Never waits: a message that
/// finds no room is lost.
struct ServiceNotification: Sendable {
    private let address: [UInt8]
    /// How often the watchdog wants to hear something; nil: it does not.
    let watchdogInterval: Duration?

    /// From the environment of this process.
    static var ofProcess: ServiceNotification {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        // WATCHDOG_PID names whom it is for, where it is not for everybody.
        let isOurs = variable("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        let interval = variable("WATCHDOG_USEC").flatMap { Int64($0) }.map { Duration.microseconds($0) }
        return ServiceNotification(socket: variable("NOTIFY_SOCKET") ?? "", watchdogInterval: isOurs ? interval : nil)
    }

    /// `socket`: a path, or a name behind an `@`; empty: nobody listens.
    init(socket: String, watchdogInterval: Duration? = nil) {
        var bytes = Array(socket.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        address = bytes.first == 0 || bytes.first == UInt8(ascii: "/") ? bytes : []
        self.watchdogInterval = watchdogInterval.flatMap { $0 > .zero ? $0 : nil }
    }

    /// Sends lines such as `READY=1`.
    func send(_ lines: String...) {
        guard !address.isEmpty, address.count < 108 else { return }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: address) }
        // A path ends with a zero byte; an abstract name with its length.
        let length = MemoryLayout<sa_family_t>.size + address.count + (address[0] == 0 ? 0 : 1)
        let text = Array(lines.joined(separator: "\n").utf8)
        withUnsafePointer(to: place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(socket, text, text.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
    }

    /// `RELOADING=1` needs the time of CLOCK_MONOTONIC beside it.
    func sendReloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1", "MONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }
}
