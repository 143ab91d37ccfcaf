internal import Operations
internal import RedisClient
internal import Replication

/// One server, asked for all that `check --live` wants to know of it. Changes nothing there.
struct LiveServer {
    /// `local` or `peer`.
    let subject: String
    let endpoint: Endpoint
    let info: ReplicationInfo
    /// The whole `INFO`, by key.
    let fields: [String: String]
    /// Settings by the names that all versions know; those that may not be read, or are not there, are missing.
    let settings: [String: String]
    /// Commands that are refused, and how.
    let refused: [(command: String, isRenamed: Bool)]
    /// The offset grew by so many bytes a second.
    let writeRate: Double
    /// Our own address on the connection.
    let ownAddress: String?

    var isMaster: Bool { info.role == .master }

    /// `CONFIG GET` by old names, which the newest versions know as well.
    private static let wanted = [
        "slave-read-only", "repl-backlog-size", "repl-backlog-ttl", "masterauth", "appendonly", "save",
        "min-slaves-to-write", "requirepass", "maxmemory-policy", "dir", "dbfilename",
    ]

    /// Commands that the daemon sends, in forms that change nothing anywhere: what they lack or have too much of is found
    /// after the rights are checked.
    private static let probes: [(name: String, command: [String])] = [
        ("info", ["INFO", "replication"]), ("ping", ["PING"]), ("dbsize", ["DBSIZE"]),
        ("slaveof", ["SLAVEOF", "127.0.0.1", "no-port"]), ("config|get", ["CONFIG", "GET", "slave-read-only"]),
        ("config|set", ["CONFIG", "SET", "no-such-setting", "1"]),
        ("client|kill", ["CLIENT", "KILL", "ID", "no-id"]), ("client|list", ["CLIENT", "LIST"]),
        ("client|setname", ["CLIENT", "SETNAME", "syncgate-check"]),
        ("client|pause", ["CLIENT", "PAUSE", "no-time"]), ("pubsub|channels", ["PUBSUB", "CHANNELS", "syncgate:none"]),
        ("multi", ["MULTI"]), ("exec", ["EXEC"]), ("subscribe", ["SUBSCRIBE", "syncgate:check"]),
        ("unsubscribe", ["UNSUBSCRIBE", "syncgate:check"]),
    ]

    /// Asks it; a second passes between two looks at its offset. Throws why that cannot be done.
    static func ask(
        _ endpoint: Endpoint, subject: String, timeout: Duration
    ) async throws(RedisError) -> LiveServer {
        let connection = try await RedisConnection.connect(to: endpoint.url, tls: endpoint.tls, timeout: timeout)
        let begin = ContinuousClock.now
        let first = try await connection.info(timeout: timeout)
        var settings: [String: String] = [:]
        for name in wanted {
            do throws(RedisError) { settings[name] = try await connection.configGet(name, timeout: timeout) } catch {
                // A server that does not let us read settings is told about as one that refuses commands.
                guard case .server = error else { throw error }
            }
        }
        let refused = try await refused(connection, timeout: timeout)
        // A cancelled wait only makes the rate less exact.
        do { try await Task.sleep(for: .seconds(1) - (.now - begin)) } catch {}
        let text = try await connection.info(timeout: timeout)
        let seconds = (.now - begin) / .seconds(1)
        await connection.close()
        let infos: (ReplicationInfo, ReplicationInfo)
        do throws(ReplicationInfoError) {
            infos = (try ReplicationInfo(parsing: first), try ReplicationInfo(parsing: text))
        } catch {
            throw .protocolViolation("\(error)")
        }
        let growth = Double(max(infos.1.dataOffset - infos.0.dataOffset, 0))
        return LiveServer(
            subject: subject, endpoint: endpoint, info: infos.1, fields: fields(of: text), settings: settings,
            refused: refused, writeRate: growth / max(seconds, 0.001), ownAddress: connection.localAddress)
    }

    private static func refused(
        _ connection: RedisConnection, timeout: Duration
    ) async throws(RedisError) -> [(command: String, isRenamed: Bool)] {
        var refused: [(command: String, isRenamed: Bool)] = []
        for (name, command) in probes {
            do throws(RedisError) { _ = try await connection.send(command, timeout: timeout) } catch {
                guard case .server(let reply) = error else { throw error }
                if reply.code == .noPerm { refused.append((name, false)) }
                if reply.code == .unknownCommand { refused.append((name, true)) }
            }
        }
        // These change something in every form. From Redis 7 on a user may ask about himself.
        do throws(RedisError) {
            let user = try await connection.send(["ACL", "WHOAMI"], timeout: timeout).text ?? "default"
            for command in [["CLIENT", "UNPAUSE"], ["PSYNC", "?", "-1"], ["BGSAVE"]] {
                let answer = try await connection.send(["ACL", "DRYRUN", user] + command, timeout: timeout)
                guard answer.text?.contains("no permissions") == true else { continue }
                let name = command[0] == "CLIENT" ? "client|unpause" : command[0].lowercased()
                refused.append((name, false))
            }
        } catch {
            guard case .server = error else { throw error }
        }
        return refused
    }

    private static func fields(of text: String) -> [String: String] {
        var fields: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { fields[String(parts[0])] = String(parts[1]) }
        }
        return fields
    }
}
