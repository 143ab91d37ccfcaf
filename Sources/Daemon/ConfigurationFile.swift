internal import Failover
internal import Glibc
internal import LinuxNet
internal import Operations
internal import RedisClient

/// A configuration file that was read and checked: strict, so that a mistake is an error with its line, and never a default.
public struct ConfigurationFile: Sendable, Equatable {
    /// Its absolute path.
    public let path: String
    /// What it says, with the defaults filled in.
    public let configuration: DaemonConfiguration
    /// What works, and is strange: for `syncgate check`.
    public let warnings: [ConfigurationProblem]

    /// What a configuration takes from outside of its file.
    public struct Surroundings: Sendable {
        /// The machine's name up to its first dot.
        public var hostName: String
        /// The value of an environment variable; nil where it is not set.
        public var variable: @Sendable (String) -> String?

        /// Makes some.
        public init(hostName: String, variable: @escaping @Sendable (String) -> String?) {
            self.hostName = hostName
            self.variable = variable
        }

        /// This process's.
        public static var current: Surroundings {
            Surroundings(hostName: String((SalvageOptions.machineName ?? "").prefix { $0 != "." })) { name in
                getenv(name).map { String(cString: $0) }
            }
        }
    }

    /// Reads the file of this path, and the password files that it names. Relative paths in it are relative to its folder.
    public init(reading path: String, surroundings: Surroundings = .current) throws(ConfigurationError) {
        let absolute = FilePlace.absolute(path, in: FilePlace.currentFolder)
        let text: String
        do throws(FilePlace.Failure) {
            text = try FilePlace.text(of: absolute, limit: ConfigurationDocument.largest)
        } catch {
            throw .unreadable(path, reason: error.reason)
        }
        try self.init(text: text, path: path, absolute: absolute, surroundings: surroundings)
    }

    /// The same with a text that was read elsewhere; `path` is where it would stand.
    package init(text: String, path: String, surroundings: Surroundings = .current) throws(ConfigurationError) {
        let absolute = FilePlace.absolute(path, in: FilePlace.currentFolder)
        try self.init(text: text, path: path, absolute: absolute, surroundings: surroundings)
    }

    private init(
        text: String, path: String, absolute: String, surroundings: Surroundings
    ) throws(ConfigurationError) {
        let document: ConfigurationDocument
        do throws(ConfigurationProblem) { document = try ConfigurationDocument(text) } catch {
            throw .invalid(path, [error])
        }
        let problems = ConfigurationProblems(document.lines)
        let context = ConfigurationContext(
            file: absolute, folder: FilePlace.folder(of: absolute), surroundings: surroundings)
        let configuration = context.read(document.root, problems)
        guard problems.errors.isEmpty, let configuration else {
            throw .invalid(path, Self.byLine(problems.errors))
        }
        self.path = absolute
        self.configuration = configuration
        warnings = Self.byLine(problems.warnings)
    }

    private static func byLine(_ problems: [ConfigurationProblem]) -> [ConfigurationProblem] {
        problems.enumerated().sorted { left, right in
            let (one, other) = (left.element.line ?? 0, right.element.line ?? 0)
            return one == other ? left.offset < right.offset : one < other
        }.map(\.element)
    }
}

/// What is the same for all sections of one file.
struct ConfigurationContext {
    /// Absolute.
    let file: String
    /// What relative paths are relative to.
    let folder: String
    let surroundings: ConfigurationFile.Surroundings

    /// An absolute path.
    func path(_ text: String) -> String { FilePlace.absolute(text, in: folder) }

