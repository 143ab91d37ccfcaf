extension Duration {
    /// Milliseconds, to the microsecond: what is printed, and written as JSON.
    package var inMilliseconds: Double { (self / .microseconds(1)).rounded() / 1000 }

    /// Whole milliseconds that are never shorter than this: what a server or the kernel is told to wait.
    package var millisecondsRoundedUp: Int64 { Int64((self / .milliseconds(1)).rounded(.up)) }
}
