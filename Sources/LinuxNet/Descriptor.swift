internal import CLinuxNet
internal import Glibc

/// A file descriptor that is closed when its owner goes.
struct Descriptor: ~Copyable, Sendable {
    let raw: Int32

    /// Takes over what a call returned; throws what the call failed with when that is negative.
    init(_ raw: Int32, _ attempt: @autoclosure () -> SystemCallError.Attempt) throws(SystemCallError) {
        guard raw >= 0 else {
            let code = ErrorNumber.current
            throw SystemCallError(attempt(), code)
        }
        self.raw = raw
    }

    deinit { close(raw) }

    /// A non-blocking socket that child processes do not inherit.
    static func socket(
        _ domain: Int32, _ type: __socket_type, protocol number: Int32,
        _ attempt: @autoclosure () -> SystemCallError.Attempt
    ) throws(SystemCallError) -> Descriptor {
        let flags = type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        return try Descriptor(Glibc.socket(domain, Int32(flags), number), attempt())
    }

    /// An eventfd at zero.
    static func eventCounter() throws(SystemCallError) -> Descriptor {
        try Descriptor(eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)), .openEventLoop)
    }

    /// Adds one to an eventfd: whoever watches it wakes up.
    func signal() {
        // It fails only when the counter is full, and then it is readable all the same.
        _ = eventfd_write(raw, 1)
    }

    /// Sets an eventfd to zero.
    func clear() {
        var count: eventfd_t = 0
        // EAGAIN when it is zero already.
        _ = eventfd_read(raw, &count)
    }

    /// setsockopt(2); the kernel's number of what failed, or nil.
    func set(_ level: Int32, _ name: Int32, _ value: some BitwiseCopyable) -> ErrorNumber? {
        withUnsafeBytes(of: value) { set(level, name, bytes: $0) }
    }

    /// The same for structures that Swift does not know to be plain bytes.
    func set(_ level: Int32, _ name: Int32, bytes: UnsafeRawBufferPointer) -> ErrorNumber? {
        setsockopt(raw, level, name, bytes.baseAddress, socklen_t(bytes.count)) == 0 ? nil : .current
    }

    /// Asks for a receive buffer of so many bytes: beyond the system's limit (net.core.rmem_max) with CAP_NET_ADMIN
    /// outside of user namespaces, else as much as the limit allows.
    func requestReceiveBuffer(_ size: Int32) {
        if set(SOL_SOCKET, SO_RCVBUFFORCE, size) != nil { _ = set(SOL_SOCKET, SO_RCVBUF, size) }
    }
}
