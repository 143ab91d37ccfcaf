import Glibc

/// One connection, with time-outs, for one thread. A reply is read as far as a client of the lab needs it.
final class Connection {
    enum Reply: Equatable {
        case text(String)
        case integer(Int)
        case list([Reply])
        case null
    }

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var start = 0
    /// How long an answer may take, ms.
    private let timeout: Int32

    /// Connects; `connectTimeout` and `timeout` in ms.
    init(to place: Place, connectTimeout: Int32, timeout: Int32) throws(ClientError) {
        self.timeout = timeout
        descriptor = try Connection.open(place, connectTimeout)
    }

    deinit { close(descriptor) }

    private static func open(_ place: Place, _ timeout: Int32) throws(ClientError) -> Int32 {
        let (family, address, length) = try sockaddrOf(place)
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw .system("socket", errno) }
        var yes: Int32 = 1
        if family != AF_UNIX { setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, 4) }
        let code = address.withUnsafeBytes { bytes in
            bytes.baseAddress.map { connect(descriptor, $0.assumingMemoryBound(to: sockaddr.self), length) } ?? -1
        }
        do throws(ClientError) {
            if code != 0 {
                guard errno == EINPROGRESS else { throw .system("connect", errno) }
                try wait(descriptor, POLLOUT, timeout)
                var (error, size) = (Int32(0), socklen_t(4))
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size)
                if error != 0 { throw .system("connect", error) }
            }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func sockaddrOf(_ place: Place) throws(ClientError) -> (Int32, [UInt8], socklen_t) {
        switch place {
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            let bytes = Array(path.utf8)
            guard bytes.count < 108 else { throw .usage("\(path) is too long") }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            return (AF_UNIX, withUnsafeBytes(of: address) { Array($0) }, socklen_t(MemoryLayout<sockaddr_un>.size))
        case .tcp(let host, let port) where host.contains(":"):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            guard inet_pton(AF_INET6, host, &address.sin6_addr) == 1 else { throw .usage("\(host) is no address") }
            return (AF_INET6, withUnsafeBytes(of: address) { Array($0) }, socklen_t(MemoryLayout<sockaddr_in6>.size))
        case .tcp(let host, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { throw .usage("\(host) is no address") }
            return (AF_INET, withUnsafeBytes(of: address) { Array($0) }, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }

    private static func wait(_ descriptor: Int32, _ events: Int32, _ timeout: Int32) throws(ClientError) {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        while true {
            let count = poll(&entry, 1, timeout)
            if count > 0 { return }
            if count == 0 { throw .timedOut }
            guard errno == EINTR else { throw .system("poll", errno) }
        }
    }

    /// Sends commands without waiting for answers.
    func send(_ commands: [[String]]) throws(ClientError) {
        var bytes: [UInt8] = []
        for command in commands {
            bytes += Array("*\(command.count)\r\n".utf8)
            for word in command { bytes += Array("$\(word.utf8.count)\r\n\(word)\r\n".utf8) }
        }
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                Glibc.send(descriptor, raw.baseAddress.map { $0 + sent }, raw.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                try Connection.wait(descriptor, POLLOUT, timeout)
            } else {
                throw .system("send", errno)
            }
        }
    }

    /// One command and its answer; an error of the server is thrown.
    @discardableResult
    func ask(_ command: [String]) throws(ClientError) -> Reply {
        try send([command])
        return try reply()
    }

    /// The next answer.
    func reply() throws(ClientError) -> Reply {
        let line = try line()
        let rest = String(line.dropFirst())
        switch line.first {
        case "+": return .text(rest)
        case "-": throw .refused(String(rest.prefix { $0 != " " }))
        case ":": return .integer(Int(rest) ?? 0)
        case "$":
            guard let count = Int(rest) else { throw .malformed(line) }
            return count < 0 ? .null : .text(String(decoding: try bytes(count + 2).dropLast(2), as: UTF8.self))
        case "*":
            guard let count = Int(rest) else { throw .malformed(line) }
            if count < 0 { return .null }
            var list: [Reply] = []
            for _ in 0..<count { list.append(try reply()) }
            return .list(list)
        default: throw .malformed(line)
        }
    }

    private func line() throws(ClientError) -> String {
        var search = start
        while true {
            if let end = buffer[search...].firstIndex(of: 10) {
                let line = String(decoding: buffer[start..<max(start, end - 1)], as: UTF8.self)
                start = end + 1
                return line
            }
            search = buffer.count
            let moved = try fill()
            search -= moved
        }
    }

    private func bytes(_ count: Int) throws(ClientError) -> ArraySlice<UInt8> {
        while buffer.count - start < count { _ = try fill() }
        start += count
        return buffer[start - count..<start]
    }

    /// Reads what is there, after waiting for it; returns by how much what is left of the buffer moved.
    private func fill() throws(ClientError) -> Int {
        let moved = start
        buffer.removeFirst(start)
        start = 0
        try Connection.wait(descriptor, POLLIN, timeout)
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count == 0 { throw .closed }
        if count < 0 { throw .system("recv", errno) }
        buffer += chunk[..<count]
        return moved
    }
}
