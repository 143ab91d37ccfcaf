package import Glibc

/// A call on a file that failed: what, where, why.
package struct FileTrouble: Error, Sendable, Equatable, CustomStringConvertible {
    /// One line.
    package var description: String
    /// The number of the error.
    package let code: Int32

    /// Of a call that has just failed.
    package init(_ verb: String, _ path: String, _ code: Int32 = errno) {
        self.code = code
        description = "cannot \(verb) \(path): \(String(cString: strerror(code)))"
    }
}

/// Calls on files that say what went wrong. All of them may block.
package enum Files {
    /// The content; nil where there is no such file. Longer ones than `limit` are an error.
    package static func read(_ path: String, limit: Int) throws(FileTrouble) -> [UInt8]? {
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

    /// The first bytes of an open file, at most `limit`; nil for an error, which `errno` names. Where it is read from next does
    /// not change.
    static func beginning(of file: Int32, atMost limit: Int) -> [UInt8]? {
        var prefix = [UInt8](repeating: 0, count: limit)
        var length = 0
        while length < limit {
            let count = prefix.withUnsafeMutableBytes {
                pread(file, $0.baseAddress?.advanced(by: length), limit - length, off_t(length))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { break }
            length += count
        }
        return Array(prefix[..<length])
    }

    /// Puts a file in the place of another one, synced, so that after a crash the one or the other is there, whole; without
    /// `isSynced` that holds while the machine lives.
    package static func replace(
        _ path: String, with bytes: [UInt8], mode: mode_t = 0o640, isSynced: Bool = true
    ) throws(FileTrouble) {
        let temporary = path + ".new"
        // What a killed process has left may belong to another user.
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard file >= 0 else { throw FileTrouble("write", temporary) }
        defer { close(file) }
        giveToOwner(file, of: folder(of: path))
        try write(bytes[...], to: file, temporary)
        guard !isSynced || fsync(file) == 0 else { throw FileTrouble("sync", temporary) }
        guard rename(temporary, path) == 0 else { throw FileTrouble("rename", temporary) }
        if isSynced { try syncFolder(of: path) }
    }

    /// Adds to the end of a file, synced: all of it, or, where there is no room, nothing that the next line would hang on to.
    package static func append(_ bytes: [UInt8], to path: String) throws(FileTrouble) {
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw FileTrouble("write", path) }
        defer { close(file) }
        giveToOwner(file, of: folder(of: path))
        let size = lseek(file, 0, SEEK_END)
        do throws(FileTrouble) { try write(bytes[...], to: file, path) } catch {
            if size >= 0 { _ = ftruncate(file, size) }
            throw error
        }
        guard fdatasync(file) == 0 else { throw FileTrouble("sync", path) }
    }

    /// Makes a folder with those above it; each is in the one above it on the disk as well: a synced file in a folder that is
    /// gone after a power cut is gone.
    package static func makeFolder(_ path: String, mode: mode_t, parents: mode_t = 0o755) throws(FileTrouble) {
        if path.hasSuffix("/"), path.utf8.count > 1 {
            return try makeFolder(String(path.dropLast()), mode: mode, parents: parents)
        }
        if mkdir(path, mode) == 0 { return try settleFolder(path) }
        if errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw FileTrouble("make the folder", path)
        }
        try makeFolder(String(path[..<slash]), mode: parents, parents: parents)
        guard mkdir(path, mode) == 0 else {
            if errno == EEXIST { return }
            throw FileTrouble("make the folder", path)
        }
        try settleFolder(path)
    }

    private static func settleFolder(_ path: String) throws(FileTrouble) {
        giveFolderToOwner(path)
        try syncFolder(of: path)
    }

    /// Has what root makes in somebody else's folder belong to them, as all that is there: the daemon has a user of its own,
    /// who goes on with what a command of root's has left. Only what is root's, and has no other name, is given away; where
    /// that cannot be done, it stays root's.
    static func giveToOwner(_ file: Int32, of folder: String) {
        var (owner, status) = (stat(), stat())
        guard geteuid() == 0, stat(folder, &owner) == 0, owner.st_uid != 0, fstat(file, &status) == 0,
            status.st_uid == 0
        else { return }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        guard isFolder || status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1 else { return }
        _ = fchown(file, owner.st_uid, owner.st_gid)
    }

    private static func giveFolderToOwner(_ path: String) {
        let file = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { return }
        giveToOwner(file, of: folder(of: path))
        close(file)
    }

    /// The folder of a file.
    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Writes all of it to an open file.
    static func write(_ bytes: ArraySlice<UInt8>, to file: Int32, _ path: String) throws(FileTrouble) {
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

    /// Makes the names in the folder of a file durable.
    static func syncFolder(of path: String) throws(FileTrouble) {
        let folder = folder(of: path)
        let file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw FileTrouble("open", folder) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw FileTrouble("sync", folder) }
    }
}
