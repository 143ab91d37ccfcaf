internal import Glibc

/// Paths, and small files that are read as a whole.
enum FilePlace {
    /// Why a file could not be read.
    struct Failure: Error, Equatable {
        let reason: String
    }

    /// The folder that the process is in; `/` where that is gone.
    static var currentFolder: String {
        var buffer = [CChar](repeating: 0, count: 4096)
        guard getcwd(&buffer, buffer.count) != nil else { return "/" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// An absolute path, without `.` and `..` at its beginning.
    static func absolute(_ path: String, in folder: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        var rest = path[...]
        var folder = folder
        while true {
            if rest.hasPrefix("./") {
                rest = rest.dropFirst(2)
            } else if rest.hasPrefix("../") {
                rest = rest.dropFirst(3)
                folder = self.folder(of: folder)
            } else {
                return folder == "/" ? "/\(rest)" : "\(folder)/\(rest)"
            }
        }
    }

    /// The folder that an absolute path is in.
    static func folder(of path: String) -> String {
        let parent = path.lastIndex(of: "/").map { path[..<$0] } ?? ""
        return parent.isEmpty ? "/" : String(parent)
    }

    /// The content of an ordinary file of at most `limit` bytes, as UTF-8.
    static func text(of path: String, limit: Int) throws(Failure) -> String {
        // A pipe without a writer would be waited for.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw Failure(reason: "cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(reason: "cannot be read: not an ordinary file")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(file, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(reason: "cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += buffer[..<count]
            if bytes.count > limit { throw Failure(reason: "cannot be read: more than \(limit) bytes") }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(reason: "cannot be read: it is not UTF-8")
        }
        return text
    }

    /// Whether anybody may read it; false where it is not there.
    static func isReadableByOthers(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IROTH != 0
    }

    /// Whether it is a program that this process may run.
    static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    /// Whether this process may read it.
    static func isReadable(_ path: String) -> Bool { access(path, R_OK) == 0 }

    /// Whether it is a folder that this process may look into.
    static func isSearchableFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && access(path, X_OK) == 0
    }

    /// Whether there is something of this name, as far as this process can see.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Whether it is a folder in which this process may make files, or such a one could be made by this process.
    static func mayBecomeWritableFolder(_ path: String) -> Bool {
        guard !exists(path), path != "/" else { return isWritableFolder(path) }
        return mayBecomeWritableFolder(folder(of: path))
    }

    /// Whether it is a folder in which this process may make files.
    static func isWritableFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && access(path, W_OK | X_OK) == 0
    }
}
