internal import CLinuxNet
internal import Glibc
internal import VRRP

/// Memory for a number of packets, filled by one call of recvmmsg(2) and used again and again.
struct ReceiveBatch: ~Copyable {
    /// Packets per call.
    static let capacity = 32
    /// Bytes per packet. An advertisement has at most 1056 bytes over IPv4 with its header (255 addresses,
    /// version 2), and over IPv6 1448 (the 90 addresses that are allowed). A longer packet is cut off, and its length or checksum is wrong then.
    private static let slot = 2048
    /// Bytes of control messages per packet; hop limit and destination of IPv6 take 64.
    private static let controlSlot = 128

    private let headers: UnsafeMutablePointer<clinuxnet_mmsghdr>
    private let parts: UnsafeMutablePointer<iovec>
    private let names: UnsafeMutablePointer<sockaddr_in6>
    private let controls: UnsafeMutableRawPointer
    private let bytes: UnsafeMutableRawPointer

    init() {
        headers = .allocate(capacity: Self.capacity)
        parts = .allocate(capacity: Self.capacity)
        names = .allocate(capacity: Self.capacity)
        controls = .allocate(byteCount: Self.capacity * Self.controlSlot, alignment: 16)
        bytes = .allocate(byteCount: Self.capacity * Self.slot, alignment: 16)
        names.initialize(repeating: sockaddr_in6(), count: Self.capacity)
        for index in 0..<Self.capacity {
            parts[index] = iovec(iov_base: bytes + index * Self.slot, iov_len: Self.slot)
            headers[index] = clinuxnet_mmsghdr()
            headers[index].msg_hdr.msg_iov = parts + index
            headers[index].msg_hdr.msg_iovlen = 1
            headers[index].msg_hdr.msg_name = UnsafeMutableRawPointer(names + index)
            headers[index].msg_hdr.msg_control = controls + index * Self.controlSlot
        }
    }

    deinit {
        headers.deallocate()
        parts.deallocate()
        names.deallocate()
        controls.deallocate()
        bytes.deallocate()
    }

    /// Receives up to `limit` packets, without waiting; how many, or the kernel's number of what failed.
    mutating func fill(from socket: Int32, limit: Int) -> Result<Int, ErrorNumber> {
        let limit = min(limit, Self.capacity)
        for index in 0..<limit {
            // The kernel writes the actual lengths here.
            headers[index].msg_hdr.msg_namelen = socklen_t(MemoryLayout<sockaddr_in6>.size)
            headers[index].msg_hdr.msg_controllen = Self.controlSlot
        }
        let count = clinuxnet_recvmmsg(socket, headers, UInt32(limit), Int32(MSG_DONTWAIT), nil)
        return count < 0 ? .failure(.current) : .success(Int(count))
    }

    /// Calls `body` with the packet of this number: its message without IP header, source, destination and hop limit.
    /// A packet that the kernel cannot have made (an IPv4 header that is too short) is left out.
    func read(
        _ index: Int, family: AddressFamily,
        _ body: (_ message: Span<UInt8>, _ source: IPAddress, _ destination: IPAddress, _ hopLimit: UInt8) -> Void
    ) {
        let length = min(Int(headers[index].msg_len), Self.slot)
        let packet = UnsafeRawBufferPointer(start: bytes + index * Self.slot, count: length)
        switch family {
        case .ipv4: readIPv4(packet, body)
        case .ipv6: readIPv6(packet, index, body)
        }
    }

    /// The packet begins with its IPv4 header (RFC 791 §3.1): length in the low half of the first byte, in units of four
    /// bytes; TTL in byte 8, source in 12...15, destination in 16...19.
    private func readIPv4(
        _ packet: UnsafeRawBufferPointer, _ body: (Span<UInt8>, IPAddress, IPAddress, UInt8) -> Void
    ) {
        guard packet.count >= 20 else { return }
        let header = Int(packet[0] & 0x0f) * 4
        guard header >= 20, packet.count >= header else { return }
        let source = packet.loadUnaligned(fromByteOffset: 12, as: in_addr.self)
        let destination = packet.loadUnaligned(fromByteOffset: 16, as: in_addr.self)
        let message = UnsafeRawBufferPointer(rebasing: packet[header...]).bindMemory(to: UInt8.self)
        body(message.span, IPAddress(source), IPAddress(destination), packet[8])
    }

    /// The packet has no header; source, destination and hop limit come beside it. One that is missing is zero, which
    /// the codec rejects.
    private func readIPv6(
        _ packet: UnsafeRawBufferPointer, _ index: Int, _ body: (Span<UInt8>, IPAddress, IPAddress, UInt8) -> Void
    ) {
        var hopLimit: Int32 = 0
        var information = clinuxnet_in6_pktinfo()
        let header = headers + index
        withUnsafeMutablePointer(to: &header.pointee.msg_hdr) { header in
            _ = clinuxnet_control(
                header, Int32(IPPROTO_IPV6), IPV6_HOPLIMIT, &hopLimit, MemoryLayout<Int32>.size)
            _ = clinuxnet_control(
                header, Int32(IPPROTO_IPV6), IPV6_PKTINFO, &information,
                MemoryLayout<clinuxnet_in6_pktinfo>.size)
        }
        let message = packet.bindMemory(to: UInt8.self)
        body(
            message.span, IPAddress(names[index].sin6_addr), IPAddress(information.ipi6_addr),
            UInt8(truncatingIfNeeded: hopLimit))
    }
}
