internal import Replication

/// Whether a server that is started again waits for a role. `SLAVEOF` in the running configuration says nothing about that:
/// what counts is the file it was started with, which is readable on its own machine alone.
enum LiveBootFence {
    /// What a configuration file of Redis comes down to.
    enum Verdict: Equatable {
        /// It starts as a replica of nobody.
        case isThere
        /// It starts as a replica of this server.
        case follows(String)
        /// It starts as a master.
        case isMissing
        /// The file cannot be read: why.
        case unknown(String)
    }

    static func finding(of server: LiveServer) -> LiveFinding {
        let advice = "make 'include /etc/redis/redis-syncgate.conf' the last line of its redis.conf"
        guard let path = server.fields["config_file"], !path.isEmpty else {
            if server.info.isParked {
                return server.finding(.ok, "boot_fence", "has the boot fence: it waits behind it just now")
            }
            return server.finding(
                .warning, "boot_fence", "was started without a configuration file, and so without the boot fence",
                advice: "start it with a redis.conf, and \(advice)")
        }
        switch verdict(of: path) {
        case .isThere: return server.finding(.ok, "boot_fence", "has the boot fence (\(path))")
        case .follows(let master):
            return server.finding(
                .warning, "boot_fence",
                "follows \(master) as soon as it is started (\(path)), before anybody has decided",
                advice: "remove that line, which CONFIG REWRITE may have written, and \(advice)")
        case .isMissing:
            return server.finding(
                .warning, "boot_fence",
                "has no boot fence (\(path)): crashed and restarted, it is a writable master at once, perhaps an empty one",
                advice: advice)
        case .unknown(let reason):
            return server.finding(
                .note, "boot_fence", "may have the boot fence or not: \(path) \(reason)",
                advice:
                    "look for the line 'slaveof 127.0.0.1 1' there; check --live as a user in Redis's group does that")
        }
    }

    /// Reads a file and those that it includes; the last line wins.
    static func verdict(of path: String) -> Verdict {
        var files = 0
        do throws(FilePlace.Failure) {
            guard let master = try lastMaster(in: path, &files) else { return .isMissing }
            return master == ["127.0.0.1", "1"] ? .isThere : .follows(master.joined(separator: ":"))
        } catch {
            return .unknown(error.reason)
        }
    }

    private static func lastMaster(in path: String, _ files: inout Int) throws(FilePlace.Failure) -> [String]? {
        files += 1
        // Files that include each other.
        guard files <= 32 else { throw FilePlace.Failure(reason: "includes too many files") }
        var master: [String]?
        for line in try FilePlace.text(of: path, limit: 4_194_304).split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace).map { $0.filter { $0 != "\"" && $0 != "'" } }
            switch words.first?.lowercased() {
            case "slaveof", "replicaof":
                let isNobody = words.dropFirst().map { $0.lowercased() } == ["no", "one"]
                master = words.count == 3 && !isNobody ? Array(words.dropFirst()) : nil
            case "include" where words.count == 2:
                // Redis takes relative ones from the folder that it was started in, which nobody can see.
                let included = FilePlace.absolute(words[1], in: FilePlace.folder(of: path))
                master = try lastMaster(in: included, &files) ?? master
            default: break
            }
        }
        return master
    }
}
