internal import Glibc

/// The number by which the kernel says why a call failed (`errno`).
public struct ErrorNumber: Error, RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The value of `errno`, positive.
    public let rawValue: Int32

    /// Any number.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// The number of the call that failed just now on this thread; anything called in between may change it.
    static var current: ErrorNumber { ErrorNumber(rawValue: errno) }

    /// EPERM: the rights are missing, or a packet filter (nftables) refused a packet that was sent.
    public static let notPermitted = ErrorNumber(rawValue: EPERM)
    /// EACCES.
    public static let accessDenied = ErrorNumber(rawValue: EACCES)
    /// ENODEV: no such interface.
    public static let noDevice = ErrorNumber(rawValue: ENODEV)
    /// ENXIO: the interface is there, but not for this family of addresses.
    public static let noDeviceOrAddress = ErrorNumber(rawValue: ENXIO)
    /// ENETDOWN: the interface is down.
    public static let networkDown = ErrorNumber(rawValue: ENETDOWN)
    /// ENETUNREACH: no route; for a multicast group as well when the interface is down.
    public static let networkUnreachable = ErrorNumber(rawValue: ENETUNREACH)
    /// EADDRINUSE.
    static let addressInUse = ErrorNumber(rawValue: EADDRINUSE)
    /// EADDRNOTAVAIL: no such address on the interface.
    public static let addressNotAvailable = ErrorNumber(rawValue: EADDRNOTAVAIL)
    /// EINVAL; for a packet that was sent: its source is not, or not yet, an address of this machine.
    public static let invalid = ErrorNumber(rawValue: EINVAL)
    /// ENOBUFS: a queue or buffer was full.
    public static let noBuffers = ErrorNumber(rawValue: ENOBUFS)
    /// EAGAIN: nothing there, or no room, and waiting was not wanted.
    public static let wouldBlock = ErrorNumber(rawValue: EAGAIN)
    /// EINTR: a signal came first.
    static let interrupted = ErrorNumber(rawValue: EINTR)
    /// ENOMEM.
    public static let noMemory = ErrorNumber(rawValue: ENOMEM)
    /// EMFILE: this process has too many files open.
    public static let tooManyFiles = ErrorNumber(rawValue: EMFILE)
    /// EOPNOTSUPP: the kernel does not know this.
    public static let notSupported = ErrorNumber(rawValue: EOPNOTSUPP)
    /// ENOENT: there is none, or the kernel lacks the module.
    public static let notFound = ErrorNumber(rawValue: ENOENT)
    /// EPROTO: an answer that makes no sense.
    static let protocolError = ErrorNumber(rawValue: EPROTO)

    /// `ENETDOWN (Network is down)`.
    public var description: String {
        let text = String(cString: strerror(rawValue))
        return Self.names[rawValue].map { "\($0) (\(text))" } ?? "error \(rawValue) (\(text))"
    }

    private static let names: [Int32: String] = [
        EPERM: "EPERM", EACCES: "EACCES", ENODEV: "ENODEV", ENXIO: "ENXIO", ENETDOWN: "ENETDOWN",
        ENETUNREACH: "ENETUNREACH", EHOSTUNREACH: "EHOSTUNREACH", EADDRNOTAVAIL: "EADDRNOTAVAIL", EINVAL: "EINVAL",
        ENOBUFS: "ENOBUFS", EAGAIN: "EAGAIN", EINTR: "EINTR", ENOMEM: "ENOMEM", EMFILE: "EMFILE", ENFILE: "ENFILE",
        EPROTO: "EPROTO", EEXIST: "EEXIST", EBUSY: "EBUSY", EBADF: "EBADF", EMSGSIZE: "EMSGSIZE",
        EADDRINUSE: "EADDRINUSE", EAFNOSUPPORT: "EAFNOSUPPORT", EPROTONOSUPPORT: "EPROTONOSUPPORT",
        EOPNOTSUPP: "EOPNOTSUPP", ENOPROTOOPT: "ENOPROTOOPT", ERANGE: "ERANGE", ENOENT: "ENOENT",
        EHOSTDOWN: "EHOSTDOWN", ECONNREFUSED: "ECONNREFUSED", ESRCH: "ESRCH", ENOSYS: "ENOSYS",
    ]
}
