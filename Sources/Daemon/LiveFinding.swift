/// What `syncgate check --live` found about one thing.
public struct LiveFinding: Sendable, Equatable {
    /// How bad it is.
    public enum Severity: String, Sendable, Hashable, Comparable, CaseIterable {
        case ok
        /// Worth knowing.
        case note
        /// It works, and a promise may not hold.
        case warning
        /// It does not work.
        case error

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

        /// By importance.
        public static func < (one: Severity, other: Severity) -> Bool { one.rank < other.rank }
    }

    /// How bad it is.
    public var severity: Severity
    /// The virtual router's name; nil for what concerns the whole daemon.
    public var router: String?
    /// What it is about: `local`, `peer`, `pair`, `interface`, `rights`, `vrid`.
    public var subject: String
    /// A stable word, e.g. `boot_fence`.
    public var code: String
    /// One sentence: what is so.
    public var text: String
    /// What to do; nil where nothing is to be done.
    public var advice: String?

    /// Makes one.
    public init(
        _ severity: Severity, router: String? = nil, _ subject: String, _ code: String, _ text: String,
        advice: String? = nil
    ) {
        self.severity = severity
        self.router = router
        self.subject = subject
        self.code = code
        self.text = text
        self.advice = advice
    }

    /// Whether a server could not be reached.
    public var isUnreachable: Bool { code == "unreachable" && severity == .error }
}
