import Daemon
import FoundationEssentials
import LinuxNet
import VRRP

/// Prints what a virtual router reports, from a task of its own: the heartbeat never waits for a terminal.
struct VRRPPrinter {
    private let continuation: AsyncStream<(Date, StandaloneNotice)>.Continuation
    private let task: Task<Void, Never>

    init(format: OutputFormat) {
        // Bounded: a terminal that stands still for hours must not make memory grow.
        let (stream, continuation) = AsyncStream.makeStream(
            of: (Date, StandaloneNotice).self, bufferingPolicy: .bufferingNewest(10_000))
        self.continuation = continuation
        task = Task.detached {
            for await (time, notice) in stream {
                let line = VRRPLine(time: time, notice: notice)
                Output.write((format == .json ? Output.json(line, pretty: false) : line.pretty) + "\n")
            }
        }
    }

    /// Takes a notice; returns at once. Its time is that of the call.
    var take: @Sendable (StandaloneNotice) -> Void {
        { [continuation] notice in continuation.yield((Date.now, notice)) }
    }

    /// Waits until all is printed.
    func finish() async {
        continuation.finish()
        await task.value
    }
}

/// A notice as a line of JSON, or of text. Every key is there in every line.
struct VRRPLine: Encodable {
    /// UTC, with milliseconds.
    let at: String
    let event: String
    @OrNull var interface: String?
    @OrNull var vrid: Int?
    @OrNull var from: String?
    @OrNull var to: String?
    @OrNull var cause: String?
    @OrNull var sender: String?
    @OrNull var reason: String?
    @OrNull var statistics: Statistics?
    let detail: String

    struct Statistics: Encodable {
        let state: String
        let sent: Int
        let unsent: Int
        let accepted: Int
        let rejected: [String: Int]
        let overruns: Int
    }

    init(time: Date, notice: StandaloneNotice) {
        at = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        switch notice {
        case .report(let report, let id, let interface):
            event = report.code
            vrid = Int(id.rawValue)
            self.interface = interface
            detail = "\(report)"
            switch report {
            case .transition(let old, let new, let why):
                (from, to, cause, sender) = ("\(old)", "\(new)", why.code, why.other.map { "\($0)" })
            case .rejected(let rejection, let address):
                (sender, reason) = ("\(address)", rejection.kind.code)
            case .discrepancy(_, let address), .secondActive(_, let address), .ownAddress(let address):
                sender = "\(address)"
            case .link, .manyRemarks, .addressRestored, .trouble, .recovered:
                break
            }
        case .statistics(let numbers, let id, let interface):
            event = "statistics"
            vrid = Int(id.rawValue)
            self.interface = interface
            let rejected = numbers.rejections.filter { $0.count > 0 }.map { ($0.kind.code, $0.count) }
            statistics = Statistics(
                state: "\(numbers.state)", sent: numbers.sent, unsent: numbers.unsent, accepted: numbers.accepted,
                rejected: Dictionary(uniqueKeysWithValues: rejected), overruns: numbers.overruns)
            detail = "\(numbers)"
        case .trouble(let error, let interface):
            (event, self.interface, detail) = ("trouble", interface, "\(error)")
        case .notRealTime(let error):
            (event, interface, detail) = ("not_real_time", nil, "\(error)")
        }
    }

    /// `17:05:01.123  eth0 vrid 51  backup → active: no advertisement from 198.51.100.2 for 3.61 s`
    var pretty: String {
        let place = [interface, vrid.map { "vrid \($0)" }].compactMap { $0 }.joined(separator: " ")
        let text = to == nil ? detail : Output.colored(detail, to == "active" ? .green : .bold)
        return "\(at)  " + (place.isEmpty ? "" : place + "  ") + text
    }
}
