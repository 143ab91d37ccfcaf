import Foundation

/// What the figures were measured on.
struct Machine {
    /// `key: value` lines of a file in /proc.
    private static func field(_ name: String, of path: String) -> String? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces)
    }

    /// The load average over 1, 5 and 15 minutes, now.
    static var load: String {
        let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
        return text.split(separator: " ").prefix(3).joined(separator: " ")
    }

    /// The peak of a process's resident memory so far, KiB; nil when it has none any more.
    static func peakKiB(of process: Int32) -> Int? {
        field("VmHWM", of: "/proc/\(process)/status").flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// Name and value, in the order to be printed.
    static var facts: [(name: String, value: String)] {
        let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? "?"
        let processor = field("model name", of: "/proc/cpuinfo") ?? "?"
        return [
            ("processor", "\(processor), \(ProcessInfo.processInfo.activeProcessorCount) core(s)"),
            ("memory", "\(ProcessInfo.processInfo.physicalMemory >> 20) MiB"),
            ("kernel", kernel.trimmingCharacters(in: .whitespacesAndNewlines)),
            ("date", ISO8601DateFormatter().string(from: Date())),
        ]
    }
}

/// What is going on, for who waits; the results go to standard output.
enum Progress {
    static func say(_ text: String) { FileHandle.standardError.write(Data("bench: \(text)\n".utf8)) }
}
