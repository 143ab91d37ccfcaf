/// Everything that can be seen of a pair from outside while something happens to it: a writer at the virtual address, the
/// addresses of both nodes, and which servers take writes.
public final class Onlooker: Sendable {
    /// What was seen.
    public struct Sight: Sendable, CustomStringConvertible {
        /// What the clients saw.
        public var writes: LabWriter.Account
        /// How long both nodes held the virtual address.
        public var twoAddresses: Duration
        /// How long both servers took writes.
        public var twoMasters: Duration

        public var description: String {
            let gap = writes.gap.map { "\($0 / .milliseconds(1)) ms" } ?? "none"
            return
                "acked \(writes.acked), lost \(writes.lost.map { "\($0)" } ?? "unknown"), gap \(gap), errors \(writes.errors), two addresses "
                + "\(twoAddresses / .milliseconds(1)) ms, two masters \(twoMasters / .milliseconds(1)) ms"
        }
    }

    /// The clients.
    public let writer: LabWriter
    private let logs: [AddressLog]
    private let masters: MasterWatch
    private let address: String

    /// Begins, and waits until writes are acknowledged.
    public init(
        _ lab: NetworkLab, nodes: [(NetworkLab.Leaf, LabRedis)], client: NetworkLab.Leaf, address: String,
        target: LabWriter.Target, writes: LabWriter.Settings = .init()
    ) async throws {
        var logs: [AddressLog] = []
        for (leaf, _) in nodes { logs.append(try await lab.watchAddresses(in: leaf)) }
        (self.logs, self.address) = (logs, address)
        masters = try await MasterWatch(lab, on: client, nodes.map(\.1))
        writer = try await LabWriter(lab, on: client, to: target, writes)
        try await writer.wait(for: 200)
    }

    /// Begins at a pair.
    public convenience init(_ pair: PairLab, _ writes: LabWriter.Settings = .init()) async throws {
        try await self.init(
            pair.lab, nodes: pair.nodes.map { ($0.leaf, $0.redis) }, client: pair.client, address: pair.address,
            target: .address(pair.endpoint), writes: writes)
    }

    /// Ends. Writes are looked up where the clients write to at the end, or on `server`.
    public func stop(since event: WallTime? = nil, lookingAt server: LabRedis? = nil) async throws -> Sight {
        let spans = try await masters.stop()
        let account = try await writer.stop(since: event, lookingAt: server)
        return Sight(
            writes: account, twoAddresses: AddressLog.overlap(logs[0], logs[1], of: address),
            twoMasters: MasterWatch.overlap(spans))
    }
}
