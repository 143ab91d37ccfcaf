import ArgumentParser
import Daemon
import Operations
import Salvage

/// `--config`: the same for every command that reads the daemon's configuration.
struct ConfigurationOption: ParsableArguments {
    /// Where the file is unless another one is named.
    static let standard = "/etc/syncgate/syncgate.toml"

    @Option(
        defaultAsFlag: ConfigurationOption.standard, parsing: .next,
        help: ArgumentHelp("The daemon's configuration file.", valueName: "file"))
    var config: String?

    /// The file of this path, read and checked. Ends the command with 2 where it cannot be used.
    static func read(_ path: String) throws -> ConfigurationFile {
        do throws(ConfigurationError) { return try ConfigurationFile(reading: path) } catch {
            for line in "\(error)".split(separator: "\n") { Output.error("syncgate: \(line)") }
            throw ExitCode(2)
        }
    }
}

/// What the daemon's configuration says of a pair, for a command that works on it without the daemon: addresses, passwords,
/// certificates and folders, where the command line does not name them.
struct PairOptions: ParsableArguments {
    @OptionGroup var file: ConfigurationOption

    @Option(
        help: ArgumentHelp(
            "With --config: the virtual router whose pair it is; not needed where there is just one.",
            valueName: "name"))
    var router: String?

    func validate() throws {
        guard router == nil || file.config != nil else { throw ValidationError("--router needs --config") }
    }

    /// One pair, as it is configured.
    struct Pair {
        let local: Endpoint
        let peer: Endpoint
        let announce: (host: String, port: Int)?
        let stateDirectory: String
        let salvageDirectory: String
        /// As which the daemon signs what it keeps, and how it keeps it.
        let node: String
        let divergence: DivergencePolicy
    }

    /// `nil` without `--config`.
    func pair() throws -> Pair? {
        guard let path = file.config else { return nil }
        let configuration = try ConfigurationOption.read(path).configuration
        let routers = configuration.virtualRouters
        let names = routers.map(\.node.name).joined(separator: ", ")
        let found = router.map { name in routers.filter { $0.node.name == name } } ?? routers
        guard found.count == 1 else {
            let words = router.map { "\(path) has no virtual router \($0)" } ?? "\(path) has several virtual routers"
            throw ValidationError("\(words); give one of them as --router: \(names)")
        }
        return Pair(
            local: found[0].local, peer: found[0].peer, announce: found[0].announce.map { ($0.host, $0.port) },
            stateDirectory: configuration.stateDirectory, salvageDirectory: configuration.salvageDirectory,
            node: configuration.nodeName, divergence: found[0].divergence)
    }
}
