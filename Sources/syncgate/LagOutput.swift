import Daemon
import Operations
import Replication

/// Prints lag reports.
struct LagOutput {
    let format: LagFormat
    let warning: ThresholdArgument?
    let critical: ThresholdArgument?

    /// The report as text, with a final newline. `isFirst` asks for the head line of `tsv`.
    func text(_ report: LagReport, master: String, isFirst: Bool, isWatching: Bool) -> String {
        switch format {
        case .pretty: pretty(report, master: master)
        case .json: Output.json(LagJSON(report, master: master), pretty: !isWatching) + "\n"
        case .tsv: tsv(report, master: master, isFirst: isFirst)
        case .nagios: nagios(report).line + "\n"
        }
    }

    // MARK: pretty

    private func pretty(_ report: LagReport, master: String) -> String {
        let info = report.master
        let version = info.server.map { "Redis \($0.version)" } ?? ""
        var lines = [Output.colored("master \(master)", .bold) + "  \(version)  offset \(info.masterReplicationOffset)"]
        let writes = report.writeRate.map { "writes \(Quantity.bytes($0))/s" } ?? "write rate unknown"
        let backlog = "backlog \(Quantity.bytes(Double(info.backlog.size)))"
        let covers =
            info.backlog.isActive
            ? report.backlogCovers.map { "bridges an outage of \(Quantity.time($0)) at this rate" }
                ?? (report.writeRate == nil ? "" : "bridges any outage at this rate")
            : "is not active"
        lines += ["       \(writes), \(backlog) \(covers)", ""]
        guard !report.replicas.isEmpty else {
            return (lines + [Output.colored("no replica is connected: nothing to fail over to", .red), ""])
                .joined(separator: "\n")
        }
        let widest = max(report.replicas.map(\.address.count).max() ?? 0, 7)
        let width = min(widest, 26)
        lines.append(
            "REPLICA".padding(to: width) + "  LINK  STATE       LAG BYTES    LAG TIME   CATCH-UP RATE       ETA  SAFE")
        for replica in report.replicas { lines += row(replica, width: width) }
        return (lines + [""]).joined(separator: "\n")
    }

    private func row(_ replica: ReplicaLag, width: Int) -> [String] {
        let link = replica.isLinkUp.map { $0 ? "up" : "down" } ?? "?"
        let rate = replica.catchUpRate.map { ($0 > 0 ? "+" : "") + Quantity.bytes($0) + "/s" } ?? "-"
        // A long IPv6 address gets a line of its own.
        let isLong = replica.address.count > width
        let cells = [
            (isLong ? "" : replica.address).padding(to: width),
            link.padding(to: 4),
            (replica.state ?? "-").prefix(10).description.padding(to: 10),
            (replica.lagBytes.map { Quantity.bytes(Double($0)) } ?? "-").padding(from: 10),
            Self.age(replica.age).padding(from: 10),
            rate.padding(from: 14),
            (replica.eta.map { Quantity.time($0) } ?? "-").padding(from: 8),
            replica.isSafeToPromote ? Output.colored("yes", .green) : Output.colored("no", .red),
        ]
        var lines = (isLong ? [replica.address] : []) + [cells.joined(separator: "  ")]
        if let resync = replica.fullResync { lines.append("  " + Self.progress(resync, eta: replica.fullResyncETA)) }
        let applied = replica.appliedOffset.map { "applied \($0); " } ?? ""
        lines += wrapped(applied + "safe to promote: " + Self.verdict(replica), indent: 2, width: 100)
        return lines
    }

    /// `yes, would lose 0 bytes` or `no, because …, would lose N bytes`.
    static func verdict(_ replica: ReplicaLag) -> String {
        let loss = replica.wouldLoseBytes.map { "would lose \($0) bytes" } ?? "how much would be lost is not known"
        return replica.obstacle.map { "no, because \($0); \(loss)" } ?? "yes, \(loss)"
    }

    static func age(_ age: LagHistory.Age?) -> String {
        switch age {
        case nil: "-"
        case .known(let duration): Quantity.time(duration)
        case .estimated(let duration): "~" + Quantity.time(duration)
        case .atLeast(let duration): ">" + Quantity.time(duration)
        }
    }

