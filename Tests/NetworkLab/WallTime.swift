import Glibc

/// A point in time of the clock that packet captures are stamped with (`CLOCK_REALTIME`).
public struct WallTime: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Since 1970, in nanoseconds.
    public var nanoseconds: Int64

    /// Makes one.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Now.
    public static var now: WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Reads `2026-11-22T17:09:14.070121` (UTC, with or without `Z`, up to nine digits); nil for anything else.
    public init?(_ text: some StringProtocol) {
        let parts: [String] = text.split(whereSeparator: { "-T:.Z".contains($0) }).map { String($0) }
        guard parts.count == 6 || parts.count == 7, parts.allSatisfy({ Int64($0) != nil }) else { return nil }
        var time = tm()
        time.tm_year = (Int32(parts[0]) ?? 0) - 1900
        time.tm_mon = (Int32(parts[1]) ?? 0) - 1
        (time.tm_mday, time.tm_hour) = (Int32(parts[2]) ?? 0, Int32(parts[3]) ?? 0)
        (time.tm_min, time.tm_sec) = (Int32(parts[4]) ?? 0, Int32(parts[5]) ?? 0)
        let fraction = parts.count == 7 ? parts[6] : "0"
        guard fraction.count <= 9, let digits = Int64(fraction) else { return nil }
        let scale = (fraction.count..<9).reduce(Int64(1)) { scale, _ in scale * 10 }
        nanoseconds = Int64(timegm(&time)) * 1_000_000_000 + digits * scale
    }

    public static func - (left: WallTime, right: WallTime) -> Duration {
        .nanoseconds(left.nanoseconds - right.nanoseconds)
    }

    public static func + (left: WallTime, right: Duration) -> WallTime {
        let (seconds, attoseconds) = right.components
        let more: Int64 = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        return WallTime(nanoseconds: left.nanoseconds + more)
    }

    public static func < (left: WallTime, right: WallTime) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Seconds within the hour and microseconds: enough to tell events of a test apart.
    public var description: String {
        let micros = nanoseconds / 1000 % 1_000_000
        return "\(nanoseconds / 1_000_000_000 % 3600).\(String(micros + 1_000_000).dropFirst())"
    }
}
