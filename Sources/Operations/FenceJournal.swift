import Glibc

/// Why there is no lock, or why the journal could not be written or read.
struct FenceJournalError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong.
    let trouble: FileTrouble

    /// One line with what to do.
    var description: String {
        "\(trouble); name a folder that this user can write to with --state-dir (the daemon's state_directory)"
    }
}

/// What must be undone when we die behind a fence that does not expire by itself, and what a second run needs to finish.
///
/// One small file per promoted server, mode 0600 because it holds passwords, written *before* the fence is raised and deleted
/// after it is released. Lines of `key hex`, so that no value needs quoting.
struct FenceJournal: Sendable, Equatable {
    /// The folder.
    let directory: String
    /// The promoted server's address, which names the file.
    let local: String

    /// What is written.
    struct Entry: Sendable, Equatable {
        /// The fenced master's address, without credentials.
        var master: String
        /// Its `run_id`.
        var masterRunID: String
        /// The random password; `nil` for a fence that expires by itself.
        var fencePassword: String?
        /// The password to restore; empty for none.
        var previousPassword: String
        /// The name of the connection that raised the password fence: whoever undoes it ends that connection first, so
        /// that commands which the network still holds cannot raise it again.
        var connectionName: String?

        /// The same without a fence: what a second run needs to finish the job.
        var unfenced: Entry {
            Entry(master: master, masterRunID: masterRunID, fencePassword: nil, previousPassword: "")
        }
    }

    /// Held while a run works on the promoted server. Ends with the process at the latest.
    final class Lock: Sendable {
        private let file: Int32

        fileprivate init(file: Int32) { self.file = file }

        deinit { Glibc.close(file) }
    }

    /// What asking for the lock came to.
    enum LockOutcome: Sendable {
        /// Ours; `nil` where there can be none, which was recorded.
        case acquired(Lock?)
        /// Another process works on the same server: it may stand behind a fence that we must not undo.
        case busy
    }

    /// Keeps a second run away from the journal, and from the fence, of one that is still at work; waits so long for its
    /// end. What cannot be locked or read is recorded: it goes on without.
    func lock(waiting limit: Duration, _ recorder: StepRecorder) async -> LockOutcome {
        let file: Int32
        do throws(FileTrouble) { file = try openLock() } catch {
            recorder.record(
                "no_lock", "\(FenceJournalError(trouble: error)); nothing keeps another run on \(local) away meanwhile")
            return .acquired(nil)
        }
        let lock = Lock(file: file)
        let end = ContinuousClock.now + limit
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK else {
                recorder.record("no_lock", "\(FileTrouble("lock", path + ".lock"))")
                return .acquired(nil)
            }
            guard ContinuousClock.now < end else { return .busy }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return .busy }
        }
        if let problem { recorder.record("journal_unreadable", problem) }
        return .acquired(lock)
    }

    private func openLock() throws(FileTrouble) -> Int32 {
        try makeDirectory()
        let file = open(path + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw FileTrouble("open", path + ".lock") }
        Files.giveToOwner(file, of: directory)
        return file
    }

    /// One sentence for the one who comes second.
    var busyReason: String { "another syncgate is at work on \(local); wait until it has finished" }

    private var path: String {
        let name = local.map { $0.isLetter || $0.isNumber || $0 == "." || $0 == "-" ? String($0) : "_" }.joined()
        return "\(directory)/promote-\(name).journal"
    }

    /// The default folder: `/var/lib/syncgate` for root, `$XDG_STATE_HOME/syncgate` or `~/.local/state/syncgate` else.
    static func defaultDirectory() -> String {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        if let state = variable("STATE_DIRECTORY") { return state }
        if geteuid() == 0 { return "/var/lib/syncgate" }
        return (variable("XDG_STATE_HOME") ?? (variable("HOME") ?? "/tmp") + "/.local/state") + "/syncgate"
    }

    /// Writes the entry, and makes one that holds a password durable: nothing else undoes that fence after a loss of power. A
    /// pause ends by itself, and must not wait for a disk that is busy, which may take seconds. The folder is made where it is
    /// missing.
    func write(_ entry: Entry) throws(FenceJournalError) {
        var lines = [("master", entry.master), ("run_id", entry.masterRunID), ("previous", entry.previousPassword)]
        if let password = entry.fencePassword { lines.append(("fence", password)) }
        if let name = entry.connectionName { lines.append(("connection", name)) }
        let text = lines.map { "\($0.0) \(Self.hex($0.1))\n" }.joined()
        do throws(FileTrouble) {
            try makeDirectory()
            try Files.replace(path, with: Array(text.utf8), mode: 0o600, isSynced: entry.fencePassword != nil)
        } catch {
            throw FenceJournalError(trouble: error)
        }
    }

    /// The entry that an interrupted run left; `nil` where there is none, or none that can be read: see `problem`.
    func read() -> Entry? {
        do throws(FileTrouble) { return try content().flatMap(Self.decode) } catch { return nil }
    }

    /// Why the entry that an interrupted run left cannot be read; `nil` where it can, or where there is none.
    var problem: String? {
        do throws(FileTrouble) {
            guard let text = try content(), Self.decode(text) == nil else { return nil }
            return "\(path) is damaged, so that what an interrupted run has left cannot be finished"
        } catch {
            return "\(error); what an interrupted run has left cannot be finished: run the command as the file's owner"
        }
    }

    private func content() throws(FileTrouble) -> String? {
        try Files.read(path, limit: 16 * 1024).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Reads what `write` wrote. Anything else is `nil`.
    static func decode(_ text: String) -> Entry? {
        var values: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let value = unhex(parts[1]) else { return nil }
            values[String(parts[0])] = value
        }
        guard let master = values["master"], let runID = values["run_id"], let previous = values["previous"] else {
            return nil
        }
        return Entry(
            master: master, masterRunID: runID, fencePassword: values["fence"], previousPassword: previous,
            connectionName: values["connection"])
    }

    /// Deletes the file; a missing one is no error.
    func delete() { unlink(path) }

    /// Deletes the file unless it holds a password that nobody has undone yet.
    func deleteUnfenced() {
        if read()?.fencePassword == nil { delete() }
    }

    private func makeDirectory() throws(FileTrouble) {
        try Files.makeFolder(directory, mode: 0o700, parents: 0o700)
    }

    static func hex(_ text: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: text.utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func unhex(_ text: some StringProtocol) -> String? {
        let nibbles = text.compactMap(\.hexDigitValue)
        guard nibbles.count == text.count, nibbles.count.isMultiple(of: 2) else { return nil }
        let bytes = stride(from: 0, to: nibbles.count, by: 2).map { UInt8(nibbles[$0] << 4 | nibbles[$0 + 1]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
