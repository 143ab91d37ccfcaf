import Glibc
public import Salvage

/// Why the salvage folder could not be read.
public enum SalvageFolderError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A system call failed: what, on which path, and the error's number.
    case system(call: String, path: String, errno: Int32)

    /// One line with what to do.
    public var description: String {
        switch self {
        case .system(let call, let path, let code):
            "cannot \(call) \(path): \(String(cString: strerror(code))); name a readable folder with --salvage-dir"
        }
    }
}

/// The folder with what was kept of old masters: salvage files (`.resp`), snapshots (`.rdb`), and what was being written of
/// both (`.partial`).
///
/// Whatever lies there is only looked at: links are not followed, pipes are not waited for, and of no file more is read than
/// a header's length.
public struct SalvageFolder: Sendable, Hashable {
    /// Its path.
    public let path: String

    /// Names a folder. It may be missing: nothing was ever kept then.
    public init(path: String) { self.path = path }

    /// Where it is unless configured: `salvage` in the state folder, which is the command line's own where none is given.
    public static func standard(stateDirectory: String?) -> String {
        "\(stateDirectory ?? FenceJournal.defaultDirectory())/salvage"
    }

    /// What a file is.
    public enum Kind: String, Sendable, Hashable {
        /// The commands of a stretch of a replication stream: `.resp`.
        case writes
        /// A whole data set: `.rdb`.
        case snapshot
    }

    /// One file.
    public struct Entry: Sendable, Hashable {
        /// Its name in the folder.
        public var name: String
        /// What it is, by the end of its name.
        public var kind: Kind
        /// Its length, bytes; 0 where it could not be looked at.
        public var size: Int64
        /// What the header of a whole `.resp` file says; `nil` for everything else.
        public var file: SalvageFile?
        /// What its name says, where it is one of ours: of a `.rdb` nothing else tells whose it is.
        public var parts: SalvageFileName?
        /// Why it is of no use; `nil` for a whole file.
        public var problem: String?

        /// The whole salvage file, as a rejoin that was interrupted wants to know it; `nil` for everything else.
        public var saved: Rejoin.SavedFile? {
            guard let header = file?.header, problem == nil else { return nil }
            let span = StreamSpan(psyncID: header.replicationID, from: header.from, to: header.to)
            return Rejoin.SavedFile(
                name: name, span: span, writes: header.commands, isPlaced: header.database != nil)
        }
    }

    /// What lies there, sorted by name, which is by time. Other names than those of our kinds are left out; a file that
    /// cannot be used is an entry that says why. A missing folder is empty.
    public func entries() throws(SalvageFolderError) -> [Entry] {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else {
            if errno == ENOENT { return [] }
            throw .system(call: "read", path: path, errno: errno)
        }
        // From here on, closing the stream closes the descriptor.
        guard let stream = fdopendir(folder) else {
            let code = errno
            close(folder)
            throw .system(call: "read", path: path, errno: code)
        }
        defer { closedir(stream) }
        var found: [Entry] = []
        errno = 0
        while let entry = readdir(stream) {
            if let look = Self.entry(named: Self.name(of: entry), in: folder) { found.append(look) }
            errno = 0
        }
        guard errno == 0 else { throw .system(call: "read", path: path, errno: errno) }
        return found.sorted { $0.name < $1.name }
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
        }
    }
}

// MARK: - One file

extension SalvageFolder {
    /// `nil` for a name that is none of ours.
    private static func entry(named name: String, in folder: Int32) -> Entry? {
        let isPartial = name.hasSuffix(SalvageFileName.partialSuffix)
        let stem = isPartial ? String(name.dropLast(SalvageFileName.partialSuffix.count)) : name
        let kind: Kind
        if stem.hasSuffix(SalvageFileName.suffix) {
            kind = .writes
        } else if stem.hasSuffix(SalvageFileName.snapshotSuffix) {
            kind = .snapshot
        } else {
            return nil
        }
        let parts = kind == .writes ? SalvageFileName(stem) : SalvageFileName(snapshot: stem)
        var entry = Entry(name: name, kind: kind, size: 0, parts: parts)
        look(at: &entry, in: folder)
        if isPartial, entry.problem == nil {
            entry.file = nil
            entry.problem = "it is not whole: it is being written, or was when syncgate was stopped"
        }
        return entry
    }

    private static func look(at entry: inout Entry, in folder: Int32) {
        let file = openat(folder, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            entry.problem =
                errno == ELOOP
                ? "it is a symbolic link, and links are not followed" : "cannot be read: \(reason(errno))"
            return
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            entry.problem = "it is not an ordinary file"
            return
        }
        entry.size = Int64(status.st_size)
        guard entry.kind == .writes, !entry.name.hasSuffix(SalvageFileName.partialSuffix) else { return }
        guard let prefix = Files.beginning(of: file, atMost: SalvageHeader.longest) else {
            entry.problem = "cannot be read: \(reason(errno))"
            return
        }
        do throws(SalvageHeaderError) {
            entry.file = try SalvageFile(prefix: prefix, size: entry.size)
        } catch {
            entry.problem = "\(error)"
        }
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
