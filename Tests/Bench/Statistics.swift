import Foundation

/// A set of measured values.
struct Sample {
    private let sorted: [Double]

    init(_ values: [Double]) { sorted = values.sorted() }

    var count: Int { sorted.count }
    var median: Double? { percentile(50) }
    var p99: Double? { percentile(99) }
    var max: Double? { sorted.last }

    /// By nearest rank: always a value that was measured. With fewer than 100 values, p99 is the greatest of them.
    func percentile(_ part: Int) -> Double? {
        guard !sorted.isEmpty else { return nil }
        return sorted[(sorted.count * part + 99) / 100 - 1]
    }
}

extension Duration {
    /// Milliseconds, with a fraction.
    var inMilliseconds: Double { self / .milliseconds(1) }
}

extension Double? {
    /// With two digits behind the point below 100, fewer above.
    var text: String {
        guard let self else { return "-" }
        let digits = self < 100 ? 2 : self < 1000 ? 1 : 0
        return String(format: "%.\(digits)f", self)
    }
}
