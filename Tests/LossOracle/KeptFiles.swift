import Foundation
public import NetworkLab
import RedisClient
public import RedisLab
import Salvage

/// A folder with salvage files and snapshots, as it is on the disk.
public struct KeptFiles: Sendable {
    /// Where.
    public let path: String

    /// One that need not exist.
    public init(_ path: String) { self.path = path }

    /// The names of all that is in it.
    public var names: Set<String> {
        // There is none before something was saved.
        Set((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
    }

    /// Every file with its bytes, to see whether one has changed.
    public func fingerprints() throws -> [String: Int] {
        var found: [String: Int] = [:]
        for name in names {
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))
            var hasher = Hasher()
            data.withUnsafeBytes { hasher.combine(bytes: $0) }
            found[name] = hasher.finalize()
        }
        return found
    }

    /// Whether a name is one of a file that is being written.
    public static func isPartial(_ name: String) -> Bool { name.hasSuffix(".partial") }
    /// Whether a name is one of a salvage file.
    public static func isWrites(_ name: String) -> Bool { name.hasSuffix(".resp") }
    /// Whether a name is one of a snapshot.
    public static func isSnapshot(_ name: String) -> Bool { name.hasSuffix(".rdb") }

    /// What is wrong with what has a salvage file's name; empty where all of them are whole.
    public func flaws() -> [String] {
        names.filter(Self.isWrites).sorted().compactMap { name in
            do {
                _ = try Self.commands(of: "\(path)/\(name)")
                return nil
            } catch { return "\(name): \(error)" }
        }
    }

    /// The keys that whole salvage files write: the first argument of each write.
    public func savedKeys() throws -> Set<String> {
        var keys: Set<String> = []
        for name in names where Self.isWrites(name) {
            for command in try Self.commands(of: "\(path)/\(name)").1
            where command.isWrite && command.arguments.count > 1 {
                keys.insert(String(decoding: command.arguments[1], as: UTF8.self))
            }
        }
        return keys
    }

    /// The keys that snapshots hold in database 0.
    public func snapshotKeys(version: RedisVersion) async throws -> Set<String> {
        var keys: Set<String> = []
        for name in names where Self.isSnapshot(name) {
            let found = try await Self.load("\(path)/\(name)", version) { server in
                let connection = try await RedisConnection.connect(to: server, timeout: .seconds(5))
                let reply = await connection.pipeline([["KEYS", "*"]], timeout: .seconds(10))[0]
                await connection.close()
                return try reply.get()
            }
            guard case .array(let values) = found else { throw LabError.malformed("KEYS: \(found)") }
            keys.formUnion(values.compactMap(\.text))
        }
        return keys
    }

    /// What a salvage file holds of the writers' writes.
    public func writes(in name: String, of writers: [LabWriter.Notes]) throws -> SavedWrites {
        let (header, commands) = try Self.commands(of: "\(path)/\(name)")
        var saved = SavedWrites(name: name, writers: writers.count)
        (saved.announced, saved.bytes) = (header.commands, header.bytes)
        let places = Dictionary(uniqueKeysWithValues: writers.enumerated().map { ($1.name, $0) })
        for command in commands where command.isWrite {
            saved.writes += 1
            let words = command.arguments.map { String(decoding: $0, as: UTF8.self) }
            if !Self.take(words, in: command.database, writers, places, into: &saved.held) {
                let place = command.database.map { "\($0)" } ?? "unknown"
                saved.foreign.append("\(words.prefix(3).joined(separator: " ")) in database \(place)")
            }
        }
        return saved
    }

    /// Whether a writer sends it.
    private static func take(
        _ words: [String], in database: Int?, _ writers: [LabWriter.Notes], _ places: [String: Int],
        into held: inout Held
    ) -> Bool {
        guard words.count >= 2 else { return false }
        var key = words[1]
        var number: UInt32?
        if words[0].uppercased() == "SET", words.count == 3, let colon = key.lastIndex(of: ":") {
            number = UInt32(key[key.index(after: colon)...])
            if number.map({ "\($0)" }) != words[2] { return false }
            key = String(key[..<colon])
        } else if words[0].uppercased() == "RPUSH", words.count == 3 {
            number = UInt32(words[2])
        } else if words[0].uppercased() != "INCR" {
            return false
        }
        guard let place = places[key], writers[place].work.database == database else { return false }
        switch (writers[place].work.kind, number) {
        case (.incr, nil): held.counts[place] += 1
        case (.set, let number?), (.push, let number?): held.insert(number, of: place)
        default: return false
        }
        return true
    }

    private static func commands(of path: String) throws -> (SalvageHeader, [StreamCommand]) {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let file = try SalvageFile(prefix: Array(bytes.prefix(SalvageHeader.longest)), size: Int64(bytes.count))
        var stream = ReplicationStream(at: file.header.from, database: file.header.database)
        stream.append(bytes.dropFirst(file.payloadStart))
        var commands: [StreamCommand] = []
        while let command = try stream.next() { commands.append(command) }
        guard stream.tally.isWhole, stream.offset == file.header.to else {
            throw LabError.malformed("\(path) ends with \(stream.tally.ending) at \(stream.offset)")
        }
        return (file.header, commands)
    }

    /// What a snapshot holds of the writers' writes: it is loaded by a server of the version that made it.
    public func snapshot(_ name: String, version: RedisVersion, of writers: [LabWriter.Notes]) async throws -> Held {
        try await Self.load("\(path)/\(name)", version) { try await Reading.held(by: $0, of: writers) }
    }

    /// Asks a server of its own that has loaded a snapshot.
    private static func load<Value: Sendable>(
        _ snapshot: String, _ version: RedisVersion, _ body: (RedisURL) async throws -> Value
    ) async throws -> Value {
        let folder = try TemporaryDirectory.make()
        defer { TemporaryDirectory.remove(folder) }
        try FileManager.default.copyItem(atPath: snapshot, toPath: "\(folder)/dump.rdb")
        let server = try await RedisServer.start(version, directory: folder)
        do {
            let value = try await body(server.url)
            await server.stop()
            return value
        } catch {
            await server.stop()
            throw error
        }
    }
}
