public import Replication
public import Salvage
public import VRRP

/// One change of the coordinator's state, with all that led to it: an entry of the history.
public struct Transition: Sendable, Equatable {
    /// Ascending; amended by later entries of the same number.
    public var number: Int
    /// The state before.
    public var from: CoordinatorState
    /// The state after.
    public var to: CoordinatorState
    /// A stable word, e.g. `redis_down`, `elected`, `switchover`.
    public var cause: String
    /// One sentence: why, with the evidence.
    public var reason: String
    /// Where the election stands after it.
    public var vrrp: VirtualRouter.StateName
    /// What it lost, where it promoted or followed; nil where nothing can have been lost.
    public var loss: Loss?
    /// What following has discarded, and what was kept of it; nil where nothing was made to follow.
    public var account: Rejoin.Account?
    /// The number of the pair's promotion that it was; nil for anything else.
    public var epoch: UInt64?
    /// From the fence to the promotion; nil without a fence.
    public var writeGap: Duration?
    /// Both positions at the gate.
    public var evidence: Evidence?
    /// When it began: what the times of the steps count from.
    public var startedAt: Instant
    /// The timeline, in order.
    public var steps: [Step]
}

/// Why a node takes no part in the election. Each has a way back, by itself.
public enum Fault: Sendable, Equatable {
    /// The local Redis is down. Back when it answers and has loaded.
    case redisDown(String)
    /// The local Redis is loading its data set, or receives a full copy from its master. Back when it is done.
    case redisLoading
    /// The local Redis cannot be used: the reason. Back when it can.
    case redisUnusable(String)
    /// The interface is down, or has no address. Back when it has one.
    case interfaceDown
    /// None of the witnesses answers: this node is cut off. Back when one does.
    case witnessUnreachable
    /// Both nodes have data that have nothing to do with each other. Back when the operator has decided: has promoted the
    /// server that is to be kept, or has made the other one follow it.
    case unrelatedDataSets(String)
    /// It was elected, and the gate refused. Tries again after a while; `remedy`: what the operator can do.
    case notPromotable(code: String, reason: String, remedy: String?)
    /// The local Redis is to follow the peer's, and cannot be made to. Tries again after a while.
    case cannotFollow(code: String, reason: String, remedy: String?)

    /// A stable word for programs.
    public var code: String {
        switch self {
        case .redisDown: "redis_down"
        case .redisLoading: "redis_loading"
        case .redisUnusable: "redis_unusable"
        case .interfaceDown: "interface_down"
        case .witnessUnreachable: "witness_unreachable"
        case .unrelatedDataSets: "unrelated_data_sets"
        case .notPromotable: "not_promotable"
        case .cannotFollow: "cannot_follow"
        }
    }
}

extension Fault: CustomStringConvertible {
    /// One sentence: what is the matter, and what it waits for.
    public var description: String {
        switch self {
        case .redisDown(let reason): "the local Redis is down: \(reason)"
        case .redisLoading: "the local Redis is loading its data set, or receives a full copy"
        case .redisUnusable(let reason): "the local Redis cannot be used: \(reason)"
        case .interfaceDown: "the interface is down, or has no address"
        case .witnessUnreachable: "no witness answers: this node is cut off"
        case .unrelatedDataSets(let reason):
            "\(reason); decide which one is to be kept ('syncgate status' says how)"
        case .notPromotable(_, let reason, _): "the local Redis was not promoted: \(reason)"
        case .cannotFollow(_, let reason, _): "the local Redis was not made to follow the peer's: \(reason)"
        }
    }
}

/// Which of the operator's programs is to be run.
public enum Hook: String, Sendable, Hashable, CaseIterable {
    /// This node serves now: it has the role and the addresses.
    case promote = "on_promote"
    /// This node does not serve any more, or joined as the standby.
    case demote = "on_demote"
    /// This node is in a fault state.
    case fault = "on_fault"
    /// The daemon stops.
    case stop = "on_stop"
}

/// What the operator asks for through the control socket.
public enum OperatorOrder: String, Sendable, Hashable, CaseIterable {
    /// Hand over to the other node, from whichever side.
    case switchover
    /// Watch and report, and move nothing.
    case pause
    /// Go on.
    case resume
}

/// The answer to an order, once it is carried out or refused.
public struct OrderAnswer: Sendable, Equatable {
    /// Whether it was carried out.
    public var isDone: Bool
    /// One sentence.
    public var text: String
    /// What it lost.
    public var loss: Loss
    /// From the fence to the promotion; nil without a fence.
    public var writeGap: Duration?

    /// Makes one.
    public init(isDone: Bool, text: String, loss: Loss = .none, writeGap: Duration? = nil) {
        self.isDone = isDone
        self.text = text
        self.loss = loss
        self.writeGap = writeGap
    }
}