    static func progress(_ resync: ReplicationInfo.FullResync, eta: Duration?) -> String {
        let left = resync.leftBytes.map { Quantity.bytes(Double($0)) + " left" } ?? "size not known"
        let end = eta.map { ", ETA \(Quantity.time($0))" } ?? ""
        guard let left = resync.leftBytes, let total = resync.totalBytes ?? resync.readBytes.map({ $0 + left }),
            total > 0
        else { return "full resync in progress, \(left)\(end)" }
        let part = min(max(1 - Double(left) / Double(total), 0), 1)
        let done = Int(part * 30)
        let bar = String(repeating: "#", count: done) + String(repeating: "-", count: 30 - done)
        return "full resync [\(bar)] \(Quantity.decimal(part * 100, 0)) %, \(Quantity.bytes(Double(left))) left\(end)"
    }

    private func wrapped(_ text: String, indent: Int, width: Int) -> [String] {
        var lines: [String] = []
        var line = String(repeating: " ", count: indent)
        for word in text.split(separator: " ") {
            if line.count + word.count + 1 > width {
                lines.append(line)
                line = String(repeating: " ", count: indent + 2)
            }
            line += (line.allSatisfy { $0 == " " } ? "" : " ") + word
        }
        return lines + [line]
    }

    // MARK: tsv

    private func tsv(_ report: LagReport, master: String, isFirst: Bool) -> String {
        let head = [
            "master", "master_offset", "write_bytes_per_second", "backlog_covers_seconds", "replica", "link", "state",
            "applied_offset", "lag_bytes", "lag_seconds", "catch_up_bytes_per_second", "eta_seconds", "safe_to_promote",
            "would_lose_bytes", "reason",
        ]
        var lines = isFirst ? [head] : []
        for replica in report.replicas {
            lines.append([
                master, String(report.master.masterReplicationOffset), Self.cell(report.writeRate),
                Self.cell(report.backlogCovers?.inSeconds), replica.address,
                replica.isLinkUp.map { $0 ? "up" : "down" } ?? "", replica.state ?? "",
                replica.appliedOffset.map { String($0) } ?? "", replica.lagBytes.map { String($0) } ?? "",
                Self.cell(replica.age?.duration.inSeconds), Self.cell(replica.catchUpRate),
                Self.cell(replica.eta?.inSeconds), String(replica.isSafeToPromote),
                replica.wouldLoseBytes.map { String($0) } ?? "", replica.obstacle ?? "",
            ])
        }
        return lines.map { $0.joined(separator: "\t") + "\n" }.joined()
    }

    private static func cell(_ value: Double?) -> String { value.map { Quantity.decimal($0, 3) } ?? "" }

    // MARK: nagios

    /// The one line, and the plugin's exit code: 0 OK, 1 WARNING, 2 CRITICAL.
    func nagios(_ report: LagReport) -> (line: String, code: Int32) {
        guard !report.replicas.isEmpty else { return ("SYNCGATE CRITICAL - no replica is connected", 2) }
        let verdicts = report.replicas.map { (replica: $0, code: severity($0)) }
        let worst = verdicts.max { $0.code < $1.code }
        let code = worst?.code ?? 0
        let word = ["OK", "WARNING", "CRITICAL"][Int(code)]
        let lag = report.replicas.compactMap(\.lagBytes).max()
        let age = report.replicas.compactMap { $0.age?.duration }.max()
        var text = "\(report.replicas.count) replica(s)"
        if let lag { text += ", lag \(lag) bytes" }
        if let age { text += ", \(Quantity.decimal(age.inSeconds, 3)) s" }
        if code > 0, let worst { text += ", \(worst.replica.address): \(problem(worst.replica))" }
        var limits = (bytes: ["", ""], seconds: ["", ""])
        for (index, threshold) in [warning, critical].enumerated() {
            switch threshold {
            case .bytes(let bytes): limits.bytes[index] = String(bytes)
            case .seconds(let seconds): limits.seconds[index] = Quantity.decimal(seconds, 3)
            case nil: break
            }
        }
        let bytes = lag.map { String($0) } ?? "U"
        let seconds = age.map { Quantity.decimal($0.inSeconds, 3) } ?? "U"
        let data =
            "lag_bytes=\(bytes)B;\(limits.bytes[0]);\(limits.bytes[1]);0 "
            + "lag_seconds=\(seconds)s;\(limits.seconds[0]);\(limits.seconds[1]);0 replicas=\(report.replicas.count);;;0"
        return ("SYNCGATE \(word) - \(text.map { $0 == "|" ? "/" : $0 }.map(String.init).joined()) | \(data)", code)
    }

