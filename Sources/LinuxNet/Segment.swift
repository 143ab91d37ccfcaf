internal import VRRP

/// One interface as some virtual routers use it: of one family, from one source, to the same peers, hence by one socket.
/// Belongs to the thread of its `RouterLoop`.
final class Segment {
    /// A packet that came, as far as it could be read.
    struct Packet {
        var content: Result<Advertisement, PacketRejection>
        var sender: IPAddress
        /// Whom it is about; nil for one that is too short to tell.
        var virtualRouterID: UInt8?
    }

    let interface: String
    private let family: AddressFamily
    private let peers: [IPAddress]
    private let source: IPAddress?
    private let minimumHopLimit: UInt8
    private var virtualRouterIDs: [VirtualRouterID] = []
    private var link: Link?
    private var socket: VRRPSocket?
    /// The address to send from; nil where there is none.
    private(set) var primaryAddress: IPAddress?

    /// What is read per round of the event loop, packets.
    private static let batch = 256

    init(_ configuration: StandaloneConfiguration) {
        interface = configuration.interface
        family = configuration.parameters.family
        peers = configuration.peers
        source = configuration.source
        minimumHopLimit = configuration.minimumHopLimit
    }

    /// Whether a router of this configuration can share it.
    func serves(_ configuration: StandaloneConfiguration) -> Bool {
        interface == configuration.interface && family == configuration.parameters.family
            && peers == configuration.peers && source == configuration.source
            && minimumHopLimit == configuration.minimumHopLimit
    }

    /// Takes a router on; before the socket is opened.
    func adopt(_ configuration: StandaloneConfiguration) {
        let id = configuration.parameters.virtualRouterID
        if !virtualRouterIDs.contains(id) { virtualRouterIDs.append(id) }
    }

    /// Looks at the interface and its addresses, of which `virtual` are not to be sent from. Returns whether it is
    /// another interface than before: gone, or made anew under the same name. What was seen before stays when it throws.
    @discardableResult
    func look(_ network: Network, except virtual: Set<IPAddress>) throws(SystemCallError) -> Bool {
        let previous = link?.index
        let found = try network.link(interface)
        var primary: IPAddress?
        if let found {
            let addresses = try network.addresses(of: found.index)
            primary =
                if let source {
                    addresses.contains { $0.address == source && $0.isUsable } ? source : nil
                } else {
                    InterfaceAddress.primary(family, among: addresses, except: virtual)
                }
        }
        (link, primaryAddress) = (found, primary)
        return found?.index != previous
    }

    /// Whether it can carry packets, and has an address to send them from.
    var isUsable: Bool { link?.isUsable == true && primaryAddress != nil }

    /// For the routers.
    var linkState: StandaloneRouter.LinkState {
        StandaloneRouter.LinkState(
            isUp: link?.isUsable == true && descriptor != nil, primaryAddress: primaryAddress, source: source)
    }

    /// The descriptor of the socket; nil while it is not open.
    var descriptor: Int32? { socket?.fd }

    /// Opens the socket and returns its descriptor; nil where the interface is away.
    func openSocket() throws(SystemCallError) -> Int32? {
        guard let link else { return nil }
        socket = try VRRPSocket(
            family: family, interface: link.index, peers: peers, virtualRouterIDs: virtualRouterIDs,
            minimumHopLimit: minimumHopLimit)
        return descriptor
    }

    /// Closes it.
    func closeSocket() { socket = nil }

    /// Packets that could have been valid and found no room in the socket's queue.
    var overruns: Int { Int(socket?.overruns ?? 0) }

    /// Sends an advertisement to the group, or to each peer. All are tried; the first failure is thrown.
    func send(_ advertisement: Advertisement, _ coverage: ChecksumCoverage) throws(SystemCallError) {
        guard let source = primaryAddress, descriptor != nil else {
            throw SystemCallError(.findInterface(interface), .networkDown)
        }
        var failure: SystemCallError?
        for destination in peers.isEmpty ? [.vrrpGroup(family)] : peers {
            let bytes = advertisement.encode(from: source, to: destination, coverage: coverage)
            do throws(SystemCallError) { try socket?.send(bytes, from: source, to: destination) } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// What waits, up to a batch.
    func receive() throws(SystemCallError) -> [Packet] {
        var packets: [Packet] = []
        _ = try socket?.receive(limit: Self.batch) { message, sender, destination, hopLimit in
            let content: Result<Advertisement, PacketRejection>
            do throws(PacketRejection) {
                content = .success(
                    try Advertisement.decode(
                        message, from: sender, to: destination, hopLimit: hopLimit, minimumHopLimit: minimumHopLimit))
            } catch {
                content = .failure(error)
            }
            packets.append(
                Packet(content: content, sender: sender, virtualRouterID: message.count > 1 ? message[1] : nil))
        }
        return packets
    }
}
