import Failover
import FoundationEssentials
import Glibc

/// What a node remembers over a restart, as a file: `memory-<router>.json` in the state folder. Written whole and synced
/// before it takes the place of the old one. All calls may block.
struct MemoryFile: Sendable {
    let path: String

    init(folder: String, router: String) { path = "\(folder)/memory-\(router).json" }

    private struct Content: Codable {
        var version = 1
        var epoch: UInt64
        var wasMaster: Bool
        var isPaused: Bool
        var lineage: [History]

        struct History: Codable {
            var replicationId: String
            var offset: Int64
        }
    }

    /// What was read.
    enum Reading {
        case memory(Memory)
        /// There is none: a first start.
        case none
        /// There is one that cannot be used: the reason.
        case unusable(String)
    }

    func read() -> Reading {
        let bytes: [UInt8]?
        do throws(FileTrouble) { bytes = try Files.read(path, limit: 1 << 20) } catch { return .unusable("\(error)") }
        guard let bytes else { return .none }
        do {
            let content = try JSONText.decode(Content.self, from: bytes)
            guard content.version == 1 else { return .unusable("\(path): version \(content.version) is not known") }
            return .memory(
                Memory(
                    epoch: content.epoch, wasMaster: content.wasMaster,
                    lineage: content.lineage.map { Memory.Lineage(id: $0.replicationId, offset: $0.offset) },
                    isPaused: content.isPaused))
        } catch {
            return .unusable("\(path): no memory of a node")
        }
    }

    func write(_ memory: Memory) throws(FileTrouble) {
        let content = Content(
            epoch: memory.epoch, wasMaster: memory.wasMaster, isPaused: memory.isPaused,
            lineage: memory.lineage.map { Content.History(replicationId: $0.id, offset: $0.offset) })
        try Files.replace(path, with: Array((JSONText.encode(content, pretty: true) + "\n").utf8))
    }

    /// Puts one that cannot be used aside, so that it can be looked at; where that fails it will be overwritten.
    func setAside() { _ = rename(path, path + ".unusable") }
}

/// A call on a file that failed: what, where, why.
struct FileTrouble: Error, CustomStringConvertible {
    var description: String

    init(_ verb: String, _ path: String, _ code: Int32 = errno) {
        description = "cannot \(verb) \(path): \(String(cString: strerror(code)))"
    }
}

/// Calls on files that say what went wrong. All of them may block.
enum Files {
    /// The content; nil where there is no such file. Longer ones than `limit` are an error.
    static func read(_ path: String, limit: Int) throws(FileTrouble) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw FileTrouble("read", path)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw FileTrouble("read", path)
            }
            bytes += buffer[..<count]
            guard bytes.count <= limit else { throw FileTrouble("read", path, EFBIG) }
        }
    }

    /// Puts a file in the place of another one, synced, so that after a crash the one or the other is there, whole.
    static func replace(_ path: String, with bytes: [UInt8]) throws(FileTrouble) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw FileTrouble("write", temporary) }
        defer { close(file) }
        try write(bytes[...], to: file, temporary)
        guard fsync(file) == 0 else { throw FileTrouble("sync", temporary) }
        guard rename(temporary, path) == 0 else { throw FileTrouble("rename", temporary) }
        try syncFolder(of: path)
    }

    /// Adds to the end of a file, synced.
    static func append(_ bytes: [UInt8], to path: String) throws(FileTrouble) {
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw FileTrouble("write", path) }
        defer { close(file) }
        try write(bytes[...], to: file, path)
        guard fdatasync(file) == 0 else { throw FileTrouble("sync", path) }
    }

    /// Makes a folder with those above it.
    static func makeFolder(_ path: String, mode: mode_t) throws(FileTrouble) {
        guard mkdir(path, mode) != 0, errno != EEXIST else { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw FileTrouble("make the folder", path)
        }
        try makeFolder(String(path[..<slash]), mode: 0o755)
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw FileTrouble("make the folder", path) }
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to file: Int32, _ path: String) throws(FileTrouble) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw FileTrouble("write", path)
            }
        }
    }

    private static func syncFolder(of path: String) throws(FileTrouble) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let file = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw FileTrouble("open", folder) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw FileTrouble("sync", folder) }
    }
}