    /// nil only with problems noted.
    func read(_ root: [String: ConfigurationValue], _ problems: ConfigurationProblems) -> DaemonConfiguration? {
        let section = ConfigurationSection<RootKey>(root, path: "", problems: problems)
        let name = nodeName(section)
        let stateDirectory = section.text(.stateDirectory, "the path of a folder").map(path) ?? "/var/lib/syncgate"
        let salvageDirectory = section.text(.salvageDirectory, "the path of a folder").map(path)
        let control = control(section.section(.control, of: ControlKey.self))
        let log = log(section.section(.log, of: LogKey.self))
        let realTime = realTime(section.section(.realTime, of: RealTimeKey.self))
        let tables = section.sections(.virtualRouter)
        if !section.has(.virtualRouter) {
            section.add(.missing(example: "[[virtual_router]], with its keys below"), at: .virtualRouter)
        } else if tables.isEmpty, problems.errors.isEmpty {
            section.add(.impossible(found: "an empty list", allowed: "at least one"), at: .virtualRouter)
        }
        let routers = tables.enumerated().compactMap { index, table in
            router(table, path: "virtual_router[\(index)]", node: name ?? "", problems)
        }
        // What is missing in one of them would only lead to more complaints.
        guard routers.count == tables.count, let name else { return nil }
        for conflict in ConfigurationConflicts.find(in: routers) {
            problems.add(
                .conflict(conflict.sentence), at: "virtual_router[\(conflict.router)].\(conflict.key.rawValue)",
                router: routers[conflict.router].node.name)
        }
        for (index, router) in routers.enumerated()
        where router.peer.url.host.map(NetworkAddress.isLoopback) == true {
            problems.warn(
                "the peer is on this machine: a pair to try things with, which no dead machine is survived by",
                at: "virtual_router[\(index)].peer", router: router.node.name)
        }
        return DaemonConfiguration(
            nodeName: name, stateDirectory: stateDirectory, salvageDirectory: salvageDirectory, control: control,
            log: log, realTime: realTime, virtualRouters: routers)
    }

    private func nodeName(_ section: ConfigurationSection<RootKey>) -> String? {
        let allowed = "1 to 64 letters, digits, dots, dashes and underscores"
        if section.has(.node) { return section.text(.node, allowed) { Self.isName($0) ? $0 : nil } }
        guard Self.isName(surroundings.hostName) else {
            section.add(.missing(example: "node = \"node1\" (the machine's name is not of \(allowed))"), at: .node)
            return nil
        }
        return surroundings.hostName
    }

    /// Of nodes and virtual routers: part of file names, and of channels whose names are patterns.
    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && !text.hasPrefix(".") && !text.hasPrefix("-")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private func control(_ section: ConfigurationSection<ControlKey>) -> DaemonConfiguration.Control {
        var control = DaemonConfiguration.Control()
        // sockaddr_un has room for 107 bytes and their end.
        let socket = section.text(.socket, "the path of a socket, of at most 107 bytes") { text in
            text.isEmpty || path(text).utf8.count > 107 ? nil : path(text)
        }
        control.socket = socket ?? control.socket
        let mode = section.text(.mode, "permissions as chmod takes them, in quotes: \"0600\" to \"0666\"") { text in
            text.count == 4 && text.hasPrefix("0")
                ? UInt32(text, radix: 8).flatMap { $0 & ~0o666 == 0 ? $0 : nil } : nil
        }
        control.mode = mode ?? control.mode
        control.owner = section.text(.owner, "the name of a user")
        control.group = section.text(.group, "the name of a group")
        if control.mode & 0o006 != 0 {
            section.warn("everybody on this machine may give orders to the daemon", at: .mode)
        }
        return control
    }

    private func log(_ section: ConfigurationSection<LogKey>) -> DaemonConfiguration.Log {
        var log = DaemonConfiguration.Log()
        log.level =
            section.text(.level, Self.choice(["info", "notice", "warning", "error"])) {
                Node.LogLevel(rawValue: $0)
            } ?? log.level
        log.format =
            section.text(.format, Self.choice(["text", "json"])) {
                DaemonConfiguration.Log.Format(rawValue: $0)
            } ?? log.format
        return log
    }

    private func realTime(_ section: ConfigurationSection<RealTimeKey>) -> RealTime.Settings? {
        var settings = RealTime.Settings()
        let priority = section.integer(.priority, 1...99)
        settings.priority = priority.map(Int32.init) ?? settings.priority
        settings.locksMemory = section.truth(.lockMemory) ?? settings.locksMemory
        return section.truth(.enabled) ?? true ? settings : nil
    }

    /// `"a" or "b"`.
    static func choice(_ names: [String]) -> String {
        let quoted = names.map { "\"\($0)\"" }
        return quoted.dropLast().joined(separator: ", ") + " or " + (quoted.last ?? "")
    }
}
