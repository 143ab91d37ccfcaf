import Glibc
import Synchronization

/// One write that was acknowledged, or that was sent and never answered.
struct Acknowledgement: BitwiseCopyable {
    var connection: UInt32
    /// Ascending for each connection; the key of a `SET` is `PREFIX:CONNECTION:NUMBER`.
    var number: UInt32
    /// When the answer came, or was given up, ns since 1970.
    var time: Int64

    func key(_ prefix: String) -> String { "\(prefix):\(connection):\(number)" }
}

/// What one connection writes, and in which database.
struct Work: Sendable, Hashable {
    enum Kind: String, Sendable {
        /// `SET PREFIX:CONNECTION:NUMBER NUMBER`.
        case set
        /// `RPUSH PREFIX:CONNECTION NUMBER`: done twice, it shows.
        case push
        /// `INCR PREFIX:CONNECTION`: done twice, it shows as well.
        case incr
    }

    var kind = Kind.set
    var database = 0

    init() {}

    /// `set:0`.
    init(_ text: Substring) throws(ClientError) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])), let database = UInt16(parts[1]) else {
            throw .usage("--plan \(text)")
        }
        (self.kind, self.database) = (kind, Int(database))
    }

    func command(_ write: Acknowledgement, _ prefix: String) -> [String] {
        switch kind {
        case .set: ["SET", write.key(prefix), "\(write.number)"]
        case .push: ["RPUSH", "\(prefix):\(write.connection)", "\(write.number)"]
        case .incr: ["INCR", "\(prefix):\(write.connection)"]
        }
    }

    /// Whether it is the answer of a write that was done.
    func isDone(_ reply: Connection.Reply) -> Bool {
        if case .integer(let number) = reply { return kind != .set && number > 0 }
        return kind == .set && reply == .text("OK")
    }
}

/// Clients that write as fast as they can, or at a rate, and note each write that was acknowledged, and each that was sent and
/// not answered: the oracle of every loss. They are a well configured pool: short time-outs for connecting, a new connection
/// after any error.
final class Writer: Sendable {
    private struct Results {
        var acks: [Acknowledgement] = []
        var unanswered: [Acknowledgement] = []
        var errors: [String: Int] = [:]
    }

    private let finder: Finder
    private let prefix: String
    /// One for each connection.
    private let works: [Work]
    /// Between two writes of a connection, ns; 0: as fast as it can.
    private let interval: Int64
    /// After an error, ns.
    private let rest: Int64
    private let count = Atomic(0)
    private let latest = Atomic(Int64(0))
    private let longest = Atomic(Int64(0))
    private let results = Mutex(Results())

    init(_ options: Options) throws(ClientError) {
        finder = Finder(
            target: try options.target(), connectTimeout: Int32(try options.number("connect-timeout-ms", default: 50)),
            timeout: Int32(try options.number("timeout-ms", default: 1000)))
        prefix = options.text("prefix", default: "w")
        var works: [Work] = []
        for text in options.text("plan", default: "").split(separator: ",") { works.append(try Work(text)) }
        if works.isEmpty { works = Array(repeating: Work(), count: try options.number("connections", default: 4)) }
        self.works = works
        let rate = try options.number("rate", default: 0)
        interval = rate == 0 ? 0 : Int64(works.count) * 1_000_000_000 / Int64(rate)
        rest = Int64(try options.number("pause-ms", default: 5)) * 1_000_000
    }

    /// Writes until it is told to stop.
    func run(acks path: String, status: String?) throws(ClientError) {
        var workers: [Worker] = []
        for number in works.indices { workers.append(try Worker { [self] in write(UInt32(number)) }) }
        while !Stop.isAsked {
            pause(50_000_000)
            if let status { try report(status) }
        }
        for worker in workers { worker.join() }
        if let status { try report(status) }
        let results = results.withLock { $0 }
        try Files.write(Self.bytes(results.acks), to: path)
        try Files.write(Self.bytes(results.unanswered), to: path + ".unanswered")
        let lines = results.errors.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
        try Files.write(Array(lines.joined().utf8), to: path + ".errors")
    }

    private static func bytes(_ writes: [Acknowledgement]) -> [UInt8] {
        writes.sorted { $0.time < $1.time }.flatMap { write in withUnsafeBytes(of: write) { Array($0) } }
    }

    /// `COUNT LAST_NS LONGEST_GAP_NS`: so far, and whole at any time.
    private func report(_ path: String) throws(ClientError) {
        let parts = [
            Int64(count.load(ordering: .relaxed)), latest.load(ordering: .relaxed), longest.load(ordering: .relaxed),
        ]
        try Files.write(Array((parts.map { "\($0)" }.joined(separator: " ") + "\n").utf8), to: path + ".new")
        rename(path + ".new", path)
    }

    private func write(_ connection: UInt32) {
        let work = works[Int(connection)]
        var results = Results()
        var number: UInt32 = 0
        while !Stop.isAsked {
            do throws(ClientError) {
                let link = try finder.connect()
                if work.database != 0 { try link.ask(["SELECT", "\(work.database)"]) }
                var next = wallTime()
                while !Stop.isAsked {
                    number += 1
                    let write = try once(
                        work, Acknowledgement(connection: connection, number: number, time: 0), link, &results)
                    if interval > 0 {
                        next = max(next + interval, write.time - interval)
                        pause(next - write.time)
                    }
                }
            } catch {
                results.errors[error.word, default: 0] += 1
                pause(rest)
            }
        }
        self.results.withLock { all in
            all.acks += results.acks
            all.unanswered += results.unanswered
            all.errors.merge(results.errors) { $0 + $1 }
        }
    }

    /// One write and its answer. One that was refused was not done; of one without an answer nobody knows.
    private func once(
        _ work: Work, _ write: Acknowledgement, _ link: Connection, _ results: inout Results
    ) throws(ClientError) -> Acknowledgement {
        var write = write
        do throws(ClientError) {
            let reply = try link.ask(work.command(write, prefix))
            write.time = wallTime()
            guard work.isDone(reply) else { throw .malformed("\(reply)") }
            results.acks.append(write)
            note(write.time)
            return write
        } catch {
            write.time = wallTime()
            if case .refused = error {} else { results.unanswered.append(write) }
            throw error
        }
    }

    private func note(_ time: Int64) {
        count.add(1, ordering: .relaxed)
        let before = latest.exchange(time, ordering: .relaxed)
        if before > 0 { longest.max(time - before, ordering: .relaxed) }
    }
}
