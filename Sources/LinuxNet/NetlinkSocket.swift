internal import CLinuxNet
internal import Glibc

/// A netlink socket for requests (netlink(7)): each is answered before it returns. What is asked is up to its owner.
struct NetlinkSocket: ~Copyable {
    private let socket: Descriptor
    private var sequence: UInt32 = 0
    private let buffer: UnsafeMutableRawBufferPointer

    /// Opens it, in the network namespace of the calling thread. `number` is one of `NETLINK_…`.
    init(protocol number: Int32) throws(SystemCallError) {
        let socket = try Descriptor.socket(AF_NETLINK, SOCK_RAW, protocol: number, .openNetlink)
        // Words beside numbers, without the request in every answer, and dumps of one interface alone. Kernels that do
        // not know one of these do without.
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
            _ = socket.set(SOL_NETLINK, Int32(option), Int32(1))
        }
        self.socket = socket
        buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// A request with a sequence number of its own, to be answered or acknowledged.
    mutating func request(
        _ type: Int, flags: Int32 = NLM_F_ACK, body: some BitwiseCopyable
    ) -> NetlinkRequest {
        sequence &+= 1
        return NetlinkRequest(type, flags: flags, sequence: sequence, body: body)
    }

    /// Requests of one type, one behind the other, for `transact`; the last one is to be acknowledged.
    mutating func batch(_ type: Int, _ bodies: some BidirectionalCollection<some BitwiseCopyable>) -> [UInt8] {
        sequence &+= 1
        var bytes: [UInt8] = []
        for (index, body) in bodies.enumerated() {
            let flags = index == bodies.count - 1 ? NLM_F_ACK : 0
            bytes += NetlinkRequest(type, flags: flags, sequence: sequence, body: body).bytes
        }
        return bytes
    }

    /// Throws away what is left of the answer to a batch.
    func drain() {
        while recv(socket.raw, buffer.baseAddress, buffer.count, 0) >= 0 || ErrorNumber.current == .interrupted {}
    }

    /// Why the kernel refused.
    struct Failure {
        var code: ErrorNumber
        var text: String?
    }

    /// Sends the latest request, calls `body` with each message of the answer, and returns when the kernel has
    /// acknowledged it: nil, or why it refused.
    func transact(_ request: NetlinkRequest, _ body: (NetlinkMessage) -> Void = { _ in }) -> Failure? {
        transact(request.bytes, body)
    }

    /// The same for requests one behind the other, of one sequence number, the last of which asks to be acknowledged.
    /// Of several that were refused, the first one tells why.
    func transact(_ bytes: [UInt8], _ body: (NetlinkMessage) -> Void = { _ in }) -> Failure? {
        guard send(socket.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            return Failure(code: .current)
        }
        while true {
            // The kernel works while the request is sent: the answer is there, or never comes.
            let count = recv(socket.raw, buffer.baseAddress, buffer.count, 0)
            guard count >= 0 else {
                let code = ErrorNumber.current
                if code == .interrupted { continue }
                return Failure(code: code)
            }
            var end: Failure??
            NetlinkMessage.forEach(in: UnsafeRawBufferPointer(rebasing: buffer[..<count])) { message in
                // Left over from a request that failed in the middle.
                guard message.sequence == sequence, end == nil else { return }
                switch Int(message.type) {
                case Int(NLMSG_ERROR), Int(NLMSG_DONE): end = .some(Self.outcome(message))
                default: body(message)
                }
            }
            if case .some(let outcome) = end { return outcome }
        }
    }

    /// NLMSG_ERROR carries a negative number, or zero when all is well, then the header of the request, then attributes;
    /// NLMSG_DONE carries the number, then attributes.
    private static func outcome(_ message: NetlinkMessage) -> Failure? {
        guard let code = message.body(as: Int32.self) else {
            return Int(message.type) == Int(NLMSG_DONE) ? nil : Failure(code: .protocolError)
        }
        guard code != 0 else { return nil }
        guard Int(message.type) == Int(NLMSG_ERROR), Int32(message.flags) & NLM_F_ACK_TLVS != 0 else {
            return Failure(code: ErrorNumber(rawValue: code < 0 ? 0 &- code : code))
        }
        let attributes = message.attributes(behind: nlmsgerr.self)
        return Failure(
            code: ErrorNumber(rawValue: code < 0 ? 0 &- code : code),
            text: attributes[Int(NLMSGERR_ATTR_MSG.rawValue)]?.text)
    }
}
