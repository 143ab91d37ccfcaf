import Glibc
public import Salvage

/// Why a salvage file cannot be read.
public enum SalvageReadError: Error, Sendable, Equatable {
    /// It cannot be opened or read: the path, and the system's words.
    case system(path: String, reason: String)
    /// It is a data set, and no commands.
    case snapshot(path: String)
    /// It is not a whole salvage file.
    case unusable(path: String, SalvageHeaderError)
    /// What follows the header is not what it should be: the path, and why.
    case damaged(path: String, reason: String)
}

extension SalvageReadError: CustomStringConvertible {
    /// One line with what to do.
    public var description: String {
        switch self {
        case .system(let path, let reason): "cannot read \(path): \(reason)"
        case .snapshot(let path):
            "\(path) is a snapshot of a whole data set, and no list of commands: look into it with a server of its own, "
                + "redis-server --port 7777 --bind 127.0.0.1 --save '' --dir \(Self.folder(path)) "
                + "--dbfilename \(Self.name(path)) (see docs/salvage.md)"
        case .unusable(let path, let error): "\(path) cannot be used: \(error)"
        case .damaged(let path, let reason): "\(path) is damaged: \(reason)"
        }
    }

    private static func folder(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func name(_ path: String) -> String { path.split(separator: "/").last.map { String($0) } ?? path }
}

/// Reads the commands of a salvage file, in pieces: memory goes with the longest command, not with the file.
public final class SalvageFileReader {
    /// Where it is.
    public let path: String
    /// What its header says.
    public let file: SalvageFile
    private let descriptor: Int32
    private var stream: ReplicationStream
    private var place: Int64
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)

    /// Opens a file. Its size is checked; what it holds only when it is read.
    public init(path: String) throws(SalvageReadError) {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(path: path, reason: Self.reason(errno)) }
        do throws(SalvageReadError) {
            file = try Self.look(at: descriptor, path)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        stream = ReplicationStream(at: file.header.from, database: file.header.database)
        place = Int64(file.payloadStart)
    }

    deinit { close(descriptor) }

    /// What was read of the commands so far.
    public var tally: StreamTally { stream.tally }

    /// Begins again.
    public func rewind() {
        stream = ReplicationStream(at: file.header.from, database: file.header.database)
        place = Int64(file.payloadStart)
    }

    /// The next command; `nil` at the end, where nothing is cut off.
    public func next() throws(SalvageReadError) -> StreamCommand? {
        while true {
            do throws(ReplicationStreamError) {
                if let command = try stream.next() { return command }
            } catch {
                throw .damaged(path: path, reason: "\(error)")
            }
            guard try readPiece() else { break }
        }
        guard stream.offset == file.header.to else {
            throw .damaged(path: path, reason: "it became shorter while it was read")
        }
        switch stream.tally.ending {
        case .midCommand(let offset, _):
            throw .damaged(path: path, reason: "the command at offset \(offset) is cut off")
        case .midTransaction(let offset, _, let writes) where writes > 0:
            throw .damaged(path: path, reason: "the transaction at offset \(offset) has no EXEC")
        case .whole, .midTransaction: return nil
        }
    }

    /// False at the end.
    private func readPiece() throws(SalvageReadError) -> Bool {
        // Not beyond what the header announced: the file may have grown.
        let left = Int64(file.payloadStart) + file.header.bytes - place
        guard left > 0 else { return false }
        let count = try Self.read(
            descriptor, into: &buffer, atMost: Int(min(left, Int64(buffer.count))), at: place, path)
        guard count > 0 else { return false }
        place += Int64(count)
        stream.append(buffer[..<count])
        return true
    }

    private static func look(at descriptor: Int32, _ path: String) throws(SalvageReadError) -> SalvageFile {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(path: path, reason: reason(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .system(path: path, reason: "not an ordinary file") }
        guard let prefix = Files.beginning(of: descriptor, atMost: SalvageHeader.longest) else {
            throw .system(path: path, reason: reason(errno))
        }
        if prefix.starts(with: Array("REDIS0".utf8)) { throw .snapshot(path: path) }
        do throws(SalvageHeaderError) {
            return try SalvageFile(prefix: prefix, size: Int64(status.st_size))
        } catch {
            throw .unusable(path: path, error)
        }
    }

    private static func read(
        _ descriptor: Int32, into buffer: inout [UInt8], atMost limit: Int, at place: Int64, _ path: String
    ) throws(SalvageReadError) -> Int {
        while true {
            let count = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, limit, off_t(place)) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(path: path, reason: reason(errno)) }
            return count
        }
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
