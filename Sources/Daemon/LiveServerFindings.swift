internal import Operations
internal import RedisClient
internal import Replication

/// What is to be said about one server.
extension LiveServer {
    /// In the order in which an operator would ask.
    func findings(other: LiveServer?) -> [LiveFinding] {
        if info.server?.mode == .cluster {
            return [
                finding(
                    .error, "mode", "is a Redis Cluster node",
                    advice: "SyncGate guards pairs of ordinary servers; give one of these")
            ]
        }
        return [roleFinding, rightsFinding] + (isMaster || info.masterLink != nil ? settingFindings(other: other) : [])
    }

    func finding(
        _ severity: LiveFinding.Severity, _ code: String, _ text: String, advice: String? = nil
    ) -> LiveFinding {
        LiveFinding(severity, subject, code, "\(endpoint.url.place) \(text)", advice: advice)
    }

    private var version: String { info.server.map { "Redis \($0.version)" } ?? "Redis" }

    private var roleFinding: LiveFinding {
        let keys = "\(info.keys ?? 0) keys"
        if info.isLoading { return finding(.note, "role", "(\(version)) is loading its data set") }
        guard let link = info.masterLink else {
            let replicas = info.replicas.count
            return finding(
                .ok, "role",
                "(\(version)) is master, offset \(info.masterReplicationOffset), \(keys), "
                    + "\(replicas) replica\(replicas == 1 ? "" : "s")")
        }
        if info.isParked {
            return finding(
                .ok, "role", "(\(version)) is behind the boot fence: read-only, \(keys), until its role is decided")
        }
        return finding(
            link.isUp ? .ok : .note, "role",
            "(\(version)) is a replica of \(link.host):\(link.port), link \(link.isUp ? "up" : "down"), \(keys)")
    }

    private var rightsFinding: LiveFinding {
        let renamed = refused.filter(\.isRenamed).map(\.command)
        if !renamed.isEmpty {
            return finding(
                .error, "commands", "does not know \(renamed.joined(separator: ", "))",
                advice: "take the rename-command lines for them out of its redis.conf")
        }
        let missing = refused.map(\.command)
        guard !missing.isEmpty else { return finding(.ok, "commands", "lets us send all commands that are needed") }
        let user = endpoint.url.username ?? "default"
        // A user may have the command, and not the channels.
        let rules = missing.map { "+\($0)" } + (missing.contains("subscribe") ? ["\"&syncgate:*\""] : [])
        return finding(
            .error, "commands", "does not let the user \(user) send \(missing.joined(separator: ", "))",
            advice:
                "ACL SETUSER \(user) \(rules.joined(separator: " ")), and ACL SAVE or the same in redis.conf"
        )
    }

    // MARK: - Settings

    private func settingFindings(other: LiveServer?) -> [LiveFinding] {
        guard !settings.isEmpty else { return [] }
        var findings: [LiveFinding] = []
        let fragment = "include /etc/redis/redis-syncgate.conf in its redis.conf, or set it there"
        if settings["slave-read-only"] == "no" {
            findings.append(
                finding(
                    .error, "read_only", "takes writes while it is a replica (slave-read-only no)", advice: fragment))
        }
        findings.append(backlogFinding)
        if let ttl = settings["repl-backlog-ttl"], ttl != "0" {
            findings.append(
                finding(
                    .warning, "backlog_ttl",
                    "frees its backlog after \(ttl) s without a replica (repl-backlog-ttl), and cannot be compared then",
                    advice: "set repl-backlog-ttl 0; \(fragment)"))
        }
        if let other, other.endpoint.url.password != nil, settings["masterauth"] == "",
            other.settings["requirepass"] != "" || other.endpoint.url.username != nil
        {
            findings.append(
                finding(
                    .error, "masterauth",
                    "has no masterauth, and the other server wants a password: it cannot follow it",
                    advice: "set masterauth (with an ACL user masteruser as well) in its redis.conf"))
        }
        if let count = settings["min-slaves-to-write"], count != "0" {
            findings.append(
                finding(
                    .note, "min_slaves",
                    "stops writes when fewer than \(count) replicas answer (min-slaves-to-write), so also when the other "
                        + "node is down",
                    advice: "leave that to the daemon: write_fence = true sets it to what is possible"))
        }
        return findings + [persistenceFinding]
    }

    /// How many seconds of writes it holds: how long an outage of the link may last without a full copy.
    private var backlogFinding: LiveFinding {
        let size = info.backlog.size
        let text = "keeps a backlog of \(size / 1024) KiB"
        let advice = "set repl-backlog-size 64mb, or more, in its redis.conf and by CONFIG SET"
        guard writeRate > 1000 else {
            return size < 16 << 20
                ? finding(.warning, "backlog", "\(text): little for a link that fails under load", advice: advice)
                : finding(.ok, "backlog", text)
        }
        let seconds = Double(size) / writeRate
        let held = "\(text): \(Int(seconds)) s of writes at the present \(Int(writeRate / 1024)) KiB/s"
        return seconds < 60
            ? finding(.warning, "backlog", "\(held); a longer outage of the link means a full copy", advice: advice)
            : finding(.ok, "backlog", held)
    }

    private var persistenceFinding: LiveFinding {
        if settings["appendonly"] == "yes" { return finding(.ok, "persistence", "keeps an append-only file") }
        if let save = settings["save"], !save.isEmpty {
            return finding(
                .note, "persistence", "keeps snapshots: restarted, it comes back as old as the last one",
                advice: "that is fine where the other node took over meanwhile; for both at once use appendonly yes")
        }
        return finding(
            .note, "persistence", "keeps nothing on disk: restarted, it comes back empty",
            advice: "the other node's copy is all there is then; the boot fence keeps the empty one from being followed"
        )
    }
}
