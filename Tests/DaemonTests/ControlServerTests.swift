import Failover
import Foundation
import Synchronization
import Testing

@testable import Daemon

@Suite struct ControlServerTests {
    /// A server whose answer to a line tells how long it was; `slow` is answered late, `large` with a lot.
    private func server(_ folder: TestFolder, _ limits: ControlServer.Limits = .init()) async throws -> ControlServer {
        let socket = try ControlSocket(.init(socket: "\(folder.path)/control.sock"))
        return try await ControlServer(socket.descriptor, limits: limits) { line in
            let text = String(decoding: line, as: UTF8.self)
            if text == "slow" { try? await Task.sleep(for: .milliseconds(300)) }
            return text == "large" ? String(repeating: "x", count: 4 << 20) : "\(text):\(line.count)"
        }
    }

    @Test func `requests are answered in their order, however they arrive`() async throws {
        let folder = try TestFolder()
        let server = try await server(folder)
        let client = try TestClient(folder)
        client.send("slow\nb\n\nc")
        client.send("d\n")
        #expect(client.lines(4) == ["slow:4", "b:1", ":0", "cd:2"])
        await server.close()
    }

    @Test func `one who has no more to say gets its answer, and is let go`() async throws {
        let folder = try TestFolder()
        let server = try await server(folder)
        let client = try TestClient(folder)
        client.send("slow\nb\n")
        client.endSending()
        #expect(client.lines(3) == ["slow:4", "b:1", "closed"])
        let idle = try TestClient(folder)
        idle.endSending()
        #expect(idle.lines(1) == ["closed"])
        await server.close()
    }

    @Test func `a request that is too long ends its client alone`() async throws {
        let folder = try TestFolder()
        let server = try await server(folder)
        let other = try TestClient(folder)
        for (client, request) in try [
            (TestClient(folder), String(repeating: "x", count: 65_537)),
            (TestClient(folder), String(repeating: "x", count: 65_537) + "\n"),
        ] {
            client.send(request)
            #expect(
                client.lines(2) == [
                    #"{"error":{"code":"too_long","text":"a request has at most 65536 bytes"},"history":null,"order":null,"status":null}"#,
                    "closed",
                ])
        }
        let longest = String(repeating: "x", count: 65_536)
        other.send(longest + "\n")
        #expect(other.lines(1) == ["\(longest):65536"])
        await server.close()
    }

    @Test func `one who does not read holds up nobody`() async throws {
        let folder = try TestFolder()
        let server = try await server(folder)
        let lazy = try TestClient(folder)
        for _ in 0..<1000 { lazy.send("large\n") }
        try await Task.sleep(for: .milliseconds(200))
        let client = try TestClient(folder)
        let start = ContinuousClock.now
        client.send("hello\n")
        #expect(client.lines(1) == ["hello:5"])
        #expect(ContinuousClock.now - start < .seconds(3))
        await server.close()
    }

    @Test func `a client that is silent is let go, one that waits is not`() async throws {
        let folder = try TestFolder()
        let server = try await server(folder, .init(idle: .milliseconds(200)))
        let silent = try TestClient(folder)
        let waiting = try TestClient(folder)
        waiting.send("slow\n")
        #expect(silent.lines(1) == ["closed"])
        #expect(waiting.lines(1) == ["slow:4"])
        await server.close()
    }

    @Test func `there is room for so many clients`() async throws {
        let folder = try TestFolder()
        let server = try await server(folder, .init(clients: 2))
        let first = try TestClient(folder)
        let second = try TestClient(folder)
        first.send("a\n")
        second.send("b\n")
        #expect(first.lines(1) == ["a:1"] && second.lines(1) == ["b:1"])
        let third = try TestClient(folder)
        #expect(third.lines(2).first?.contains(#""code":"too_many_clients""#) == true)
        first.end()
        #expect(
            try await eventually {
                let fourth = try TestClient(folder)
                fourth.send("c\n")
                return fourth.lines(1) == ["c:1"]
            })
        await server.close()
    }

    @Test func `closing ends all`() async throws {
        let folder = try TestFolder()
        let server = try await server(folder)
        let client = try TestClient(folder)
        client.send("a\n")
        #expect(client.lines(1) == ["a:1"])
        await server.close()
        #expect(client.lines(1) == ["closed"])
        #expect(throws: (any Error).self) { try TestClient(folder) }
    }
}

/// A client of a control socket, which blocks its thread, at most 5 s.
final class TestClient {
    private let socket: Int32
    private var received: [UInt8] = []

    struct Failure: Error {}

    init(_ folder: TestFolder) throws {
        socket = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard UnixAddress("\(folder.path)/control.sock").with({ connect(socket, $0, $1) }) == 0 else {
            close(socket)
            throw Failure()
        }
        _ = fcntl(socket, F_SETFL, O_NONBLOCK)
    }

    deinit { close(socket) }

    func end() { shutdown(socket, Int32(SHUT_RDWR)) }

    /// Nothing more will be sent, answers are still read.
    func endSending() { shutdown(socket, Int32(SHUT_WR)) }

    /// As much of it as the socket takes.
    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Foundation.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// The next lines; `closed` where there is no more, `nothing` after 5 s.
    func lines(_ count: Int) -> [String] {
        var lines: [String] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while lines.count < count {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(String(decoding: received[..<end], as: UTF8.self))
                received.removeFirst(end + 1)
                continue
            }
            var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 5000) > 0 else { return lines + ["nothing"] }
            let got = read(socket, &buffer, buffer.count)
            guard got > 0 else { return lines + ["closed"] }
            received += buffer[..<got]
        }
        return lines
    }
}
