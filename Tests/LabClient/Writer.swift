import Glibc
import Synchronization

/// One write that was acknowledged.
struct Acknowledgement: BitwiseCopyable {
    var connection: UInt32
    /// Ascending for each connection; the key is `PREFIX:CONNECTION:NUMBER`.
    var number: UInt32
    /// When the answer came, ns since 1970.
    var time: Int64

    func key(_ prefix: String) -> String { "\(prefix):\(connection):\(number)" }
}

/// Clients that write as fast as they can, or at a rate, and note each write that was acknowledged: the oracle of every
/// loss. They are a well configured pool: short time-outs for connecting, a new connection after any error.
final class Writer: Sendable {
    private let finder: Finder
    private let prefix: String
    private let connections: Int
    /// Between two writes of a connection, ns; 0: as fast as it can.
    private let interval: Int64
    /// After an error, ns.
    private let rest: Int64
    private let count = Atomic(0)
    private let latest = Atomic(Int64(0))
    private let longest = Atomic(Int64(0))
    private let results = Mutex<(acks: [Acknowledgement], errors: [String: Int])>(([], [:]))

    init(_ options: Options) throws(ClientError) {
        finder = Finder(
            target: try options.target(), connectTimeout: Int32(try options.number("connect-timeout-ms", default: 50)),
            timeout: Int32(try options.number("timeout-ms", default: 1000)))
        prefix = options.text("prefix", default: "w")
        connections = try options.number("connections", default: 4)
        let rate = try options.number("rate", default: 0)
        interval = rate == 0 ? 0 : Int64(connections) * 1_000_000_000 / Int64(rate)
        rest = Int64(try options.number("pause-ms", default: 5)) * 1_000_000
    }

    /// Writes until it is told to stop.
    func run(acks path: String, status: String?) throws(ClientError) {
        var workers: [Worker] = []
        for number in 0..<connections { workers.append(try Worker { [self] in write(UInt32(number)) }) }
        while !Stop.isAsked {
            pause(50_000_000)
            if let status { try report(status) }
        }
        for worker in workers { worker.join() }
        if let status { try report(status) }
        let (acks, errors) = results.withLock { $0 }
        try Files.write(
            acks.sorted { $0.time < $1.time }.flatMap { ack in withUnsafeBytes(of: ack) { Array($0) } }, to: path)
        let lines = errors.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
        try Files.write(Array(lines.joined().utf8), to: path + ".errors")
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
        var acks: [Acknowledgement] = []
        var errors: [String: Int] = [:]
        var number: UInt32 = 0
        while !Stop.isAsked {
            do throws(ClientError) {
                let link = try finder.connect()
                var next = wallTime()
                while !Stop.isAsked {
                    number += 1
                    var ack = Acknowledgement(connection: connection, number: number, time: 0)
                    guard try link.ask(["SET", ack.key(prefix), "1"]) == .text("OK") else { throw .malformed("SET") }
                    ack.time = wallTime()
                    acks.append(ack)
                    note(ack.time)
                    if interval > 0 {
                        next = max(next + interval, ack.time - interval)
                        pause(next - ack.time)
                    }
                }
            } catch {
                errors[error.word, default: 0] += 1
                pause(rest)
            }
        }
        results.withLock { results in
            results.acks += acks
            results.errors.merge(errors) { $0 + $1 }
        }
    }

    private func note(_ time: Int64) {
        count.add(1, ordering: .relaxed)
        let before = latest.exchange(time, ordering: .relaxed)
        if before > 0 { longest.max(time - before, ordering: .relaxed) }
    }
}
