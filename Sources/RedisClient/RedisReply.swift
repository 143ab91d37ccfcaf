/// One reply of a server, as RESP2 knows it (the RESP3 types are never asked for: no `HELLO` is sent).
public enum RedisReply: Sendable, Equatable {
    /// A status line such as `OK`; bytes that are not UTF-8 are repaired.
    case simpleString(String)
    /// A string of any bytes.
    case bulk([UInt8])
    /// A signed 64-bit number.
    case integer(Int64)
    /// The null string or the null array.
    case null
    /// Replies in a row; at most 7 arrays are nested.
    case array([RedisReply])
    /// An error inside an array, as `EXEC` returns them. An error that is the whole reply is thrown instead.
    case error(RedisServerError)

    /// The text of a status line or a string, with bytes that are not UTF-8 repaired; nil for everything else.
    public var text: String? {
        switch self {
        case .simpleString(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        case .integer, .null, .array, .error: nil
        }
    }

    /// The name of the kind of reply, for messages.
    package var kind: String {
        switch self {
        case .simpleString: "a status"
        case .bulk: "a string"
        case .integer: "an integer"
        case .null: "null"
        case .array: "an array"
        case .error: "an error"
        }
    }
}
