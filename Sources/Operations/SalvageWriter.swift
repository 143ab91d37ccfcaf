import Glibc
import Salvage

/// Writes into the salvage folder. Nothing gets its name before it is whole and on the disk: killed at any moment, or with
/// a full disk, it leaves at most a file that ends in `.partial`.
///
/// Belongs to one task. Its calls block.
final class SalvageWriter {
    private let folder: String
    /// The open file, its name while it is written, and the one that it gets.
    private var file: (descriptor: Int32, partial: String, final: String)?

    init(folder: String) { self.folder = folder }

    deinit { if let file { close(file.descriptor) } }

    /// Removes what a process that was killed has left half written. What another one still writes is locked, and stays.
    func removeStale() {
        do throws(SalvageFolderError) {
            for entry in try SalvageFolder(path: folder).entries()
            where entry.name.hasSuffix(SalvageFileName.partialSuffix) {
                let path = "\(folder)/\(entry.name)"
                let left = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                guard left >= 0 else { continue }
                if flock(left, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
                close(left)
            }
        } catch {
            // A folder that cannot be read is met again when it is written to.
        }
    }

    /// Begins a file, mode 0600, and writes all of its content.
    func write(_ header: SalvageHeader, _ payload: ArraySlice<UInt8>) throws(FileTrouble) {
        let opened = try begin("\(SalvageFileName(header))")
        try Files.write(header.encoded[...], to: opened.descriptor, opened.partial)
        try Files.write(payload, to: opened.descriptor, opened.partial)
    }

    /// Keeps what is in another file, which nobody writes to any more: by a second link where that is possible, else as
    /// a copy.
    func keep(_ source: String, as name: String) throws(FileTrouble) {
        try makeFolder()
        let original = open(source, O_RDONLY | O_CLOEXEC)
        guard original >= 0 else { throw FileTrouble("read", source) }
        defer { close(original) }
        let partial = "\(folder)/\(name)\(SalvageFileName.partialSuffix)"
        unlink(partial)
        if link(source, partial) == 0 {
            let linked = open(partial, O_RDONLY | O_CLOEXEC)
            guard linked >= 0 else { throw FileTrouble("read", partial) }
            flock(linked, LOCK_EX | LOCK_NB)
            file = (linked, partial, "\(folder)/\(name)")
            return
        }
        let opened = try begin(name)
        try copy(original, source, to: opened.descriptor, opened.partial)
    }

    /// Puts it on the disk.
    func sync() throws(FileTrouble) {
        guard let file else { return }
        guard fsync(file.descriptor) == 0 else { throw FileTrouble("sync", file.partial) }
    }

    /// Gives it its name, on the disk as well. Returns the name.
    func finish() throws(FileTrouble) -> String {
        guard let file else { throw FileTrouble("rename", folder, ENOENT) }
        guard rename(file.partial, file.final) == 0 else { throw FileTrouble("rename", file.partial) }
        try Files.syncFolder(of: file.final)
        close(file.descriptor)
        self.file = nil
        return String(file.final.dropFirst(folder.utf8.count + 1))
    }

    /// Removes what is not finished.
    func discard() {
        guard let file else { return }
        close(file.descriptor)
        unlink(file.partial)
        self.file = nil
    }

    /// Bytes that may still be written in the folder, or where it will be made; `nil` where nobody can tell.
    var freeBytes: Int64? { Self.freeBytes(in: folder) }

    /// Why there is no room in this folder for a file of so many bytes, and for what is kept of it: a link needs none, a
    /// copy as much again where it goes to the same disk. `nil`: there is, or nobody can tell.
    func shortage(of bytes: Int64, dumpedTo dump: String, in directory: String) throws(FileTrouble) -> String? {
        guard access(directory, F_OK) == 0, let free = Self.freeBytes(in: directory) else { return nil }
        guard bytes <= free else {
            return "BGSAVE needs up to \(bytes) bytes in \(directory), and \(free) are free there"
        }
        guard try !canLink(dump, of: directory), bytes > free - bytes else { return nil }
        return
            "BGSAVE needs up to \(bytes) bytes in \(directory), and its copy as many in \(folder), on the same disk, "
            + "where \(free) are free"
    }

    /// Whether a file of that folder needs no room here. One that is not there yet cannot be tried; on another disk it is
    /// looked at where the copy is to go.
    private func canLink(_ dump: String, of directory: String) throws(FileTrouble) -> Bool {
        try makeFolder()
        var (own, other) = (stat(), stat())
        guard stat(folder, &own) == 0, stat(directory, &other) == 0, own.st_dev == other.st_dev else { return true }
        let probe = "\(folder)/probe-\(getpid())\(SalvageFileName.snapshotSuffix)\(SalvageFileName.partialSuffix)"
        unlink(probe)
        guard link(dump, probe) == 0 else { return errno == ENOENT }
        unlink(probe)
        return true
    }

    private static func freeBytes(in folder: String) -> Int64? {
        var path = folder
        var status = statvfs()
        while statvfs(path, &status) != 0 {
            guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return nil }
            path = String(path[..<slash])
        }
        let (bytes, isTooMuch) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooMuch ? .max : Int64(clamping: bytes)
    }

    private func makeFolder() throws(FileTrouble) { try Files.makeFolder(folder, mode: 0o700) }

    private func begin(_ name: String) throws(FileTrouble) -> (descriptor: Int32, partial: String) {
        try makeFolder()
        let partial = "\(folder)/\(name)\(SalvageFileName.partialSuffix)"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileTrouble("write", partial) }
        Files.giveToOwner(descriptor, of: folder)
        flock(descriptor, LOCK_EX | LOCK_NB)
        file = (descriptor, partial, "\(folder)/\(name)")
        return (descriptor, partial)
    }

    private func copy(
        _ source: Int32, _ from: String, to target: Int32, _ partial: String
    ) throws(FileTrouble) {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(source, &buffer, buffer.count)
            if count == 0 { return }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileTrouble("read", from) }
            try Files.write(buffer[..<count], to: target, partial)
        }
    }
}
