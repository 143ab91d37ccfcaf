import Failover
import Replication
import Salvage

/// Makes the local server follow the peer's with the engine's own decisions: looks, fences where it takes writes, looks once
/// more, and follows.
final class FollowJob {
    private let host: Int
    private let peer: Int
    private let purpose: Demotion.Purpose
    private let startedAt: Time
    private let finish: (World, OperationOutcome) -> Void
    private var isFenced = false
    private var discarded: Timeline.Missing?

    init(
        host: Int, peer: Int, accepting: RedisOrder.Discard, startedAt: Time,
        finish: @escaping (World, OperationOutcome) -> Void
    ) {
        self.host = host
        self.peer = peer
        self.startedAt = startedAt
        self.finish = finish
        purpose =
            switch accepting {
            case .nothing: .follow(accepting: .nothing)
            case .surplus: .follow(accepting: .surplus)
            case .kin: .follow(accepting: .kin)
            }
    }

    func start(_ world: World) { look(world) }

    private func end(
        _ world: World, _ result: OperationOutcome.Result, loss: Loss = .none, account: Rejoin.Account? = nil
    ) {
        let outcome = OperationOutcome(result, loss: loss, account: account, startedAt: world.instant(startedAt))
        guard isFenced else { return finish(world, outcome) }
        world.send(.unpause, from: host, to: host) { world, _ in self.finish(world, outcome) }
    }

    private func look(_ world: World) {
        world.send(.info, from: host, to: host) { world, ours in
            world.send(.info, from: self.host, to: self.peer) { world, theirs in
                guard case .reply(let own) = ours else {
                    return self.end(world, .failed(reason: "the local server does not answer"))
                }
                guard case .reply(let other) = theirs else {
                    return self.end(world, .failed(reason: "the peer does not answer"))
                }
                self.decide(world, own, other)
            }
        }
    }

    private func decide(_ world: World, _ own: ReplicationInfo, _ other: ReplicationInfo) {
        let decision = Demotion.decide(
            local: own, peer: other,
            peerFollowsLocal: other.masterLink.map { $0.host == World.address(host) } ?? false,
            localFollowsPeer: own.masterLink.map { $0.host == World.address(peer) } ?? false)
        switch Demotion.settle(decision, for: purpose, local: own, peer: other) {
        case .alreadyFollows: end(world, .done)
        case .swapRoles: end(world, .refused(code: "peer_is_replica", reason: "the peer follows the local server"))
        case .refuse(let reason): end(world, .refused(code: reason.code, reason: "\(reason)"))
        case .follow(let discarding):
            if own.masterLink == nil, !isFenced { fence(world) } else { follow(world, discarding, own.dataOffset) }
        }
    }

    private func fence(_ world: World) {
        world.send(.pause(.ms(750)), from: host, to: host) { world, response in
            guard case .reply = response else {
                return self.end(world, .refused(code: "fence_failed", reason: "no answer"))
            }
            self.isFenced = true
            self.look(world)
        }
    }

    private func follow(_ world: World, _ discarding: Demotion.Discarded, _ offset: Int64) {
        let executed = { (world: World) in self.discarded = world.auditFollow(of: self.host, master: self.peer) }
        world.send(.follow(peer), from: host, to: host, before: executed) { world, response in
            guard case .reply(let before) = response else { return self.end(world, .failed(reason: "no answer")) }
            var loss = discarding.loss
            if before.dataOffset > offset, case .exact(let bytes) = loss {
                loss = .exact(bytes: bytes + before.dataOffset - offset)
            }
            world.totals.follows += 1
            if let discarded = self.discarded { world.auditDiscard(discarded, by: self.host, reported: loss) }
            let missing = loss.bytes.map { LossAmendment(bytes: $0, commands: nil) }
            world.audit.discarded += missing?.bytes ?? 0
            self.end(world, .done, loss: loss, account: Rejoin.Account(missing: missing))
        }
    }
}

extension Demotion.Discarded {
    fileprivate var loss: Loss {
        switch self {
        case .nothing: .none
        case .bytes(let bytes): .exact(bytes: bytes)
        case .dataSet: .unknown(.notComparable)
        }
    }
}
