import ArgumentParser
import Glibc
import Operations

/// The command `syncgate`: argument parsing and printing only; what it does is in `Operations`.
@main
struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "syncgate",
        abstract: "Failover for two Redis servers behind one virtual IP: by evidence, not by 'sleep 10'.",
        discussion: """
            Exit codes: 0 done; 1 refused, nothing was changed; 2 usage or configuration error; 3 a server could not \
            be reached; 4 done, but writes may have been lost (how many is printed). 'lag --format nagios' uses \
            0/1/2/3 as monitoring plugins do.

            Passwords come from the URL, --password-file, or SYNCGATE_PASSWORD (or REDISCLI_AUTH); they are never \
            printed, and a password in a URL is wiped from the process list at once.
            """,
        version: "syncgate 0.1.0",
        subcommands: [
            DaemonCommand.self, StatusCommand.self, HistoryCommand.self, SwitchoverCommand.self, PauseCommand.self,
            ResumeCommand.self, CheckCommand.self, SalvageCommand.self, PromoteCommand.self, DemoteCommand.self,
            LagCommand.self,
            VRRPCommand.self, FenceGuardCommand.self,
        ]
    )

    static func main() async {
        Output.fillDescriptors()
        // The runtime takes them from /proc; without, this would look like a wish for help.
        guard !CommandLine.arguments.isEmpty else {
            Output.error("syncgate: cannot read the arguments: /proc is not mounted")
            flushAndExit(2)
        }
        let arguments = CommandArguments()
        do {
            var command = try parseAsRoot(arguments.parsed)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            flushAndExit(0)
        } catch let code as ExitCode {
            flushAndExit(code.rawValue)
        } catch {
            if exitCode(for: error) == .success {
                print(fullMessage(for: error))
                flushAndExit(0)
            }
            // One line, for logs; the usage is a --help away.
            Output.error("syncgate: \(arguments.redacted(message(for: error))); see 'syncgate --help'")
            flushAndExit(arguments.isNagios ? 3 : 2)
        }
    }

    private static func flushAndExit(_ code: Int32) -> Never {
        fflush(nil)
        Glibc.exit(code)
    }
}

/// The process that undoes a password fence when its parent dies; started by `promote` and `demote` alone.
struct FenceGuardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fence-guard", abstract: "Used internally to undo a fence.", shouldDisplay: false)

    func run() async throws { await FenceGuard.watch() }
}
