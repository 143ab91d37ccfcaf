import Synchronization

/// Which servers take writes, and when: each is sent `DEL` of a key that does not exist, over and over. That is refused
/// where writes are refused, and changes nothing, not even an offset.
final class Probe: Sendable {
    /// A time for which a server took writes for certain: from its first to its last answer.
    struct Span: Sendable {
        var server: Int
        var from: Int64
        var to: Int64
    }

    private let places: [Place]
    private let interval: Int64
    private let spans = Mutex<[Span]>([])

    init(_ options: Options) throws(ClientError) {
        places = try options.text("unix").split(separator: ",").map { .unix(String($0)) }
        interval = Int64(try options.number("interval-ms", default: 5)) * 1_000_000
    }

    /// Looks until it is told to stop, and writes one line `SERVER FROM_NS TO_NS` for each span.
    func run(_ output: String) throws(ClientError) {
        var workers: [Worker] = []
        for server in places.indices { workers.append(try Worker { [self] in watch(server) }) }
        // Whoever waits for it to look at everything waits for this file.
        try Files.write([], to: output)
        for worker in workers { worker.join() }
        let lines = spans.withLock { $0 }.sorted { $0.from < $1.from }.map { "\($0.server) \($0.from) \($0.to)\n" }
        try Files.write(Array(lines.joined().utf8), to: output)
    }

    private func watch(_ server: Int) {
        var link: Connection?
        var span: Span?
        while !Stop.isAsked {
            let sent = wallTime()
            let isTaken = ask(&link, server)
            let now = wallTime()
            if let ended = span, !isTaken || now - sent > 5 * interval {
                spans.withLock { $0.append(ended) }
                span = nil
            }
            if isTaken { span = Span(server: server, from: span?.from ?? now, to: now) }
            pause(interval - (now - sent))
        }
        if let span { spans.withLock { $0.append(span) } }
    }

    private func ask(_ link: inout Connection?, _ server: Int) -> Bool {
        do throws(ClientError) {
            if link == nil { link = try Connection(to: places[server], connectTimeout: 200, timeout: 200) }
            return try link?.ask(["DEL", "syncgate-lab:probe"]) == .integer(0)
        } catch {
            // A refusal is an answer; after anything else the connection is of no use.
            if case .refused = error {} else { link = nil }
            return false
        }
    }
}
