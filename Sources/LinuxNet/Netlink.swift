internal import CLinuxNet
internal import Glibc

/// Asks the kernel about interfaces and addresses, and has it change them: one rtnetlink socket for requests, each of
/// which is answered before it returns (rtnetlink(7)). A request takes some ten microseconds, longer when somebody else
/// is changing the network at that moment. Changes need CAP_NET_ADMIN.
public struct Netlink: ~Copyable {
    private var socket: NetlinkSocket
    /// Interfaces that have been told to promote secondary addresses.
    var promoting: Set<InterfaceIndex> = []

    /// Opens the socket, in the network namespace of the calling thread.
    public init() throws(SystemCallError) {
        socket = try NetlinkSocket(protocol: NETLINK_ROUTE)
    }

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
        socket.request(type, flags: flags, body: body)
    }

    /// Sends the latest request; see `NetlinkSocket`.
    func transact(
        _ request: NetlinkRequest, _ body: (NetlinkMessage) -> Void = { _ in }
    ) -> NetlinkSocket.Failure? {
        socket.transact(request, body)
    }
}

extension SystemCallError {
    init(_ attempt: Attempt, _ failure: NetlinkSocket.Failure?) {
        self.init(attempt, failure?.code ?? .protocolError, detail: failure?.text)
    }
}
