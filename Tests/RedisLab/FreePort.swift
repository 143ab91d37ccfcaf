import Glibc

/// TCP ports that nobody listens on.
public enum FreePort {
    /// A port of 127.0.0.1 below the ephemeral range, so that no outgoing connection takes it meanwhile.
    public static func pick() throws -> Int {
        for _ in 0..<200 {
            let port = Int.random(in: 11_000..<32_000)
            if canListen(on: port) { return port }
        }
        throw RedisLabError.system("no free port", errno: EADDRINUSE)
    }

    private static func canListen(on port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