    private func problem(_ replica: ReplicaLag) -> String {
        if isBeyond(critical, replica) || isBeyond(warning, replica) { return "lag beyond the limit" }
        return replica.obstacle ?? "not safe to promote"
    }

    /// Lag alone is judged by the limits; whatever else keeps a replica from being promoted is critical.
    private func severity(_ replica: ReplicaLag) -> Int32 {
        if isBeyond(critical, replica) { return 2 }
        let isMerelyBehind = replica.isLinkUp == true && (replica.lagBytes ?? 0) > 0
        if !replica.isSafeToPromote, !isMerelyBehind { return replica.fullResync == nil ? 2 : 1 }
        return isBeyond(warning, replica) ? 1 : 0
    }

    private func isBeyond(_ threshold: ThresholdArgument?, _ replica: ReplicaLag) -> Bool {
        switch threshold {
        case nil: false
        case .bytes(let bytes): (replica.lagBytes ?? 0) >= max(bytes, 1)
        case .seconds(let seconds): (replica.age?.duration.inSeconds ?? 0) >= max(seconds, 0.000_001)
        }
    }
}

/// The report as JSON.
struct LagJSON: Encodable {
    struct MasterJSON: Encodable {
        var url: String
        var version: String
        @OrNull var replicationId: String?
        var offset: Int64
        @OrNull var writeBytesPerSecond: Double?
        var backlogActive: Bool
        var backlogBytes: Int64
        @OrNull var backlogCoversSeconds: Double?
    }
    struct ResyncJSON: Encodable {
        @OrNull var leftBytes: Int64?
        @OrNull var totalBytes: Int64?
        @OrNull var etaSeconds: Double?
    }
    struct ReplicaJSON: Encodable {
        var address: String
        @OrNull var state: String?
        @OrNull var linkUp: Bool?
        @OrNull var appliedOffset: Int64?
        @OrNull var lagBytes: Int64?
        @OrNull var lagSeconds: Double?
        @OrNull var lagSecondsKind: String?
        @OrNull var catchUpBytesPerSecond: Double?
        @OrNull var etaSeconds: Double?
        @OrNull var fullResync: ResyncJSON?
        var safeToPromote: Bool
        @OrNull var reason: String?
        @OrNull var wouldLoseBytes: Int64?
    }

    var master: MasterJSON
    var replicas: [ReplicaJSON]

    init(_ report: LagReport, master url: String) {
        let info = report.master
        master = MasterJSON(
            url: url, version: info.server.map { "\($0.version)" } ?? "", replicationId: info.identity?.id,
            offset: info.masterReplicationOffset, writeBytesPerSecond: report.writeRate,
            backlogActive: info.backlog.isActive, backlogBytes: info.backlog.size,
            backlogCoversSeconds: report.backlogCovers?.inSeconds)
        replicas = report.replicas.map { Self.replica($0) }
    }

    private static func replica(_ lag: ReplicaLag) -> ReplicaJSON {
        let kind: String? =
            switch lag.age {
            case nil: nil
            case .known: "known"
            case .estimated: "estimated"
            case .atLeast: "at_least"
            }
        return ReplicaJSON(
            address: lag.address, state: lag.state, linkUp: lag.isLinkUp, appliedOffset: lag.appliedOffset,
            lagBytes: lag.lagBytes, lagSeconds: lag.age?.duration.inSeconds, lagSecondsKind: kind,
            catchUpBytesPerSecond: lag.catchUpRate, etaSeconds: lag.eta?.inSeconds,
            fullResync: lag.fullResync.map {
                ResyncJSON(
                    leftBytes: $0.leftBytes, totalBytes: $0.totalBytes, etaSeconds: lag.fullResyncETA?.inSeconds)
            },
            safeToPromote: lag.isSafeToPromote, reason: lag.obstacle, wouldLoseBytes: lag.wouldLoseBytes)
    }
}
