import Failover
import Replication
import VRRP

// Short words for the trace.

extension World {
    func isWorthTelling(_ event: Node.Event) -> Bool {
        switch event {
        case .network(.worked), .deadlineReached: false
        case .network(.packet(.success(let advertisement), _)):
            advertisement.priority == .resigning || options.isVerbose
        case .local(.observed), .peer(.observed): options.isVerbose
        default: true
        }
    }

    func brief(_ event: Node.Event) -> String {
        switch event {
        case .local(let reading): "local \(brief(reading))"
        case .peer(let reading): "peer \(brief(reading))"
        case .network(.packet(.success(let advertisement), let sender)):
            "advertisement of priority \(advertisement.priority) from \(sender)"
        case .peerDaemon(let presence): "the other daemon: \(presence.map(\.channel) ?? "not to be seen")"
        case .ended(let id, let outcome): "operation \(id) ended: \(outcome.result)"
        default: "\(event)"
        }
    }

    func brief(_ reading: RedisReading) -> String {
        switch reading {
        case .observed(let observation):
            observation.info.masterLink.map { "replica of \($0.host), \($0.isUp ? "up" : "down"), \($0.appliedOffset)" }
                ?? "master, \(observation.info.masterReplicationOffset)"
        case .dead: "dead"
        case .silent(let since): "silent since \(time(since).text)"
        case .busy: "busy"
        case .unusable(let why): "unusable: \(why)"
        }
    }

    func isWorthTelling(_ action: Node.Action) -> Bool {
        switch action {
        case .network(.send(let advertisement)): advertisement.priority == .resigning || options.isVerbose
        case .network(.report(.transition)): true
        case .network(.report), .network(.announce), .network(.add), .record, .run: options.isVerbose
        default: true
        }
    }

    func brief(_ action: Node.Action) -> String {
        switch action {
        case .network(.send(let advertisement)): "advertise priority \(advertisement.priority)"
        case .network(.remove): "remove the address"
        case .network(.report(let report)): "\(report)"
        case .redis(let order, let id): "order \(id): \(brief(order))"
        case .show(let presence): "show \(presence.channel)"
        case .log(let level, let code, let text): "log \(level) \(code): \(text)"
        case .remember(let memory):
            "remember epoch \(memory.epoch), \(memory.wasMaster ? "was master" : "was replica"), "
                + memory.lineage.map { "\($0.id):\($0.offset)" }.joined(separator: " ")
        case .answer(_, let answer): "answer \(answer.isDone ? "done" : "refused"): \(answer.text)"
        default: "\(action)"
        }
    }

    private func brief(_ order: RedisOrder) -> String {
        switch order {
        case .promote(let request):
            "promote, known master: \(request.knownMaster.map { "\($0.contact)" } ?? "none")"
        default: "\(order)"
        }
    }
}
