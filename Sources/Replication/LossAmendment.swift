/// What corrects a promotion's account later, when the old master could be asked: what was lost exactly, in bytes of the
/// replication stream and in commands. The account itself stays as it was written; this is added to it.
public struct LossAmendment: Sendable, Hashable {
    /// Bytes of the old master's stream that the new master never got.
    public var bytes: Int64
    /// Writes among them: `PING`, `SELECT`, `REPLCONF`, `MULTI` and `EXEC` are not counted. `nil` where the stream could
    /// not be read.
    public var commands: Int64?

    /// Makes one. Neither number is negative.
    public init(bytes: Int64, commands: Int64?) {
        self.bytes = bytes
        self.commands = commands
    }

    /// The account as it would have been written, had this been known: bytes without a single write are no loss.
    public var loss: Loss { bytes == 0 || commands == 0 ? .none : .exact(bytes: bytes) }

    /// Whether the account that is corrected was true as far as it went. One that is not says that a promise was broken.
    /// What was missing at an old sample may have arrived after it, and more may have been written: no number contradicts
    /// `atMost`.
    public func agrees(with account: Loss) -> Bool { agrees(with: account.kind, bytes: account.bytes) }

    /// The same of an account as it was written down.
    public func agrees(with kind: Loss.Kind, bytes counted: Int64?) -> Bool {
        switch kind {
        case .none: loss == .none
        case .exact: bytes == counted || loss == .none
        case .atMost, .unknown: true
        }
    }

    /// Both together, as when a stretch was read in two pieces.
    public static func + (one: LossAmendment, other: LossAmendment) -> LossAmendment {
        LossAmendment(
            bytes: sum(one.bytes, other.bytes),
            commands: one.commands.flatMap { one in other.commands.map { sum(one, $0) } })
    }

    private static func sum(_ one: Int64, _ other: Int64) -> Int64 {
        let (total, isTooMuch) = one.addingReportingOverflow(other)
        return isTooMuch ? .max : total
    }
}

extension LossAmendment: CustomStringConvertible {
    /// `exact: 310 bytes, 10 commands`.
    public var description: String {
        let counted = commands.map { "\($0) \($0 == 1 ? "command" : "commands")" } ?? "commands not counted"
        return "exact: \(bytes) bytes, \(counted)"
    }
}
