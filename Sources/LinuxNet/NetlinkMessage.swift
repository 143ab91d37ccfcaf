internal import CLinuxNet
internal import Glibc

/// A request to the kernel, written piece by piece (linux/netlink.h, linux/rtnetlink.h).
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +---------------------------------------------------------------+
///     |              length of the message with this header           |
///     +-------------------------------+-------------------------------+
///     |             type              |             flags             |
///     +-------------------------------+-------------------------------+
///     |                        sequence number                        |
///     +---------------------------------------------------------------+
///     |                  port of the sender; 0: the kernel            |
///     +---------------------------------------------------------------+
///     |           body: a structure that the type determines          |
///     +-------------------------------+-------------------------------+
///     |  length of the attribute (n)  |       type of attribute       |
///     +-------------------------------+-------------------------------+
///     |        content (n - 4 bytes), filled up to four bytes         |
///     +---------------------------------------------------------------+
///     |                        … more attributes                      |
///
/// Numbers are in the byte order of the machine; IP addresses in network byte order.
struct NetlinkRequest {
    private var buffer: [UInt8] = []

    init(_ type: Int, flags: Int32, sequence: UInt32, body: some BitwiseCopyable) {
        buffer.reserveCapacity(128)
        append(
            nlmsghdr(
                nlmsg_len: 0, nlmsg_type: UInt16(type), nlmsg_flags: UInt16(NLM_F_REQUEST | flags),
                nlmsg_seq: sequence, nlmsg_pid: 0))
        append(body)
    }

    /// Adds an attribute.
    mutating func add(_ type: Int, _ content: [UInt8]) {
        append(rtattr(rta_len: UInt16(4 + content.count), rta_type: UInt16(type)))
        buffer += content
        pad()
    }

    /// Adds an attribute that is a number or a structure.
    mutating func add(_ type: Int, _ content: some BitwiseCopyable) {
        add(type, withUnsafeBytes(of: content) { Array($0) })
    }

    /// Adds an attribute that consists of attributes.
    mutating func nest(_ type: Int, _ content: (inout NetlinkRequest) -> Void) {
        let start = buffer.count
        append(rtattr(rta_len: 0, rta_type: UInt16(type) | UInt16(NLA_F_NESTED)))
        content(&self)
        let length = UInt16(buffer.count - start)
        withUnsafeBytes(of: length) { buffer.replaceSubrange(start..<start + 2, with: $0) }
    }

    /// The whole message.
    var bytes: [UInt8] {
        var bytes = buffer
        withUnsafeBytes(of: UInt32(bytes.count)) { bytes.replaceSubrange(0..<4, with: $0) }
        return bytes
    }

    private mutating func append(_ value: some BitwiseCopyable) {
        withUnsafeBytes(of: value) { buffer.append(contentsOf: $0) }
        pad()
    }

    private mutating func pad() {
        while buffer.count % 4 != 0 { buffer.append(0) }
    }
}

/// A message from the kernel, within the buffer that it was received into. Lengths that do not fit end the reading.
struct NetlinkMessage {
    let type: UInt16
    let flags: UInt16
    let sequence: UInt32
    /// What follows the header.
    let payload: UnsafeRawBufferPointer

    /// Calls `body` with each message of a datagram, in order.
    static func forEach(in datagram: UnsafeRawBufferPointer, _ body: (NetlinkMessage) -> Void) {
        var rest = datagram
        while let header = rest.value(at: 0, as: nlmsghdr.self) {
            let length = Int(header.nlmsg_len)
            guard length >= MemoryLayout<nlmsghdr>.size, length <= rest.count else { return }
            let payload = UnsafeRawBufferPointer(rebasing: rest[MemoryLayout<nlmsghdr>.size..<length])
            body(
                NetlinkMessage(
                    type: header.nlmsg_type, flags: header.nlmsg_flags, sequence: header.nlmsg_seq, payload: payload))
            rest = rest.behind(length)
        }
    }

    /// Its body.
    func body<Body: BitwiseCopyable>(as type: Body.Type) -> Body? { payload.value(at: 0, as: type) }

    /// The attributes behind a body of this type, by their types. The last one of a type wins.
    func attributes<Body>(behind body: Body.Type) -> [Int: UnsafeRawBufferPointer] {
        Self.attributes(of: payload.behind(MemoryLayout<Body>.size))
    }

    /// The attributes in a run of bytes, by their types.
    static func attributes(of bytes: UnsafeRawBufferPointer) -> [Int: UnsafeRawBufferPointer] {
        var found: [Int: UnsafeRawBufferPointer] = [:]
        var rest = bytes
        while let header = rest.value(at: 0, as: rtattr.self) {
            let length = Int(header.rta_len)
            guard length >= MemoryLayout<rtattr>.size, length <= rest.count else { break }
            // The highest two bits say how the content is to be read.
            found[Int(header.rta_type & 0x3fff)] = UnsafeRawBufferPointer(
                rebasing: rest[MemoryLayout<rtattr>.size..<length])
            rest = rest.behind(length)
        }
        return found
    }
}

extension UnsafeRawBufferPointer {
    /// What stands there, wherever it is in memory; nil where it would reach beyond the end.
    func value<Value: BitwiseCopyable>(at offset: Int, as type: Value.Type) -> Value? {
        guard offset >= 0, offset <= count, count - offset >= MemoryLayout<Value>.size else { return nil }
        return loadUnaligned(fromByteOffset: offset, as: type)
    }

    /// Text up to the first zero byte.
    var text: String { String(decoding: prefix { $0 != 0 }, as: UTF8.self) }

    /// What follows so many bytes, and what fills them up to a multiple of four.
    fileprivate func behind(_ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[Swift.min((length + 3) & ~3, count)...])
    }
}
