/// One thing that was done, or seen.
public struct Step: Sendable, Equatable {
    /// From the start of what it belongs to.
    public var at: Duration
    /// A stable word, e.g. `fenced`.
    public var step: String
    /// A sentence for the operator.
    public var detail: String

    /// Makes one.
    public init(at: Duration, step: String, detail: String) {
        self.at = at
        self.step = step
        self.detail = detail
    }
}
