import Glibc
import Operations
import Replication

/// Asks a daemon through its control socket. Blocks the calling thread.
package enum ControlClient {
    /// Why there is no answer.
    package struct Trouble: Error, CustomStringConvertible {
        /// One sentence.
        package var description: String
    }

    /// Sends a request and waits for its answer, at most for so long.
    package static func ask(
        _ request: ControlRequest, socket path: String, limit: Duration
    ) throws(Trouble) -> ControlAnswer {
        guard path.utf8.count < 108 else { throw Trouble(description: "\(path): longer than a socket's path can be") }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw trouble("open a socket for", path) }
        defer { close(socket) }
        guard UnixAddress(path).with({ connect(socket, $0, $1) }) == 0 else {
            let (code, reason) = (errno, FileTrouble("reach the daemon at", path).description)
            let advice =
                code == EACCES
                ? "you need the rights of the socket's group" : "is 'syncgate daemon' running, with this socket?"
            throw Trouble(description: "\(reason); \(advice)")
        }
        let line = Array((JSONText.encode(request) + "\n").utf8)
        guard send(socket, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else { throw trouble("write to", path) }
        let answer = try receive(socket, path, until: .now + limit)
        do { return try JSONText.decode(ControlAnswer.self, from: answer) } catch {
            throw Trouble(description: "\(path): an answer that cannot be read; is the daemon of another version?")
        }
    }

    private static func receive(_ socket: Int32, _ path: String, until end: Instant) throws(Trouble) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.last != UInt8(ascii: "\n") {
            var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            let ready = poll(&entry, 1, Int32(min(max(end - .now, .zero), .seconds(1_000_000)).millisecondsRoundedUp))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw Trouble(description: "\(path): the daemon does not answer") }
            let count = read(socket, &buffer, buffer.count)
            guard count > 0 else { throw Trouble(description: "\(path): the daemon closed the connection") }
            bytes += buffer[..<count]
        }
        return bytes
    }

    private static func trouble(_ verb: String, _ path: String) -> Trouble {
        Trouble(description: FileTrouble(verb, path).description)
    }
}
