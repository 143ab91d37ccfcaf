import Glibc
import RedisClient
import Replication
import Salvage

/// Has a server of this machine write its data set to a file (`BGSAVE`), and keeps that file.
struct SnapshotRun {
    let server: Server
    let writer: SalvageWriter
    /// Asked while it waits; what it returns ends it.
    let interruption: () async -> Interruption?

    /// Why it was not waited for any longer.
    enum Interruption: Error { case stopped, newMasterLost(String) }

    /// How it ended.
    enum Outcome {
        case kept(String)
        case failed(String)
        case interrupted(Interruption)
    }

    private static let pause = Duration.milliseconds(100)

    /// What the server said, as the end of it all.
    private enum Trouble: Error {
        case words(String)
        case interrupted(Interruption)
    }

    /// Begins a `BGSAVE` after the call, waits for it, and keeps what it wrote under this name.
    func run(as name: String) async -> Outcome {
        do throws(Trouble) {
            let (directory, dump) = try await dumpPath()
            try await requireRoom(for: dump, in: directory)
            let before = Self.mark(of: dump)
            try await begin()
            try await finish()
            guard let after = Self.mark(of: dump) else {
                throw .words("\(dump) cannot be looked at: \(String(cString: strerror(errno)))")
            }
            guard after != before else {
                throw .words("BGSAVE did not change \(dump): is it the file of another machine, or of a container?")
            }
            do throws(FileTrouble) {
                try writer.keep(dump, as: name)
                try writer.sync()
                return .kept(try writer.finish())
            } catch {
                writer.discard()
                throw .words("\(error)")
            }
        } catch {
            switch error {
            case .words(let words): return .failed(words)
            case .interrupted(let interruption): return .interrupted(interruption)
            }
        }
    }

    /// `dir`, and the path of the file `dbfilename` there.
    private func dumpPath() async throws(Trouble) -> (directory: String, path: String) {
        let outcomes = try await perform([["CONFIG", "GET", "dir"], ["CONFIG", "GET", "dbfilename"]])
        guard await server.isOnThisMachine else {
            throw .words("its dump file is on another machine, where a snapshot of it can be kept: run this there")
        }
        var parts: [String] = []
        for outcome in outcomes {
            switch outcome {
            case .success(.array(let pair)) where pair.count == 2: parts.append(pair[1].text ?? "")
            case .success: throw .words("CONFIG GET dir and dbfilename give no value")
            case .failure(let error): throw .words("CONFIG GET dir: \(error)")
            }
        }
        return (parts[0], parts.joined(separator: "/"))
    }

    /// Redis writes the new file beside the old one. What it takes at most is the memory that it uses.
    private func requireRoom(for dump: String, in directory: String) async throws(Trouble) {
        let memory: Int64?
        do throws(ServerTrouble) { memory = try await server.observe().info.usedMemory } catch {
            throw .words("\(error)")
        }
        guard let memory else { return }
        let shortage: String?
        do throws(FileTrouble) { shortage = try writer.shortage(of: memory, dumpedTo: dump, in: directory) } catch {
            throw .words("\(error)")
        }
        if let shortage { throw .words(shortage) }
    }

    /// One that was begun before does not count; nor can one begin while the append-only file is rewritten.
    private func begin() async throws(Trouble) {
        while true {
            if try await observe().isSaving {
                try await wait()
                continue
            }
            switch try await perform([["BGSAVE"]])[0] {
            case .success: return
            case .failure(.server(let error)) where Self.saysLater("\(error)"): try await wait()
            case .failure(let error): throw .words("BGSAVE: \(error)")
            }
        }
    }

    /// `Background save already in progress`, `Can't BGSAVE while AOF log rewriting is in progress`, `Another child process is
    /// active (AOF?)`: the words of one version or another.
    private static func saysLater(_ words: String) -> Bool {
        words.contains("in progress") || words.contains("child process")
    }

    private func finish() async throws(Trouble) {
        while true {
            let persistence = try await observe()
            guard persistence.isSaving else {
                guard persistence.hasLastSaveSucceeded else {
                    throw .words("BGSAVE failed: see the server's log, and the room on its disk")
                }
                return
            }
            try await wait()
        }
    }

    private func wait() async throws(Trouble) {
        if let interruption = await interruption() { throw .interrupted(interruption) }
        do { try await Task.sleep(for: Self.pause) } catch { throw .interrupted(.stopped) }
    }

    private func observe() async throws(Trouble) -> ReplicationInfo.Persistence {
        do throws(ServerTrouble) {
            guard let persistence = try await server.observe().info.persistence else {
                throw .unusable("its INFO has no section persistence")
            }
            return persistence
        } catch {
            throw .words("\(error)")
        }
    }

    private func perform(_ commands: [[String]]) async throws(Trouble) -> [Result<RedisReply, RedisError>] {
        do throws(ServerTrouble) { return try await server.perform(commands) } catch { throw .words("\(error)") }
    }

    /// What changes when a file takes the place of another one.
    private static func mark(of path: String) -> [Int]? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return [Int(status.st_ino), status.st_mtim.tv_sec, status.st_mtim.tv_nsec, Int(status.st_size)]
    }
}
