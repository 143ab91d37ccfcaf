import Glibc

/// What the command line asks for: a word, and options that each have a value.
struct Options {
    let mode: String
    private let values: [String: String]

    static let usage = """
        usage: syncgate-lab-client write --to HOST:PORT | --sentinels HOST:PORT,... [--name NAME]
                   --acks FILE [--status FILE] [--connections N | --plan set|push|incr:DATABASE,...]
                   [--rate PER_SECOND] [--prefix WORD]
                   [--connect-timeout-ms N] [--timeout-ms N] [--pause-ms N]       until SIGTERM
               syncgate-lab-client check --acks FILE --to HOST:PORT | --unix PATH | --sentinels ... [--since NANOSECONDS]
               syncgate-lab-client probe --unix PATH,PATH... --output FILE [--interval-ms N]       until SIGTERM
        """

    init(_ arguments: [String]) throws(ClientError) {
        guard let mode = arguments.first, arguments.count % 2 == 1 else { throw .usage("a word and pairs of options") }
        var values: [String: String] = [:]
        for index in stride(from: 1, to: arguments.count, by: 2) {
            guard arguments[index].hasPrefix("--") else { throw .usage(arguments[index]) }
            values[String(arguments[index].dropFirst(2))] = arguments[index + 1]
        }
        (self.mode, self.values) = (mode, values)
    }

    func text(_ name: String) throws(ClientError) -> String {
        guard let value = values[name] else { throw .usage("--\(name) is missing") }
        return value
    }

    func text(_ name: String, default other: String) -> String { values[name] ?? other }

    func number(_ name: String, default other: Int) throws(ClientError) -> Int {
        guard let text = values[name] else { return other }
        guard let number = Int(text), number >= 0 else { throw .usage("--\(name) \(text)") }
        return number
    }

    /// Where the server is: an address, a unix socket, or what Sentinels say.
    func target() throws(ClientError) -> Target {
        if let path = values["unix"] { return .server(.unix(path)) }
        if let list = values["sentinels"] {
            var sentinels: [Place] = []
            for text in list.split(separator: ",") { sentinels.append(try Place(String(text))) }
            return .sentinels(sentinels, name: values["name"] ?? "mymaster")
        }
        return .server(try Place(text("to")))
    }
}

/// How the client finds the server.
enum Target: Sendable {
    case server(Place)
    case sentinels([Place], name: String)
}

/// Where a server listens.
enum Place: Sendable, Hashable {
    case tcp(String, UInt16)
    case unix(String)

    /// `198.51.100.1:6379`, `[2001:db8::1]:6379` or `/path`.
    init(_ text: String) throws(ClientError) {
        if text.hasPrefix("/") {
            self = .unix(text)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw .usage("\(text) is no address with a port")
        }
        self = .tcp(text[..<colon].filter { $0 != "[" && $0 != "]" }, port)
    }
}

/// Why a call came to nothing.
enum ClientError: Error, CustomStringConvertible {
    case usage(String)
    /// A call of the system failed.
    case system(String, Int32)
    /// No answer in time.
    case timedOut
    /// The other side closed the connection.
    case closed
    /// An error of the server: its first word.
    case refused(String)
    /// An answer that makes no sense.
    case malformed(String)

    /// One word, to be counted by.
    var word: String {
        switch self {
        case .usage: "usage"
        case .system(_, let code):
            [ECONNREFUSED: "refused", ECONNRESET: "reset", EHOSTUNREACH: "unreachable", EPIPE: "reset"][code]
                ?? "errno_\(code)"
        case .timedOut: "timeout"
        case .closed: "closed"
        case .refused(let word): word
        case .malformed: "malformed"
        }
    }

    var description: String {
        switch self {
        case .usage(let text): "\(text)\n\(Options.usage)"
        case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
        case .malformed(let text): "malformed: \(text)"
        case .timedOut, .closed, .refused: word
        }
    }
}
