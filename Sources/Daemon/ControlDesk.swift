import Failover
import Replication
import Synchronization

/// Answers the requests of the control socket, for all virtual routers of the daemon.
struct ControlDesk: Sendable {
    let routers: [RouterShell]
    let inbox: NodeInbox
    /// The answer to `status` but for its routers.
    let report: StatusReport

    /// The heartbeat's thread looks at its inbox in microseconds.
    static let lookLimit: Duration = .seconds(2)

    /// One line in, one line out.
    func answer(_ line: [UInt8]) async -> String {
        let request: ControlRequest
        do { request = try JSONText.decode(ControlRequest.self, from: line) } catch {
            return JSONText.encode(
                ControlAnswer.failure("bad_request", "expected a line such as {\"command\":\"status\"}"))
        }
        return JSONText.encode(await answer(request))
    }

    private func answer(_ request: ControlRequest) async -> ControlAnswer {
        switch request.command {
        case "status": return await status(request)
        case "history": return await history(request)
        default:
            guard let order = OperatorOrder(rawValue: request.command) else {
                let known = ["status", "history"] + OperatorOrder.allCases.map(\.rawValue)
                return .failure(
                    "unknown_command",
                    "unknown command '\(request.command)'; there are \(known.joined(separator: ", "))")
            }
            return await give(order, request)
        }
    }

    private func router(_ request: ControlRequest) -> Result<RouterShell, ControlRefusal> {
        let names = routers.map(\.name).joined(separator: ", ")
        guard let name = request.virtualRouter else {
            if routers.count == 1 { return .success(routers[0]) }
            return .failure(.unnamed("which virtual router? There are \(names)"))
        }
        guard let found = routers.first(where: { $0.name == name }) else {
            return .failure(.unknown("there is no virtual router '\(name)'; there are \(names)"))
        }
        return .success(found)
    }

    private func status(_ request: ControlRequest) async -> ControlAnswer {
        var wanted = routers
        if request.virtualRouter != nil {
            switch router(request) {
            case .success(let one): wanted = [one]
            case .failure(let refusal): return refusal.answer
            }
        }
        var report = report
        for router in wanted {
            let reply = Reply<NodeStatus>()
            inbox.post(.look(router: router.index) { reply.give($0.node.status(now: .now)) })
            guard let status = await reply.value(within: Self.lookLimit) else {
                return .failure("no_answer", "the heartbeat's thread does not answer")
            }
            report.virtualRouters.append(StatusReport.Router(status, router.configuration))
        }
        return ControlAnswer(error: nil, status: report, history: nil, order: nil)
    }

    private func history(_ request: ControlRequest) async -> ControlAnswer {
        switch router(request) {
        case .failure(let refusal): return refusal.answer
        case .success(let router):
            let limit = max(request.limit ?? 20, 0)
            guard let entries = await router.history(limit: limit) else {
                return .failure("no_answer", "the history cannot be read, or not in time; the log says why")
            }
            return ControlAnswer(error: nil, status: nil, history: entries, order: nil)
        }
    }

    private func give(_ order: OperatorOrder, _ request: ControlRequest) async -> ControlAnswer {
        switch router(request) {
        case .failure(let refusal): return refusal.answer
        case .success(let router):
            let reply = Reply<OrderAnswer>()
            let number = router.expectAnswer(reply)
            inbox.post(.event(.ordered(order, number: number), router: router.index))
            // The node itself gives up before that.
            let limit = router.configuration.node.timing.switchoverTimeout + .seconds(10)
            guard let answer = await reply.value(within: limit) else {
                router.forgetAnswer(number)
                return .failure("no_answer", "no answer within \(limit); see 'syncgate status'")
            }
            return ControlAnswer(
                error: nil, status: nil, history: nil,
                order: ControlAnswer.Order(
                    done: answer.isDone, text: answer.text, loss: HistoryEntry.LossText(answer.loss),
                    writeGapMs: answer.writeGap?.inMilliseconds))
        }
    }
}

private enum ControlRefusal: Error {
    case unnamed(String)
    case unknown(String)

    var answer: ControlAnswer {
        switch self {
        case .unnamed(let text): .failure("virtual_router_needed", text)
        case .unknown(let text): .failure("unknown_virtual_router", text)
        }
    }
}
