import Operations

/// The arguments as they were typed, with the passwords in them kept from `ps` and from messages.
struct CommandArguments {
    /// What the parser gets.
    let parsed: [String]
    private let secrets: [String]

    /// Takes the process's arguments, and overwrites the passwords where the kernel keeps them for `ps`.
    init() {
        let typed = Array(CommandLine.arguments.dropFirst())
        parsed = Self.completingWatch(typed)
        secrets = typed.compactMap { Self.secretRange(in: $0).map { String($0) } }
        Self.wipe()
    }

    /// Whether a usage error must be UNKNOWN, as monitoring plugins say it.
    var isNagios: Bool {
        parsed.first == "lag"
            && (parsed.contains("--format=nagios")
                || zip(parsed, parsed.dropFirst()).contains { $0 == ("--format", "nagios") })
    }

    /// The text without any of the passwords.
    func redacted(_ text: String) -> String {
        var text = text
        // One pass: the password may itself be `*`.
        for secret in secrets where !secret.isEmpty { text = text.replacing(secret, with: "***") }
        return text
    }

    /// `--watch` may stand without an interval, which the parser has no words for.
    static func completingWatch(_ arguments: [String]) -> [String] {
        var completed: [String] = []
        for (index, argument) in arguments.enumerated() {
            completed.append(argument)
            guard argument == "--watch" else { continue }
            let next = index + 1 < arguments.count ? arguments[index + 1] : ""
            if Duration(text: next) == nil { completed.append("1s") }
        }
        return completed
    }

    /// What stands between `://` and the last `@`: credentials.
    private static func secretRange(in argument: String) -> Substring? {
        guard let scheme = argument.firstRange(of: "://"), let at = argument.lastIndex(of: "@"),
            scheme.upperBound < at
        else { return nil }
        let credentials = argument[scheme.upperBound..<at]
        guard let colon = credentials.firstIndex(of: ":") else { return credentials }
        return credentials[credentials.index(after: colon)...]
    }

    private static func wipe() {
        for index in 1..<max(Int(CommandLine.argc), 1) {
            guard let start = CommandLine.unsafeArgv[index] else { continue }
            let text = String(cString: start)
            guard let secret = secretRange(in: text) else { continue }
            let offset = text.utf8.distance(from: text.startIndex, to: secret.startIndex)
            for byte in offset..<offset + secret.utf8.count { start[byte] = CChar(bitPattern: UInt8(ascii: "x")) }
        }
    }
}
