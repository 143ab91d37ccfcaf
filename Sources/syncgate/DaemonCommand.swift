import ArgumentParser
import Daemon
import Glibc
import LinuxNet

/// `syncgate daemon`: runs until it is told to stop.
struct DaemonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "daemon",
        abstract: "Run the failover daemon: one on each node of a pair.",
        discussion: """
            Logs to standard error. SIGTERM and SIGINT hand over and end it (a second one at once); SIGHUP reads the \
            configuration again; SIGUSR1 has counters written to the log. Needs root, or CAP_NET_RAW and CAP_NET_ADMIN.
            """)

    @OptionGroup var file: ConfigurationOption

    private var path: String { file.config ?? ConfigurationOption.standard }

    func run() async throws {
        let configuration = try ConfigurationOption.read(path).configuration
        // Whoever read the output may be gone: that ends no daemon.
        signal(SIGPIPE, SIG_IGN)
        StopSignal.watch(hangUp: false)
        ReloadSignal.watch()
        StatisticsSignal.watch()
        let lines: LogLines
        do throws(SystemCallError) {
            lines = try LogLines(configuration.log.lines, level: configuration.log.level.loggerLevel)
        } catch {
            throw error.exit
        }
        let daemon: Daemon
        do throws(DaemonError) {
            daemon = try await Daemon(configuration, logger: lines.logger(), onEnd: SignalPipe.wake)
        } catch {
            await lines.finish(within: .seconds(1))
            Output.error("syncgate: \(error)")
            throw ExitCode(3)
        }
        await supervise(daemon, lines)
        let code = await daemon.finish()
        await lines.finish(within: .seconds(1))
        if code != 0 { throw ExitCode(code) }
    }

    /// Blocks the main thread, on which nothing else is done: the threads of tasks are few, and are for work.
    @MainActor private func supervise(_ daemon: Daemon, _ lines: LogLines) {
        var stops = 0
        while !daemon.isFinished {
            while stops < StopSignal.count {
                daemon.stop()
                stops += 1
            }
            if ReloadSignal.take() {
                let level = daemon.reload { [path] in try ConfigurationFile(reading: path).configuration }
                lines.setLevel(level.loggerLevel)
            }
            if StatisticsSignal.take() { daemon.tellStatistics() }
            SignalPipe.wait(upTo: .seconds(1))
        }
    }
}

extension DaemonConfiguration.Log {
    /// How lines are written. The journal has its own time, and wants text as it is.
    fileprivate var lines: LogLines.Format {
        switch format {
        case .json: .json
        case .text: LogLines.isJournal ? .journal : .text
        }
    }
}
