import Failover
import Replication
import Testing
import VRRP

@testable import Daemon
@testable import Failover

/// What a node says of the other one.
@Suite struct PeerStatusTests {
    private let now = ContinuousClock.now

    /// Seen by node1: the other daemon in a state, heard as Active so long ago, or never.
    private func other(
        _ state: CoordinatorState?, heard age: Duration?, vrrp: VirtualRouter.StateName = .backup
    ) throws -> StatusReport.Node {
        let sighting = age.map {
            VirtualRouter.Sighting(address: .v4(0xc633_6402), priority: Priority(90), time: now - $0)
        }
        let status = NodeStatus(
            name: "redis", node: "node1", state: vrrp == .active ? .serving : .standby, since: now, reason: "why",
            vrrp: vrrp, priority: Priority(100), hasVirtualAddresses: vrrp == .active, lastHeard: sighting,
            peerDaemon: state.map { Presence(virtualRouterID: 51, node: "node2", state: $0, epoch: 1) }, epoch: 1)
        let report = StatusReport.Router(status, try Sample.router(Sample.smallest), now: now)
        #expect(report.nodes.map(\.isLocal) == [true, false])
        return report.nodes[1]
    }

    @Test func `who is paused and heard as Active has the addresses`() throws {
        let node = try other(.paused, heard: .milliseconds(100))
        #expect(node.hasVirtualAddresses == true)
        #expect(node.vrrp == "active")
        #expect([node.state, node.address, node.node] == ["paused", "198.51.100.2", "node2"])
    }

    @Test func `who is paused and not heard has none beside an Active node, and else nobody knows`() throws {
        #expect(try other(.paused, heard: nil, vrrp: .active).hasVirtualAddresses == false)
        #expect(try other(.paused, heard: nil).hasVirtualAddresses == nil)
        #expect(try other(.paused, heard: .seconds(2)).hasVirtualAddresses == nil)
        #expect(try other(.paused, heard: nil).vrrp == nil)
    }

    @Test(arguments: CoordinatorState.allCases)
    func `every other state says it itself`(_ state: CoordinatorState) throws {
        guard state != .paused else { return }
        let has = state == .serving || state == .handingOver
        #expect(try other(state, heard: nil).hasVirtualAddresses == has)
        #expect(try other(state, heard: nil, vrrp: .active).hasVirtualAddresses == has)
    }

    @Test func `nobody knows of a daemon that is not to be seen`() throws {
        let node = try other(nil, heard: nil)
        #expect(node.hasVirtualAddresses == nil && node.vrrp == nil && node.state == nil)
    }
}
