internal import CLinuxNet
internal import Glibc

/// Asks the kernel about interfaces and addresses, and has it change them: one rtnetlink socket for requests, each of
/// which is answered before it returns (rtnetlink(7)). A request takes some ten microseconds, longer when somebody else
/// is changing the network at that moment. Changes need CAP_NET_ADMIN.
public struct Netlink: ~Copyable {
    private let socket: Descriptor
    private var sequence: UInt32 = 0
    private let buffer: UnsafeMutableRawBufferPointer
    /// Interfaces that have been told to promote secondary addresses.
    var promoting: Set<InterfaceIndex> = []

    /// Opens the socket, in the network namespace of the calling thread.
    public init() throws(SystemCallError) {
        let socket = try Descriptor.socket(AF_NETLINK, SOCK_RAW, protocol: NETLINK_ROUTE, .openNetlink)
        // Words beside numbers, without the request in every answer, and dumps of one interface alone. Kernels that do
        // not know one of these do without.
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK] {
            _ = socket.set(SOL_NETLINK, Int32(option), Int32(1))
        }
        self.socket = socket
        buffer = .allocate(byteCount: 64 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// The interface of this name; nil where there is none. Names have 1...15 bytes; there is none of other names.
    public mutating func link(named name: String) throws(SystemCallError) -> Link? {
        guard (1...15).contains(name.utf8.count) else { return nil }
        return try link(.findInterface(name)) { request in
            request.add(Int(IFLA_IFNAME), Array(name.utf8) + [0])
        }
    }

    /// The interface of this number; nil where there is none.
    public mutating func link(_ index: InterfaceIndex) throws(SystemCallError) -> Link? {
        try link(.findInterface("number \(index.rawValue)"), index) { _ in }
    }

    private mutating func link(
        _ attempt: SystemCallError.Attempt, _ index: InterfaceIndex = InterfaceIndex(rawValue: 0),
        _ fill: (inout NetlinkRequest) -> Void
    ) throws(SystemCallError) -> Link? {
        var body = ifinfomsg()
        body.ifi_index = index.rawValue
        var request = request(RTM_GETLINK, body: body)
        fill(&request)
        // Without counters: the answer is half as long.
        request.add(Int(IFLA_EXT_MASK), UInt32(RTEXT_FILTER_SKIP_STATS))
        var found: Link?
        let failure = transact(request) { message in found = Link(message) ?? found }
        switch failure?.code {
        case nil: return found
        case .noDevice: return nil
        default: throw SystemCallError(attempt, failure)
        }
    }

    /// A request with a sequence number of its own, to be answered or acknowledged.
    mutating func request(
        _ type: Int, flags: Int32 = NLM_F_ACK, body: some BitwiseCopyable
    ) -> NetlinkRequest {
        sequence &+= 1
        return NetlinkRequest(type, flags: flags, sequence: sequence, body: body)
    }

    /// Why the kernel refused.
    struct Failure {
        var code: ErrorNumber
        var text: String?
    }

    /// Sends the latest request, calls `body` with each message of the answer, and returns when the kernel has
    /// acknowledged it: nil, or why it refused.
    func transact(_ request: NetlinkRequest, _ body: (NetlinkMessage) -> Void = { _ in }) -> Failure? {
        let bytes = request.bytes
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

extension SystemCallError {
    init(_ attempt: Attempt, _ failure: Netlink.Failure?) {
        self.init(attempt, failure?.code ?? .protocolError, detail: failure?.text)
    }
}
