import Foundation

/// What processes have used up to now, and hold now.
struct ProcessUse: Sendable {
    /// When it was read.
    let time = ContinuousClock.now
    /// User and system time.
    var processor: Duration
    /// Resident memory: all of it, and what it would be if shared pages were divided among those who share them.
    var residentKiB: Int
    var proportionalKiB: Int

    /// The sum over some processes.
    init(of processes: [Int32]) throws {
        (processor, residentKiB, proportionalKiB) = (.zero, 0, 0)
        for process in processes {
            let stat = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            // The name, in brackets, may hold anything; utime and stime are the 14th and 15th field, in 1/100 s.
            let fields = (stat.split(separator: ")").last ?? "").split(separator: " ")
            guard fields.count > 13, let user = Int(fields[11]), let system = Int(fields[12]) else {
                throw BenchError("/proc/\(process)/stat: \(stat)")
            }
            processor += .milliseconds(10 * (user + system))
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
