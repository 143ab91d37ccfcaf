import Foundation

/// What processes have used up to now, and hold now.
struct ProcessUse: Sendable {
    /// When it was read.
    let time = ContinuousClock.now
    /// User and system time, as the scheduler counts it: to the nanosecond. (The ticks of /proc/PID/stat are samples, and
    /// wrong for who wakes by a timer: always, or never, at the tick.)
    var processor: Duration
    /// Resident memory: all of it, and what it would be if shared pages were divided among those who share them.
    var residentKiB: Int
    var proportionalKiB: Int

    /// The sum over some processes.
    init(of processes: [Int32]) throws {
        (processor, residentKiB, proportionalKiB) = (.zero, 0, 0)
        for process in processes {
            let threads = "/proc/\(process)/task"
            for thread in try FileManager.default.contentsOfDirectory(atPath: threads) {
                let text = try String(contentsOfFile: "\(threads)/\(thread)/schedstat", encoding: .utf8)
                let time = text.split(separator: " ").first.flatMap { Int64($0) }
                processor += .nanoseconds(try time.orThrow("\(threads)/\(thread)/schedstat: \(text)"))
            }
            let rollup = try String(contentsOfFile: "/proc/\(process)/smaps_rollup", encoding: .utf8)
            residentKiB += Self.field("Rss", rollup)
            proportionalKiB += Self.field("Pss", rollup)
        }
    }

    private static func field(_ name: String, _ text: String) -> Int {
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name):") } ?? ""
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// Percent of one processor since another reading.
    func share(since other: ProcessUse) -> Double { (processor - other.processor) / (time - other.time) * 100 }
}

extension Optional {
    func orThrow(_ what: String) throws -> Wrapped {
        guard let self else { throw BenchError(what) }
        return self
    }
}
