import ArgumentParser
import Daemon
import Glibc
import Operations
import Salvage

/// `syncgate salvage`: what was kept of old masters, and how it comes back.
struct SalvageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "salvage",
        abstract: "List, show and replay the writes that were saved before an old master was made to follow.",
        subcommands: [SalvageListCommand.self, SalvageShowCommand.self, SalvageReplayCommand.self])
}

/// Where the salvage folder is: the same for all of `salvage`.
struct SalvageFolderOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The salvage folder. Default: what \(ConfigurationOption.standard) names, where there is one, else 'salvage' in "
                + "the state folder.", valueName: "folder"))
    var salvageDir: String?

    @Option(
        help: ArgumentHelp("The state folder. Default: as the daemon's and the other commands'.", valueName: "folder"))
    var stateDir: String?

    @OptionGroup var file: ConfigurationOption

    func validate() throws {
        guard [salvageDir, stateDir, file.config].count(where: { $0 != nil }) <= 1 else {
            throw ValidationError("give one of --salvage-dir, --state-dir and --config")
        }
    }

    /// The folder.
    func folder() throws -> SalvageFolder {
        if let salvageDir { return SalvageFolder(path: salvageDir) }
        // Who may not read the daemon's file has a state folder of their own.
        let isThere = stateDir == nil && access(ConfigurationOption.standard, R_OK) == 0
        guard let path = file.config ?? (isThere ? ConfigurationOption.standard : nil) else {
            return SalvageFolder(path: SalvageFolder.standard(stateDirectory: stateDir))
        }
        do { return SalvageFolder(path: try ConfigurationOption.read(path).configuration.salvageDirectory) } catch {
            if file.config == nil { Output.error("syncgate: or name the folder with --salvage-dir") }
            throw error
        }
    }

    /// The path of a file that is named with its folder, or without: then it is in the salvage folder.
    func path(of file: String) throws -> String {
        if file.contains("/") { return file }
        let inFolder = "\(try folder().path)/\(file)"
        return access(inFolder, F_OK) != 0 && access(file, F_OK) == 0 ? file : inFolder
    }
}

/// `syncgate salvage list`.
struct SalvageListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List what was kept: salvage files and snapshots, whose they are, and whether they are whole.",
        discussion: "Reads headers only. Exit codes: 0 listed, whatever there is; 2 the folder cannot be read.")

    @OptionGroup var folder: SalvageFolderOptions

    @Option(help: "Output format.")
    var format = OutputFormat.pretty

    func run() async throws {
        let folder = try folder.folder()
        let entries: [SalvageFolder.Entry]
        do throws(SalvageFolderError) { entries = try folder.entries() } catch {
            Output.error("syncgate: \(error)")
            throw ExitCode(2)
        }
        let rows = entries.map { SalvageRow($0) }
        switch format {
        case .json: Output.write(Output.json(rows) + "\n")
        case .pretty:
            Output.write(
                rows.isEmpty ? "nothing is kept in \(folder.path)\n" : SalvageTable.text(rows, in: folder.path))
        }
    }
}

/// `syncgate salvage show`.
struct SalvageShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the commands of a salvage file: offset, database, arguments as redis-cli prints them.",
        discussion: """
            On a terminal through $PAGER, or less. Exit codes: 0 shown; 1 it is not whole, or damaged; 2 it cannot be \
            read, or is a snapshot.
            """)

    @Argument(help: ArgumentHelp("A name in the salvage folder, or a path.", valueName: "file"))
    var file: String

    @OptionGroup var folder: SalvageFolderOptions

    @Flag(help: "Show long values whole.")
    var full = false

    @Flag(help: "Show PING, SELECT and the like too.")
    var all = false

    @Option(help: ArgumentHelp("Begin at this offset.", valueName: "offset"))
    var offset: Int64?

    @Option(help: ArgumentHelp("So many commands at most.", valueName: "n"))
    var limit: Int?

    @Flag(inversion: .prefixedNo, help: "Use a pager on a terminal.")
    var pager = true

    @Option(help: "Output format; json is one line per command, after one for the header.")
    var format = OutputFormat.pretty

    func validate() throws {
        guard limit.map({ $0 >= 0 }) ?? true else { throw ValidationError("--limit must not be negative") }
    }

    func run() async throws {
        let path = try folder.path(of: file)
        let reader: SalvageFileReader
        do throws(SalvageReadError) { reader = try SalvageFileReader(path: path) } catch { throw error.exit }
        let pager = pager && format == .pretty ? Pager.start() : nil
        defer { pager?.finish() }
        Output.write(
            format == .json ? Output.json(SalvageHeaderJSON(reader), pretty: false) + "\n" : SalvageText.head(reader))
        do throws(SalvageReadError) { try show(reader) } catch {
            pager?.finish()
            throw error.exit
        }
    }

    private func show(_ reader: SalvageFileReader) throws(SalvageReadError) {
        var shown = 0
        // Lines are collected: a write for each would be slow.
        var text = ""
        while shown < limit ?? .max, !Output.isUnread, let command = try reader.next() {
            guard all || command.isWrite || command.kind == .multi || command.kind == .exec else { continue }
            if let offset, command.offset + command.length <= offset { continue }
            text +=
                format == .json
                ? Output.json(SalvageCommandJSON(command), pretty: false) + "\n"
                : SalvageText.line(command, isFull: full)
            shown += 1
            guard text.utf8.count > 32_768 else { continue }
            Output.write(text)
            text = ""
        }
        Output.write(text)
    }
}

extension SalvageReadError {
    /// Says it on standard error, and is what the command ends with.
    var exit: ExitCode {
        Output.error("syncgate: \(self)")
        switch self {
        case .system, .snapshot: return ExitCode(2)
        case .unusable, .damaged: return ExitCode(1)
        }
    }
}

/// The operator's pager, with our standard output going to it.
struct Pager {
    private let process: pid_t
    private let terminal: Int32

    /// Starts it, where standard output is a terminal and there is one: `$PAGER`, or less.
    static func start() -> Pager? {
        let chosen = getenv("PAGER").map { String(cString: $0) }
        let program = chosen ?? "less"
        guard isatty(1) == 1, !program.isEmpty, program != "cat" else { return nil }
        var ends: [Int32] = [-1, -1]
        let terminal = dup(1)
        guard terminal >= 0, pipe(&ends) == 0 else { return nil }
        for descriptor in [terminal] + ends { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        // The shell takes options and quotes of $PAGER apart. FRX: short texts at once, colours as they are.
        let command = "LESS=${LESS:-FRX} exec \(program)"
        let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command)]
        defer { arguments.forEach { free($0) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, "/bin/sh", &actions, nil, arguments + [nil], environ)
        close(ends[0])
        guard code == 0 else {
            close(ends[1])
            close(terminal)
            return nil
        }
        // Who leaves the pager early ends our writing, and not the process.
        signal(SIGPIPE, SIG_IGN)
        dup2(ends[1], 1)
        close(ends[1])
        return Pager(process: process, terminal: terminal)
    }

    /// Gives the terminal back, and waits until the operator has read. May be called twice.
    func finish() {
        guard dup2(terminal, 1) >= 0 else { return }
        _ = fcntl(1, F_SETFD, 0)
        while waitpid(process, nil, 0) < 0, errno == EINTR {}
    }
}
