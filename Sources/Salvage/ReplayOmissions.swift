// What is left out is missing for what comes later: after a RENAME a b that was left out, an INCR b would count on from
// another value than it did on the old master. So its keys are left out from there on as well.

/// What `--only-missing` has left out so far, and what is left out because of it.
public struct ReplayOmissions: Sendable, Equatable {
    private var keys: Set<ReplayKey> = []
    /// The command after which everything is left out: nobody can tell which keys it would have written.
    private var wholesale: String?

    /// Nothing was left out.
    public init() {}

    /// Takes note of a write that was left out, with the keys that it has. `database`: where it is executed.
    public mutating func add(_ write: StreamCommand, _ found: CommandKeys, database: Int) {
        switch found {
        case .keys(let names): keys.formUnion(names)
        case .none: break
        case .script:
            let declared = Self.declared(write)
            if declared.isEmpty { wholesale = wholesale ?? write.name }
            keys.formUnion(declared.map { ReplayKey(database: database, name: $0) })
        case .everything, .unlisted: wholesale = wholesale ?? write.name
        }
    }

    /// Why a write with these keys is left out; `nil` where nothing before it is missing.
    public func reason(for found: CommandKeys) -> String? {
        if let wholesale { return "\(CommandText.escaped(Array(wholesale.utf8), limit: 64)) before it was left out" }
        guard case .keys(let names) = found, let key = names.first(where: keys.contains) else { return nil }
        return "a write to \(CommandText.quoted(key.name, limit: 64)) before it was left out"
    }

    /// The keys that a script's call names: `EVAL script number key …`.
    private static func declared(_ call: StreamCommand) -> ArraySlice<[UInt8]> {
        guard call.arguments.count > 3, let count = Int32(String(decoding: call.arguments[2], as: UTF8.self)), count > 0
        else { return [] }
        return call.arguments.dropFirst(3).prefix(Int(count))
    }
}
