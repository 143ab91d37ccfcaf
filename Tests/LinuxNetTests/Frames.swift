import Glibc
import LinuxNet
import VRRP

/// One packet as a VRRP socket handed it over.
struct Received: Equatable, CustomStringConvertible {
    var message: [UInt8]
    var source: IPAddress
    var destination: IPAddress
    var hopLimit: UInt8

    var description: String { "\(source) → \(destination), \(hopLimit): \(message)" }
}

/// Whether a descriptor becomes readable within so many milliseconds.
func isReadable(_ fd: Int32, within milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) == 1
}

/// What arrives until there are so many packets, or nothing comes for 2 s.
func receive(_ count: Int, from socket: inout VRRPSocket, limit: Int = 256) throws -> [Received] {
    var received: [Received] = []
    while received.count < count, isReadable(socket.fd, within: 2000) {
        _ = try socket.receive(limit: limit) { message, source, destination, hopLimit in
            received.append(
                Received(
                    message: message.withUnsafeBufferPointer { Array($0) }, source: source, destination: destination,
                    hopLimit: hopLimit))
        }
    }
    return received
}

/// A VRRP message: type and version, virtual router, and then whatever. Its checksum is wrong on purpose.
func message(_ virtualRouter: UInt8, _ rest: [UInt8] = [100, 1, 0, 100, 0xba, 0xad, 198, 51, 100, 100]) -> [UInt8] {
    [0x31, virtualRouter] + rest
}

/// A whole Ethernet frame around a VRRP message, as anybody on the segment can forge it.
func frame(
    from source: IPAddress, to destination: IPAddress, mac: MACAddress? = nil, hopLimit: UInt8 = 255,
    message: [UInt8]
) -> [UInt8] {
    let target =
        mac?.bytes ?? (source.family == .ipv4 ? [0x01, 0, 0x5e, 0, 0, 0x12] : [0x33, 0x33, 0, 0, 0, 0x12])
    let ethernet = target + [0x02, 0, 0, 0, 0, 0x99]
    switch source.family {
    case .ipv4:
        let length = 20 + message.count
        var header: [UInt8] = [0x45, 0, UInt8(length >> 8), UInt8(length & 0xff), 0, 0, 0, 0, hopLimit, 112, 0, 0]
        header += source.bytes + destination.bytes
        var sum = stride(from: 0, to: 20, by: 2).reduce(0) { $0 + Int(header[$1]) << 8 + Int(header[$1 + 1]) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        header[10] = UInt8(~sum >> 8 & 0xff)
        header[11] = UInt8(~sum & 0xff)
        return ethernet + [0x08, 0x00] + header + message
    case .ipv6:
        let header: [UInt8] = [
            0x60, 0, 0, 0, UInt8(message.count >> 8), UInt8(message.count & 0xff), 112, hopLimit,
        ]
        return ethernet + [0x86, 0xdd] + header + source.bytes + destination.bytes + message
    }
}

/// Everything that passes an interface, as whole Ethernet frames.
struct Capture: ~Copyable {
    private let fd: Int32

    /// Opened in the network namespace of the calling thread.
    init(_ interface: InterfaceIndex) throws {
        fd = socket(AF_PACKET, Int32(SOCK_RAW.rawValue), 0)
        guard fd >= 0 else { throw LabError.system("packet socket") }
        // struct sockaddr_ll: family, protocol (all), interface, and what does not matter here.
        var address = [UInt8](repeating: 0, count: 20)
        address.withUnsafeMutableBytes {
            $0.storeBytes(of: UInt16(AF_PACKET), as: UInt16.self)
            $0.storeBytes(of: UInt16(0x0003).bigEndian, toByteOffset: 2, as: UInt16.self)
            $0.storeBytes(of: interface.rawValue, toByteOffset: 4, as: Int32.self)
        }
        let result = address.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { bind(fd, $0.baseAddress, 20) }
        }
        guard result == 0 else { throw LabError.system("bind packet socket") }
    }

    deinit { close(fd) }

    /// The first frame that satisfies the condition; nil when none has come within so many milliseconds.
    func first(within milliseconds: Int32 = 2000, where condition: ([UInt8]) -> Bool) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while isReadable(fd, within: milliseconds) {
            let count = recv(fd, &buffer, buffer.count, 0)
            if count > 0, condition(Array(buffer[..<count])) { return Array(buffer[..<count]) }
        }
        return nil
    }
}
