import Glibc
public import Salvage

/// How that which an old master holds beyond the new one is kept before it is made to follow.
public struct SalvageOptions: Sendable {
    /// `on_divergence`.
    public var policy: DivergencePolicy = .salvage
    /// Where files and snapshots are kept; `nil` for `salvage` in the state folder.
    public var directory: String?
    /// The node whose server is made to follow, as the files name it.
    public var node: String
    /// The number of the entry in this node's own history that its return will lead to, as a rule; `nil` where there is none.
    public var transition: Int?
    /// The number of the promotion by which the server that it follows is master; `nil` where nobody has counted it.
    public var epoch: UInt64?
    /// When what it holds beyond that one was not there yet, UTC; `nil` where that was not seen.
    public var writtenAfter: String?
    /// The new master's promotion, where it is remembered: before Redis 4 nothing else tells what it lacks.
    public var promotion: RememberedPromotion?

    /// Makes options with the defaults of the command line.
    public init(node: String = SalvageOptions.hostName) { self.node = node }
}

extension SalvageOptions {
    /// The name of this machine.
    public static var hostName: String { machineName ?? "localhost" }

    /// As the kernel has it (gethostname(2)); nil where it has none.
    package static var machineName: String? {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return nil }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return name.isEmpty ? nil : name
    }
}
