/// Commands as redis-cli prints and reads them: each argument in quotes, bytes that are no printable ASCII escaped.
public enum CommandText {
    /// The bytes in quotes; beyond `limit` bytes, if there is one, the rest is left out and its length said.
    public static func quoted(_ bytes: [UInt8], limit: Int? = nil) -> String {
        let shown = "\"\(escaped(bytes, limit: limit))\""
        guard let limit, bytes.count > limit else { return shown }
        return "\(shown)...(\(bytes.count) bytes)"
    }

    /// The bytes without quotes, as they stand between them: `\\`, `\"`, `\n`, `\r`, `\t`, `\a`, `\b`, `\xNN`.
    public static func escaped(_ bytes: [UInt8], limit: Int? = nil) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(min(bytes.count, limit ?? bytes.count) + 8)
        for byte in bytes.prefix(limit ?? bytes.count) { append(byte, to: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    /// A whole command: its arguments in quotes, with a blank between them. At most `arguments` of them, each of at most
    /// `limit` bytes.
    public static func line(_ command: [[UInt8]], limit: Int? = nil, arguments: Int? = nil) -> String {
        let shown = command.prefix(arguments ?? command.count)
        let line = shown.map { quoted($0, limit: limit) }.joined(separator: " ")
        return shown.count < command.count ? "\(line) ...(\(command.count) arguments)" : line
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func append(_ byte: UInt8, to text: inout [UInt8]) {
        let backslash = UInt8(ascii: "\\")
        switch byte {
        case backslash, UInt8(ascii: "\""): text += [backslash, byte]
        case UInt8(ascii: "\n"): text += [backslash, UInt8(ascii: "n")]
        case UInt8(ascii: "\r"): text += [backslash, UInt8(ascii: "r")]
        case UInt8(ascii: "\t"): text += [backslash, UInt8(ascii: "t")]
        case 7: text += [backslash, UInt8(ascii: "a")]
        case 8: text += [backslash, UInt8(ascii: "b")]
        case 0x20..<0x7f: text.append(byte)
        default: text += [backslash, UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
}
