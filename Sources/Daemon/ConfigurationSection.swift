/// Collects what is wrong while a file is read, so that all of it is told at once.
final class ConfigurationProblems {
    private let lines: ConfigurationLines
    /// What makes the file unusable.
    private(set) var errors: [ConfigurationProblem] = []
    /// What is only strange.
    private(set) var warnings: [ConfigurationProblem] = []

    init(_ lines: ConfigurationLines) { self.lines = lines }

    func add(_ kind: ConfigurationProblem.Kind, at key: String, router: String? = nil) {
        errors.append(ConfigurationProblem(key: key, router: router, line: lines.line(of: key), kind: kind))
    }

    func warn(_ sentence: String, at key: String, router: String? = nil) {
        warnings.append(
            ConfigurationProblem(key: key, router: router, line: lines.line(of: key), kind: .conflict(sentence)))
    }
}

/// One section of the file: hands out its values by key, and notes those that are not possible. A key that is missing, and
/// one that was noted, is nil alike: the problems decide in the end.
struct ConfigurationSection<Key: ConfigurationKey> {
    /// `virtual_router[0].local`; empty for the top.
    let path: String
    /// The virtual router's name.
    let router: String?
    let problems: ConfigurationProblems
    private let values: [String: ConfigurationValue]

    /// Notes the keys that the section cannot have.
    init(_ values: [String: ConfigurationValue], path: String, router: String? = nil, problems: ConfigurationProblems) {
        self.values = values
        self.path = path
        self.router = router
        self.problems = problems
        for name in values.keys.sorted() where Key(rawValue: name) == nil {
            let place = path.isEmpty ? name : "\(path).\(name)"
            if let home = ConfigurationSchema.home(of: name) {
                problems.add(.misplacedKey(section: home), at: place, router: router)
            } else {
                let suggestion = KeySuggestion.find(name, among: Key.names)
                problems.add(
                    .unknownKey(suggestion: suggestion, allowed: Key.names),
                    at: Self.shown(place), router: router)
            }
        }
    }

    /// Keys are shown as they are, but on one line.
    private static func shown(_ name: String) -> String {
        name.utf8.allSatisfy { (0x21..<0x7f).contains($0) } && name.utf8.count <= 100
            ? name : ConfigurationProblem.quoted(name)
    }

    /// Where a key stands.
    func place(_ key: Key) -> String { path.isEmpty ? key.rawValue : "\(path).\(key.rawValue)" }

    /// Whether the file has it.
    func has(_ key: Key) -> Bool { values[key.rawValue] != nil }

    func add(_ kind: ConfigurationProblem.Kind, at key: Key) { problems.add(kind, at: place(key), router: router) }

    func warn(_ sentence: String, at key: Key) { problems.warn(sentence, at: place(key), router: router) }

    /// Notes that a key that must be there is not.
    func require(_ key: Key, example: String) {
        if !has(key) { add(.missing(example: "\(key.rawValue) = \(example)"), at: key) }
    }

    // MARK: - By type

    private func wrongType(_ key: Key, _ value: ConfigurationValue, _ allowed: String, at place: String? = nil) {
        problems.add(
            .wrongType(found: key.isSecret ? value.kind : value.shown, allowed: allowed), at: place ?? self.place(key),
            router: router)
    }

    func impossible(_ key: Key, _ text: String, _ allowed: String, at place: String? = nil) {
        problems.add(
            .impossible(found: key.isSecret ? "this" : ConfigurationProblem.quoted(text), allowed: allowed),
            at: place ?? self.place(key), router: router)
    }

    /// A text that `read` makes something of.
    func text<Value>(_ key: Key, _ allowed: String, _ read: (String) -> Value?) -> Value? {
        switch values[key.rawValue] {
        case nil: return nil
        case .text(let text)?:
            if let value = read(text) { return value }
            impossible(key, text, allowed)
        case let other?: wrongType(key, other, allowed)
        }
        return nil
    }

    /// A text that is not empty.
    func text(_ key: Key, _ allowed: String) -> String? { text(key, allowed) { $0.isEmpty ? nil : $0 } }

    func truth(_ key: Key) -> Bool? {
        switch values[key.rawValue] {
        case nil: return nil
        case .truth(let truth)?: return truth
        case let other?: wrongType(key, other, "true or false, without quotes")
        }
        return nil
    }

    func integer(_ key: Key, _ range: ClosedRange<Int>, _ remark: String = "") -> Int? {
        let allowed = "a number from \(range.lowerBound) to \(range.upperBound)\(remark), without quotes"
        switch values[key.rawValue] {
        case nil: return nil
        case .integer(let number)?:
            if range.contains(number) { return number }
            add(.impossible(found: "\(number)", allowed: allowed), at: key)
        case let other?: wrongType(key, other, allowed)
        }
        return nil
    }

    /// A time with its unit.
    func duration(_ key: Key, _ range: ClosedRange<Duration>, _ remark: String = "") -> Duration? {
        let allowed =
            "a time with its unit in quotes, such as \"\(range.example.text)\", from \(range.lowerBound.text) to "
            + "\(range.upperBound.text)\(remark)"
        return text(key, allowed) { text in
            Duration(text: text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A list of texts that `read` makes something of; a value that is not possible is noted with its place in the list.
    func list<Value>(_ key: Key, _ allowed: String, _ read: (String) -> Value?) -> [Value]? {
        switch values[key.rawValue] {
        case nil: return nil
        case .list(let elements)?:
            var read = elements.enumerated().map { index, element -> Value? in
                let place = "\(place(key))[\(index)]"
                guard case .text(let text) = element else {
                    wrongType(key, element, allowed, at: place)
                    return nil
                }
                let value = read(text)
                if value == nil { impossible(key, text, allowed, at: place) }
                return value
            }
            let count = read.count
            read.removeAll { $0 == nil }
            return read.count == count ? read.compactMap(\.self) : nil
        case let other?: wrongType(key, other, "a list in brackets: \(allowed)")
        }
        return nil
    }

    /// A section inside of this one; an empty one where it is missing.
    func section<Inner: ConfigurationKey>(_ key: Key, of type: Inner.Type) -> ConfigurationSection<Inner> {
        var inner: [String: ConfigurationValue] = [:]
        switch values[key.rawValue] {
        case nil: break
        case .table(let table)?: inner = table
        case let other?: wrongType(key, other, "a section: [\(key.rawValue)], and its keys below")
        }
        return ConfigurationSection<Inner>(inner, path: place(key), router: router, problems: problems)
    }

    /// The sections of a name that may stand more than once.
    func sections(_ key: Key) -> [[String: ConfigurationValue]] {
        let allowed = "sections: [[\(key.rawValue)]] in two brackets, and its keys below"
        switch values[key.rawValue] {
        case nil: return []
        case .list(let elements)?:
            return elements.compactMap { element in
                if case .table(let table) = element { return table }
                wrongType(key, element, allowed)
                return nil
            }
        case let other?: wrongType(key, other, allowed)
        }
        return []
    }

    /// The value as it stands, without a judgement.
    func raw(_ key: Key) -> ConfigurationValue? { values[key.rawValue] }
}

extension ClosedRange<Duration> {
    /// A time in it, for messages.
    fileprivate var example: Duration {
        [.milliseconds(100), .seconds(1), .seconds(10)].first { contains($0) } ?? lowerBound
    }
}
