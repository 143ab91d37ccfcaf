import ArgumentParser
import Foundation

/// What a short-lived process cost.
struct ChildCost: Codable {
    var wallMs: Double
    /// User and system time together.
    var processorMs: Double
    var peakKiB: Int
    var exitCode: Int32
    /// The measuring process's own peak. The kernel counts what a process was before `exec` as its memory too, so a
    /// child never seems smaller than this.
    var floorKiB: Int
}

/// Starts a program, waits for it, and prints its cost as JSON; its output is dropped. A process of its own, and a fresh
/// one each time, so that the benchmark's own memory is not taken for the program's (see `ChildCost.floorKiB`).
struct MeasureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "measure", shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough)
    var command: [String]

    func run() throws {
        let cost = try Self.measure(command)
        print(String(decoding: try JSONEncoder().encode(cost), as: UTF8.self))
    }

    private static func measure(_ command: [String]) throws -> ChildCost {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        let floor = Machine.ownPeakKiB
        var (child, status, usage): (pid_t, Int32, rusage) = (0, 0, rusage())
        let start = ContinuousClock.now
        let code = posix_spawn(&child, command[0], &actions, nil, &argv, environ)
        guard code == 0 else { throw BenchError("\(command[0]): \(String(cString: strerror(code)))") }
        guard wait4(child, &status, 0, &usage) == child else { throw BenchError("wait4: errno \(errno)") }
        let wall = start.duration(to: .now)
        return ChildCost(
            wallMs: wall.inMilliseconds, processorMs: milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime),
            peakKiB: Int(usage.ru_maxrss),
            exitCode: status & 0x7f == 0 ? status >> 8 & 0xff : -1, floorKiB: floor)
    }

    private static func milliseconds(_ time: timeval) -> Double {
        Double(time.tv_sec) * 1000 + Double(time.tv_usec) / 1000
    }

    /// Runs `command` under a fresh measuring process.
    static func cost(of command: [String]) throws -> ChildCost {
        let process = Process()
        process.executableURL = Bundle.main.executableURL
        process.arguments = ["measure"] + command
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchError("measure \(command) failed") }
        return try JSONDecoder().decode(ChildCost.self, from: data)
    }
}
