import RedisLab

/// Leaves whose owner is no administrator.
extension NetworkLab {
    /// Gives a leaf a new network namespace that belongs to a user namespace of nobody's, with a new eth0. From now on
    /// `start` starts programs there as that namespace's root, who has no rights outside of it.
    public func surrender(_ leaf: Leaf) async throws {
        let log = file("holder")
        let command =
            try Self.nobody + [
                LabTool.path("unshare"), "--user", "--map-root-user", "--net", "--", LabTool.path("setpriv"),
                "--pdeathsig",
                "KILL", "sleep", "infinity",
            ]
        let holder = try await ChildProcess.start(path: command[0], arguments: Array(command.dropFirst()), log: log)
        adopt(holder)
        try await waitUntil("nobody has a user namespace: \(LabTool.text(log))") {
            if !holder.isRunning { throw LabError.command("unshare --user", output: LabTool.text(log)) }
            return LabTool.text("/proc/\(holder.id)/cmdline").hasPrefix("sleep")
        }
        try await ip(["netns", "del", leaf.namespace])
        try await ip(["netns", "attach", leaf.namespace, "\(holder.id)"])
        // The interface went with the old namespace, and with it the port, but not at once.
        try await waitUntil("\(leaf.port) is gone") {
            try await !ip(["-n", bridge, "-br", "link"]).contains("\(leaf.port)@")
        }
        try await plug(leaf)
        holders.withLock { $0[leaf.namespace] = holder }
    }

    private static var nobody: [String] {
        get throws { try [LabTool.path("setpriv"), "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] }
    }

    func start(
        _ command: [String], inNamespacesOf holder: ChildProcess, log: String, errors: String?
    ) async throws -> ChildProcess {
        let all =
            try Self.nobody + [
                LabTool.path("nsenter"), "--target", "\(holder.id)", "--user", "--net", "--preserve-credentials", "--",
                LabTool.path("setpriv"),
                "--pdeathsig", "KILL",
            ]
        let child = try await ChildProcess.start(
            path: all[0], arguments: all.dropFirst() + command, log: log, errors: errors)
        adopt(child)
        return child
    }
}
