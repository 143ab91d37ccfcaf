import Foundation
import Testing

@testable import Daemon

@Suite struct ServiceNotificationTests {
    /// What arrives at a socket of this address.
    private func received(_ address: String, path: String, _ body: (ServiceNotification) -> Void) -> String {
        let socket = Foundation.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(socket) }
        var place = sockaddr_un()
        place.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count + (bytes.first == 0 ? 0 : 1))
        let bound = withUnsafePointer(to: place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
        }
        guard bound == 0 else { return "bind: \(errno)" }
        body(ServiceNotification(socket: address))
        var buffer = [UInt8](repeating: 0, count: 1000)
        let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }

    @Test func `a path and an abstract name`() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/notify"
        #expect(received(path, path: path) { $0.send("READY=1", "STATUS=well") } == "READY=1\nSTATUS=well")
        let name = "@syncgate-test-\(getpid())"
        #expect(received(name, path: name) { $0.send("WATCHDOG=1") } == "WATCHDOG=1")
    }

    @Test(arguments: ["", "relative", "/nowhere/socket", String(repeating: "/x", count: 100)])
    func `nobody there is no trouble`(address: String) { ServiceNotification(socket: address).send("READY=1") }

    @Test func `nobody waits for a full queue`() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/notify"
        let start = ContinuousClock.now
        _ = received(path, path: path) { service in for _ in 0..<5000 { service.send("STATUS=again") } }
        #expect(ContinuousClock.now - start < .seconds(5))
    }
}
