/// Why a configuration file cannot be used.
public enum ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The file cannot be read: its path, and why.
    case unreadable(String, reason: String)
    /// It can be read, and not be used: its path, and all that is wrong, by line.
    case invalid(String, [ConfigurationProblem])

    /// One line for each problem: `FILE:LINE: KEY: what is wrong, and what is allowed`.
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .invalid(let path, let problems): problems.map { $0.line(in: path) }.joined(separator: "\n")
        }
    }

    /// What is wrong with the content; empty where the file could not be read.
    public var problems: [ConfigurationProblem] {
        if case .invalid(_, let problems) = self { problems } else { [] }
    }
}

/// One thing that is wrong in a configuration file, or that is strange.
public struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// Where the key stands, e.g. `virtual_router[0].local.url`; empty for the whole file.
    public var key: String
    /// The name of the virtual router that it is about; nil where there is none.
    public var router: String?
    /// The line, from 1; nil where it cannot be known.
    public var line: Int?
    /// What is wrong.
    public var kind: Kind

    /// What can be wrong. Texts never hold a password.
    public enum Kind: Sendable, Equatable {
        /// It is no TOML: the parser's words, and the column.
        case syntax(String, column: Int)
        /// There is no such key here. `suggestion`: one that is nearly the same; `allowed`: all of them.
        case unknownKey(suggestion: String?, allowed: [String])
        /// There is such a key, in another section.
        case misplacedKey(section: String)
        /// It must be there: an example.
        case missing(example: String)
        /// A number where a text is wanted, and so on: what was found, what is allowed.
        case wrongType(found: String, allowed: String)
        /// Of the right type, and not possible: what was found, what is allowed.
        case impossible(found: String, allowed: String)
        /// Possible, but not beside something else: a sentence.
        case conflict(String)
        /// A file that it names, or a variable, cannot be used: a sentence.
        case unusable(String)
    }

    /// Key, router, what is wrong and what is allowed.
    public var description: String {
        let place = [key, router.map { "(\($0))" } ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
        return place.isEmpty ? "\(kind)" : "\(place): \(kind)"
    }

    /// As compilers say it.
    func line(in path: String) -> String { "\(path):\(line.map { "\($0): " } ?? " ")\(self)" }
}

extension ConfigurationProblem.Kind: CustomStringConvertible {
    /// What is wrong, and what is allowed.
    public var description: String {
        switch self {
        case .syntax(let text, let column): "no TOML, at column \(column): \(text)"
        case .unknownKey(let suggestion?, _): "unknown key; did you mean \(suggestion)?"
        case .unknownKey(nil, let allowed): "unknown key; there are \(allowed.joined(separator: ", "))"
        case .misplacedKey(let section):
            "belongs to \(section); put it there, above the sections that follow it (a key belongs to the section before it)"
        case .missing(let example): "is missing; for example \(example)"
        case .wrongType(let found, let allowed), .impossible(let found, let allowed):
            "\(found) is not possible; allowed: \(allowed)"
        case .conflict(let sentence), .unusable(let sentence): sentence
        }
    }
}

extension ConfigurationProblem {
    /// A text of the file in a message: in quotes, on one line, at most 80 characters of it.
    static func quoted(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars.prefix(80) {
            let isPrintable = scalar.value >= 0x20 && !(0x7f..<0xa0).contains(scalar.value)
            shown += isPrintable && scalar != "\u{2028}" && scalar != "\u{2029}" ? String(scalar) : "?"
        }
        return "\"\(shown)\(text.unicodeScalars.count > 80 ? "…" : "")\""
    }
}

/// Finds what was meant by a key that is not known.
enum KeySuggestion {
    /// What other programs call them.
    private static let aliases = [
        "virtual_router_id": "vrid", "virtual_ipaddress": "addresses", "address": "addresses", "vip": "addresses",
        "vips": "addresses", "advert_int": "advertisement_interval", "interval": "advertisement_interval",
        "nopreempt": "preempt", "unicast_peer": "unicast_peers", "unicast_src_ip": "source", "src_ip": "source",
        "dev": "interface", "host": "url", "acl_user": "user", "username": "user", "pass": "password",
        "requirepass": "password", "masterauth": "password", "cacert": "ca_file", "cert": "cert_file",
        "key": "key_file",
        "sni": "server_name", "max_loss_bytes": "max_loss", "timeout": "promote_timeout", "node_name": "node",
        "state_dir": "state_directory", "path": "socket", "permissions": "mode", "user": "owner",
        "salvage_dir": "salvage_directory", "divergence": "on_divergence",
        "notify_master": "on_promote", "notify_backup": "on_demote", "notify_fault": "on_fault",
        "notify_stop": "on_stop",
        "garp_master_delay": "announce_delay", "garp_master_refresh": "announce_refresh", "announce_to": "announce",
    ]

    /// The nearest of `known`; nil where none is near.
    static func find(_ key: String, among known: [String]) -> String? {
        let plain = key.lowercased().replacing("-", with: "_")
        if let alias = aliases[plain], known.contains(alias) { return alias }
        let limit = max(1, min(3, plain.count / 3))
        return known.map { (key: $0, distance: distance(plain, $0)) }
            .filter { $0.distance <= limit }
            .min { $0.distance < $1.distance }?.key
    }

    /// How many characters have to be changed, added, removed, or swapped with their neighbour. Long words are far from
    /// everything.
    static func distance(_ one: String, _ other: String) -> Int {
        let left = Array(one.utf8)
        let right = Array(other.utf8)
        guard (1...64).contains(left.count), (1...64).contains(right.count) else { return 64 }
        var table = [Array(0...right.count)]
        for i in 1...left.count {
            var row = [i]
            for j in 1...right.count {
                let cost = left[i - 1] == right[j - 1] ? 0 : 1
                var best = min(table[i - 1][j] + 1, row[j - 1] + 1, table[i - 1][j - 1] + cost)
                if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
                    best = min(best, table[i - 2][j - 2] + 1)
                }
                row.append(best)
            }
            table.append(row)
        }
        return table[left.count][right.count]
    }
}
