import ArgumentParser
import Daemon
import RedisClient

extension Duration {
    /// As a number of seconds.
    var inSeconds: Double { self / .seconds(1) }
}

/// A time as an argument.
struct DurationArgument: ExpressibleByArgument {
    var duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = Duration(text: argument) else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { Quantity.time(duration) }
}

/// A number of bytes as an argument: `4096`, `64KiB`, `10MB`.
struct ByteCountArgument: ExpressibleByArgument {
    var bytes: Int64

    init?(argument: String) {
        guard let count = ByteCount(text: argument) else { return nil }
        bytes = count.bytes
    }
}

/// A threshold of `lag`: bytes or seconds.
enum ThresholdArgument: ExpressibleByArgument {
    case bytes(Int64)
    case seconds(Double)

    init?(argument: String) {
        if let duration = Duration(text: argument) {
            self = .seconds(duration.inSeconds)
        } else if let count = ByteCountArgument(argument: argument) {
            self = .bytes(count.bytes)
        } else {
            return nil
        }
    }
}

/// A `HOST:PORT` argument; an IPv6 address stands in brackets.
struct HostPortArgument: ExpressibleByArgument {
    var host: String
    var port: Int

    init?(argument: String) {
        guard let place = HostPort(text: argument) else { return nil }
        host = place.host
        port = place.port
    }
}

/// Numbers as people read them.
enum Quantity {
    /// A number with so many decimals; no exponent.
    static func decimal(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "-" }
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((abs(value) * Double(scale)).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return sign + String(scaled) }
        let fraction = String(scaled % scale)
        return sign + String(scaled / scale) + "." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// `512 B`, `1.5 MiB`.
    static func bytes(_ count: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = count
        var unit = 0
        while abs(value) >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return decimal(value, unit == 0 ? 0 : 1) + " " + units[unit]
    }

    /// `0 ms`, `250 ms`, `12.3 s`, `4 m 10 s`, `3 h 2 m`.
    static func time(_ duration: Duration) -> String {
        let seconds = duration.inSeconds
        switch seconds {
        case ..<1: return decimal(seconds * 1000, 0) + " ms"
        case ..<60: return decimal(seconds, seconds.rounded() == seconds ? 0 : 1) + " s"
        case ..<3600: return "\(Int(seconds) / 60) m \(Int(seconds) % 60) s"
        default: return seconds < 1e9 ? "\(Int(seconds) / 3600) h \(Int(seconds) / 60 % 60) m" : "-"
        }
    }
}
