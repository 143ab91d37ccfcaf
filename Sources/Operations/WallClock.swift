package import FoundationEssentials
package import Replication

/// Wall-clock time, for people and files. Decisions never look at it.
package enum WallClock {
    /// UTC, with milliseconds: `2026-11-22T20:11:33.123Z`.
    package static func text(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    /// Now, as text.
    package static var now: String { text(Date.now) }

    /// The date of a moment of the monotonic clock.
    package static func text(_ instant: Instant) -> String {
        text(Date.now.addingTimeInterval((instant - .now) / .seconds(1)))
    }
}
