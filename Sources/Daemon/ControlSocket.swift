import Glibc
import Operations

/// The control socket's file: made with its rights from the first moment on, and only where no other daemon listens.
struct ControlSocket: ~Copyable {
    /// Why there can be none.
    struct Trouble: Error, CustomStringConvertible {
        var description: String
    }

    /// The bound socket, which does not listen yet. Whoever takes it over closes it.
    let descriptor: Int32
    private let path: String
    /// Held as long as the daemon lives: of two that start at once, one gets it.
    private let lock: Int32

    init(_ configuration: DaemonConfiguration.Control) throws(Trouble) {
        let path = configuration.socket
        guard path.hasPrefix("/"), path.utf8.count < 108 else {
            throw Trouble(description: "\(path): a socket's path is absolute and has at most 107 bytes")
        }
        do throws(FileTrouble) {
            try Files.makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]), mode: 0o755)
        } catch { throw Trouble(description: "\(error)") }
        let lock = try Self.lock(path + ".lock", path)
        let descriptor: Int32
        do throws(Trouble) {
            try Self.removeStale(path)
            descriptor = try Self.bind(path, mode: configuration.mode)
            try Self.give(path, owner: configuration.owner, group: configuration.group)
        } catch {
            close(lock)
            throw error
        }
        (self.descriptor, self.path, self.lock) = (descriptor, path, lock)
    }

    /// Removes the file. The lock's file stays: removing it would let two processes hold locks of the same name.
    consuming func remove() {
        unlink(path)
        close(lock)
    }

    private static func lock(_ path: String, _ socket: String) throws(Trouble) -> Int32 {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw trouble("open", path) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            throw Trouble(description: "\(socket): another daemon listens there")
        }
        return file
    }

    /// Who connects finds out whether somebody listens.
    private static func removeStale(_ path: String) throws(Trouble) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw trouble("look at", path)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw Trouble(description: "\(path) is there, and is no socket")
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard probe >= 0 else { throw trouble("open a socket for", path) }
        defer { close(probe) }
        if UnixAddress(path).with({ connect(probe, $0, $1) }) == 0 || errno == EAGAIN {
            throw Trouble(description: "\(path): another process listens there")
        }
        guard errno == ECONNREFUSED else { throw trouble("connect to", path) }
        guard unlink(path) == 0 else { throw trouble("remove", path) }
    }

    private static func bind(_ path: String, mode: UInt32) throws(Trouble) -> Int32 {
        let made = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard made >= 0 else { throw trouble("open a socket for", path) }
        // The file gets the rights of the socket, less the umask: nobody comes in before they are set.
        let narrow = fchmod(made, 0o600)
        guard narrow == 0, UnixAddress(path).with({ Glibc.bind(made, $0, $1) }) == 0, chmod(path, mode) == 0 else {
            let failure = trouble("bind", path)
            close(made)
            throw failure
        }
        return made
    }

    private static func give(_ path: String, owner: String?, group: String?) throws(Trouble) {
        var (user, members) = (uid_t.max, gid_t.max)
        if let owner {
            guard let entry = getpwnam(owner) else { throw Trouble(description: "there is no user '\(owner)'") }
            user = entry.pointee.pw_uid
        }
        if let group {
            guard let entry = getgrnam(group) else { throw Trouble(description: "there is no group '\(group)'") }
            members = entry.pointee.gr_gid
        }
        guard user != .max || members != .max else { return }
        guard chown(path, user, members) == 0 else {
            let failure = FileTrouble("give away", path)
            unlink(path)
            guard failure.code == EPERM else { throw Trouble(description: failure.description) }
            throw Trouble(
                description:
                    "\(failure); leave out control.owner, which only root may set, and see that the daemon's user "
                    + "is in the group of control.group (usermod -aG)")
        }
    }

    private static func trouble(_ verb: String, _ path: String) -> Trouble {
        Trouble(description: FileTrouble(verb, path).description)
    }
}

/// The address of a unix socket, of at most 107 bytes.
struct UnixAddress {
    private var value = sockaddr_un()

    init(_ path: String) {
        value.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8.prefix(107))
        withUnsafeMutableBytes(of: &value.sun_path) { $0.copyBytes(from: bytes) }
    }

    func with<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: value) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
