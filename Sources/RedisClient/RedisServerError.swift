/// An error reply of a server.
///
/// The codes are the ones that decide something in a failover. Texts differ by version; the old ones were read off
/// Redis 2.8 to 5.0.
public struct RedisServerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What the server says is wrong.
    public enum Code: Sendable, Hashable {
        /// `-LOADING`: the data set is being read from disk or from a master.
        case loading
        /// `-NOAUTH`, and Redis 2.8's `-ERR operation not permitted`: a password is required and was not given.
        case noAuth
        /// `-WRONGPASS`, and the `-ERR invalid password` of Redis 5 and older.
        case wrongPass
        /// `-NOPERM`: the ACL user may not do this.
        case noPerm
        /// `-BUSY`: a script runs and blocks the server.
        case busy
        /// `-MISCONF`: writes are refused because snapshots fail.
        case misconf
        /// `-READONLY`: the server is a replica.
        case readOnly
        /// `-MASTERDOWN`: the server is a replica, cut off, and configured not to serve stale data.
        case masterDown
        /// `-NOREPLICAS`: fewer good replicas than `min-replicas-to-write`.
        case noReplicas
        /// `-ERR max number of clients …`: pushed on connect, then the server closes the connection.
        case maxClients
        /// `-OOM`: over `maxmemory`.
        case outOfMemory
        /// `-EXECABORT`: the transaction was discarded.
        case execAbort
        /// `-NOMASTERLINK`: a replica without its master cannot serve replicas.
        case noMasterLink
        /// `-ERR unknown command`: renamed away, or newer than the server.
        case unknownCommand
        /// Any other `-ERR`.
        case err
        /// Any other code: the first word, cut to 32 characters.
        case other(String)
    }

    /// What is wrong.
    public let code: Code
    /// The whole text as sent, code included, without the leading `-`.
    public let message: String

    /// Reads the text of an error reply.
    public init(message: String) {
        self.message = message
        let word = message.prefix { $0 != " " }
        code =
            switch word {
            case "LOADING": .loading
            case "NOAUTH": .noAuth
            case "WRONGPASS": .wrongPass
            case "NOPERM": .noPerm
            case "BUSY": .busy
            case "MISCONF": .misconf
            case "READONLY": .readOnly
            case "MASTERDOWN": .masterDown
            case "NOREPLICAS": .noReplicas
            case "OOM": .outOfMemory
            case "EXECABORT": .execAbort
            case "NOMASTERLINK": .noMasterLink
            case "ERR": Self.generic(message.dropFirst(word.count + 1))
            default: .other(String(word.prefix(32)))
            }
    }

    /// The texts behind the catch-all code `ERR` that have a meaning of their own.
    private static func generic(_ text: Substring) -> Code {
        if text.hasPrefix("invalid password") { return .wrongPass }
        if text.hasPrefix("operation not permitted") { return .noAuth }
        if text.hasPrefix("max number of clients") { return .maxClients }
        if text.hasPrefix("unknown command") { return .unknownCommand }
        return .err
    }

    /// Whether this answers `AUTH` on a server that has no password ("no password is set" up to Redis 5, "without
    /// any password configured" since 6).
    package var saysNoPasswordIsSet: Bool {
        guard code == .err else { return false }
        let words = message.split(separator: " ")
        return words.starts(with: ["ERR", "Client", "sent", "AUTH,"])
            || words.starts(with: ["ERR", "AUTH", "<password>", "called", "without"])
    }

    /// The text as sent, with control characters escaped and cut to 200 characters.
    public var description: String { EscapedText.of(message.utf8, limit: 200) }
}

/// Bytes of a server, made fit for one line of a message.
enum EscapedText {
    /// The first `limit` bytes: printable ASCII as it is, everything else as `\n`, `\r`, `\t` or `\x1b`.
    static func of(_ bytes: some Collection<UInt8>, limit: Int) -> String {
        var text = ""
        for byte in bytes.prefix(limit) {
            switch byte {
            case UInt8(ascii: "\n"): text += "\\n"
            case UInt8(ascii: "\r"): text += "\\r"
            case UInt8(ascii: "\t"): text += "\\t"
            case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
            }
        }
        return bytes.count > limit ? text + "…" : text
    }
}
