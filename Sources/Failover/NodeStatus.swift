public import VRRP

/// A node as one look shows it.
public struct NodeStatus: Sendable, Equatable {
    /// The virtual router's name.
    public var name: String
    /// This node's name.
    public var node: String
    /// The coordinator's state.
    public var state: CoordinatorState
    /// Since when.
    public var since: Instant
    /// One sentence: why it is in this state, e.g. what a fault waits for.
    public var reason: String
    /// The fault, in `fault`.
    public var fault: Fault?
    /// Where the election stands.
    public var vrrp: VirtualRouter.StateName
    /// Our priority at present.
    public var priority: Priority
    /// Whether the virtual addresses are on this node.
    public var hasVirtualAddresses: Bool
    /// The address that advertisements leave from; nil without one.
    public var address: IPAddress?
    /// The Active router that was heard last, while we are not Active.
    public var lastHeard: VirtualRouter.Sighting?
    /// What the local Redis said last.
    public var local: RedisReading?
    /// What the peer's Redis said last.
    public var peer: RedisReading?
    /// The other daemon, as far as it can be seen.
    public var peerDaemon: Presence?
    /// nil without witnesses.
    public var isWitnessReachable: Bool?
    /// An operation that is under way: what, in words.
    public var operation: String?
    /// How many promotions the pair has had, as far as this node knows.
    public var epoch: UInt64
}
