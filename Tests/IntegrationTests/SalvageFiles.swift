import Foundation
import RedisClient
import RedisLab
import Salvage

/// A salvage folder for tests, and `syncgate salvage` on it.
struct SalvageFiles {
    let folder: String
    static let history = "aaaa000000000000000000000000000000000000"
    /// The marker of a file of that history, from the offset that `write` begins at.
    static let marker = "syncgate:replay:\(history):101"

    /// A folder for the length of `body`.
    static func with(
        isolation: isolated (any Actor)? = #isolation, _ body: (SalvageFiles) async throws -> Void
    ) async throws {
        let files = SalvageFiles(folder: try TemporaryDirectory.make())
        do { try await body(files) } catch {
            TemporaryDirectory.remove(files.folder)
            throw error
        }
        TemporaryDirectory.remove(files.folder)
    }

    /// A command as a master sends it.
    static func resp(_ arguments: String...) -> [UInt8] { resp(arguments.map { Array($0.utf8) }) }

    static func resp(_ arguments: [[UInt8]]) -> [UInt8] {
        arguments.reduce(Array("*\(arguments.count)\r\n".utf8)) {
            $0 + Array("$\($1.count)\r\n".utf8) + $1 + Array("\r\n".utf8)
        }
    }

    /// Writes a whole file of these bytes; its name.
    func write(
        _ bytes: [UInt8], commands: Int64, database: Int? = 0, from: Int64 = 101, history: String = Self.history
    ) throws -> String {
        var header = SalvageHeader(
            node: "redis-a", time: "2025-11-22T10:11:12.345Z", replicationID: history, from: from,
            to: from + Int64(bytes.count), commands: commands, database: database, transition: 17)
        (header.epoch, header.writtenAfter) = (3, "2025-11-22T10:11:11.000Z")
        let name = "\(SalvageFileName(header))"
        try Data(header.encoded + bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        return name
    }

    /// `syncgate salvage replay`, with JSON.
    func replay(_ name: String, to server: RedisServer, _ more: [String] = []) async throws -> SyncgateProcess.Outcome {
        try await SyncgateProcess.run(replaying(name, to: server, more))
    }

    /// Its arguments.
    func replaying(_ name: String, to server: RedisServer, _ more: [String] = []) -> [String] {
        [
            "salvage", "replay", name, "--to", "redis://127.0.0.1:\(server.port)", "--salvage-dir", folder, "--format",
            "json",
        ] + more
    }
}

extension RedisServer {
    /// Replies to commands, sent one after another on a connection of its own.
    func replies(_ commands: [String]...) async throws -> [RedisReply] {
        let connection = try await connection()
        var replies: [RedisReply] = []
        for outcome in await connection.pipeline(commands, timeout: .seconds(10)) { replies.append(try outcome.get()) }
        await connection.close()
        return replies
    }

    /// The last reply as text; `nil` for null.
    func text(_ commands: [String]...) async throws -> String? {
        let connection = try await connection()
        let outcome = await connection.pipeline(commands, timeout: .seconds(10)).last
        await connection.close()
        return try outcome?.get().text
    }

    /// Keys of database 0 that replays have left.
    func markers() async throws -> Int {
        guard case .array(let names) = try await replies(["KEYS", "syncgate:*"])[0] else { return -1 }
        return names.count
    }
}
