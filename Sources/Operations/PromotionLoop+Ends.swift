import RedisClient
import Replication

extension PromotionLoop {
    /// How long a demoted master's link is watched before the report is given; the promotion itself is over by then.
    private static let linkPatience: Duration = .milliseconds(1500)

    /// The report of a run that ended.
    func finish(_ outcome: Promotion.Outcome, _ progress: Progress) async -> OperationReport {
        if run.options.watchesLink, case .promoted(_, .demoted(.follow)) = outcome { await watchLink() }
        let local = "\(run.options.local.url)"
        let (result, code, reason, remedy) = outcome.verdict(
            local: local, master: "\(endpoint.url)", demotion: demotion)
        var report = await run.report(result, code, reason, remedy: remedy)
        if progress.isRestoreFailed {
            (report.result, report.exitCode) = (.failed, .unreachable)
            report.remedy = "\(endpoint.url) is nobody's master now: run SLAVEOF NO ONE there, or this command again"
        }
        if case .promoted(let opening, _) = outcome {
            report.evidence = opening.evidence
            report.loss = opening.loss
            if let raisedAt = await fence.raisedAt, let promotedAt = progress.promotedAt {
                report.writeGap = promotedAt - raisedAt
            }
        }
        if case .refused(let refusal) = outcome {
            report.loss = refusal.prospectiveLoss
            report.reasonCode = refusal.code
        }
        return report
    }

    /// The command that has the old master follow the new one, for the operator to paste.
    private var demotion: String {
        let local = run.options.local
        var peer = local.url
        if let follow { peer.address = .tcp(host: follow.host, port: follow.port) }
        return "syncgate demote --local \(endpoint.url.addressText) --peer \(peer.addressText)"
            + endpoint.loginOptions(with: local)
    }

    /// Says how the old master's link to the new one came up, so that a missing `masterauth` is not found days later.
    private func watchLink() async {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < Self.linkPatience {
            do throws(ServerTrouble) {
                let link = try await master.observe("replication").info.masterLink
                if let link, link.isUp {
                    run.recorder.record("link_up", "the old master's link to the new one is up")
                    return
                }
                if link?.fullResync != nil {
                    run.recorder.record("full_resync", "the old master receives a full copy from the new one")
                    return
                }
            } catch {
                return run.recorder.record("link_unknown", "the old master \(endpoint.url): \(error)")
            }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return }
        }
        run.recorder.record(
            "link_down", "the old master's link is not up yet; if it stays so, look at its masterauth and its log")
    }

    /// What the first changing action would have been; nil for actions that only look.
    func dryRun(_ action: Promotion.Action, _ progress: Progress) async -> OperationReport? {
        let local = "\(run.options.local.url)"
        switch action {
        case .gate(.sample):
            return nil
        case .gate(.fenceMaster):
            if let refusal = progress.promotion.overridden {
                run.recorder.record(
                    "would_promote", "would override: \(refusal); \(endpoint.url) would keep its data, read-only")
                var report = await run.report(
                    .promoted, .lossPossible, "\(local) would be promoted (dry run, nothing was changed)")
                report.loss = refusal.prospectiveLoss
                return report
            }
            run.recorder.record(
                "would_promote",
                "would fence writes on \(endpoint.url), wait until \(local) has applied them, "
                    + (run.options.keepMaster ? "" : "make \(endpoint.url) follow it, ") + "and promote it")
            return await run.report(.promoted, .done, "\(local) would be promoted (dry run, nothing was changed)")
        case .demoteMaster, .promoteLocal:
            guard case .demoting(let opening, _) = progress.promotion.state else {
                return await wouldPromoteUnfenced(progress, local: local)
            }
            return await wouldPromote(opening, local: local)
        case .finish(let outcome):
            var report = await finish(outcome, progress)
            report.isDryRun = true
            return report
        case .gate, .restoreMaster, .disconnectClients, .releaseFence:
            return nil
        }
    }

    private func wouldPromoteUnfenced(_ progress: Progress, local: String) async -> OperationReport {
        guard case .promoting(let opening, _) = progress.promotion.state else {
            return await run.report(.promoted, .done, "\(local) would be promoted (dry run, nothing was changed)")
        }
        return await wouldPromote(opening, local: local)
    }

    private func wouldPromote(_ opening: SyncGate.Opening, local: String) async -> OperationReport {
        run.recorder.record("would_promote", "would send SLAVEOF NO ONE to \(local)")
        var report = await run.report(
            .promoted, opening.loss.isPossible ? .lossPossible : .done,
            "\(local) would be promoted (dry run, nothing was changed)")
        report.evidence = opening.evidence
        report.loss = opening.loss
        return report
    }
}

extension Refusal {
    /// What promoting all the same would have lost.
    fileprivate var prospectiveLoss: Loss {
        switch self {
        case .lag(let bytes), .fenceBroken(let bytes), .lossAboveLimit(let bytes?, _): .exact(bytes: bytes)
        case .aborted: .none
        case .masterHeard, .contactLost, .masterAbsent: .unknown(.neverSampled)
        default: .unknown(.notComparable)
        }
    }
}
