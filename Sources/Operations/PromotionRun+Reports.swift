import RedisClient
import Replication

extension PromotionRun {
    /// How the master lists the local server, and where it can reach it.
    struct AnnouncedAddress: Sendable {
        var listedAs: GateConditions.ReplicaAddress
        /// For `SLAVEOF`; `nil` where it cannot be told.
        var target: (host: String, port: Int)?
    }

    /// Finds the local server's address as the master sees it: `--announce`, or the master's own list, or the address
    /// that our connection to the master comes from (SyncGate runs beside the local server, or was given its name).
    func announcedAddress(
        master: Server, endpoint: Endpoint, info: ReplicationInfo?, local: ReplicationInfo
    ) async -> AnnouncedAddress {
        var ips: [String] = []
        var ports = [local.server?.port ?? 0].filter { $0 != 0 }
        if let announce = options.announce {
            ips.append(announce.host)
            ports.insert(announce.port, at: 0)
        }
        if case .tcp(let host, let port) = options.local.url.address {
            if !NetworkAddress.isLoopback(host) { ips.append(host) }
            if !ports.contains(port) { ports.append(port) }
        }
        if let address = await master.localAddress { ips.append(address) }
        if let host = endpoint.url.host, NetworkAddress.isLoopback(host) {
            ips += ["127.0.0.1", "::1", "localhost"]
        }
        let listed = (info?.replicas ?? []).filter { ports.contains($0.port) }
        // A sole entry is ours only if we follow that master for certain.
        let isSole =
            listed.count == 1 && local.masterLink?.isUp == true && (local.identity != nil || options.master == nil)
        let entry = listed.first { ips.contains($0.ip) } ?? (isSole ? listed[0] : nil)
        if let entry, !ips.contains(entry.ip) { ips.append(entry.ip) }
        let listedAs = GateConditions.ReplicaAddress(ips: ips, ports: ports)
        if let announce = options.announce { return AnnouncedAddress(listedAs: listedAs, target: announce) }
        if let entry { return AnnouncedAddress(listedAs: listedAs, target: (entry.ip, entry.port)) }
        let target = ips.first.flatMap { ip in ports.first.map { (ip, $0) } }
        return AnnouncedAddress(listedAs: listedAs, target: target)
    }

    /// A report with the steps so far.
    func report(
        _ result: OperationReport.Result, _ code: OperationReport.ExitCode, _ reason: String, remedy: String? = nil,
        loss: Loss = .none
    ) async -> OperationReport {
        recorder.report(result, code, reason, remedy: remedy, loss: loss, isDryRun: options.isDryRun)
    }

    func usageError(_ reason: String) async -> OperationReport { await report(.failed, .usage, reason) }

    func failure(_ reason: String, trouble: ServerTrouble) async -> OperationReport {
        await report(.failed, trouble.contact == nil ? .usage : .unreachable, reason)
    }
}

extension Promotion.Outcome {
    /// The report's result, exit code, reason and remedy. `demotion`: the command that has the old master follow the new one.
    func verdict(local: String, master: String, demotion: String) -> (
        OperationReport.Result, OperationReport.ExitCode, String, String?
    ) {
        switch self {
        case .alreadyMaster:
            return (.alreadyMaster, .done, "\(local) is master; somebody else promoted it meanwhile", nil)
        case .refused(let refusal):
            let code: OperationReport.ExitCode = if case .masterUnusable = refusal { .usage } else { .refused }
            return (.refused, code, "\(refusal)", refusal.remedy)
        case .failed(let failure):
            return (.failed, .unreachable, failure.reason(local: local, master: master), failure.remedy)
        case .promoted(let opening, let oldMaster):
            let isDone = !opening.loss.isPossible
            return (
                .promoted, isDone ? .done : .lossPossible, oldMaster.reason(local: local, master: master),
                oldMaster.remedy(demotion)
            )
        }
    }
}

extension Promotion.OldMaster {
    fileprivate func reason(local: String, master: String) -> String {
        switch self {
        case .demoted(.follow): "\(local) is master; the old master \(master) follows it"
        case .demoted(.park):
            "\(local) is master; the old master \(master) holds writes that it lacks, "
                + "and keeps them, read-only and following nobody"
        case .kept: "\(local) is master; the old master \(master) was left a master, as requested"
        case .lost(.dead): "\(local) is master; the old master \(master) is dead"
        case .lost(.silent): "\(local) is master; the old master \(master) does not answer and may still take writes"
        case .lost(.answering), .lost(.restarted):
            "\(local) is master; the old master \(master) could not be told to follow"
        }
    }

    fileprivate func remedy(_ demotion: String) -> String? {
        switch self {
        case .demoted(.follow): nil
        case .demoted(.park): "when those writes are not needed any more: \(demotion) --force"
        case .kept: "two masters take writes now; stop one of them"
        case .lost: "when it is back: \(demotion)"
        }
    }
}

extension Promotion.Failure {
    fileprivate func reason(local: String, master: String) -> String {
        switch self {
        case .localRefused(let words):
            "\(local) refused SLAVEOF NO ONE: \(words); \(master) is still the master"
        case .localDied:
            "\(local) died on the way; \(master) is still the master"
        case .localSilent(true):
            "\(local) does not answer, and may still execute SLAVEOF NO ONE; \(master) follows it and takes no writes"
        case .localSilent(false):
            "\(local) does not answer; \(master) was left as it is"
        case .masterSilent:
            "\(master) fell silent when it was told to follow; \(local) was not promoted"
        }
    }

    fileprivate var remedy: String {
        switch self {
        case .localSilent(true), .masterSilent: "run the command again; it finishes what was begun"
        case .localRefused, .localDied, .localSilent(false): "see to the local server, then run the command again"
        }
    }
}
