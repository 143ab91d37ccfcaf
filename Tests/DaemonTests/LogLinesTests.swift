import Foundation
import Logging
import Testing

@testable import Daemon

@Suite struct LogLinesTests {
    private static let line = LogLines.Line(
        date: Date(timeIntervalSince1970: 1_795_378_293.125), level: .notice, router: "redis", code: "elected",
        message: "standby -> serving:\nall \u{7} is well")

    @Test(arguments: [
        (LogLines.Format.text, "2026-11-22T20:11:33.125Z notice redis: standby -> serving: all   is well"),
        (.journal, "<5>redis: standby -> serving: all   is well"),
        (
            .json,
            #"{"at":"2026-11-22T20:11:33.125Z","code":"elected","level":"notice","message":"standby -> serving: all   is well","virtual_router":"redis"}"#
        ),
    ])
    func `a fact is a line, whatever is in it`(format: LogLines.Format, text: String) {
        #expect(format.text(Self.line) == text)
    }

    @Test func `less important lines are left out, at once for all loggers`() async throws {
        let folder = try TestFolder()
        let logger = folder.logger
        logger.debug("no")
        logger.info("one", code: "a")
        folder.lines.setLevel(.warning)
        logger.notice("no", code: "b")
        logger.warning("two", code: "c")
        await folder.lines.finish(within: .seconds(5))
        #expect(folder.logged == ["info a: one", "warning c: two"])
    }

    @Test func `nobody waits for one who does not read, and what is dropped is counted`() async throws {
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let lines = try LogLines(.text, level: .info, descriptor: ends[1], capacity: 100)
        let logger = lines.logger()
        let start = ContinuousClock.now
        for number in 0..<20_000 { logger.info("line \(number) \(String(repeating: "x", count: 100))") }
        #expect(ContinuousClock.now - start < .seconds(5))
        // Nothing moves until somebody reads.
        let reading = Task.detached { [end = ends[0]] in
            var text = ""
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while Self.counts(text).total < 20_000 {
                var entry = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
                guard poll(&entry, 1, 5000) > 0 else { break }
                let count = read(end, &buffer, buffer.count)
                text += String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
            }
            return text
        }
        let counts = Self.counts(await reading.value)
        await lines.finish(within: .seconds(5))
        #expect(counts.total == 20_000)
        #expect(counts.dropped > 15_000)
        #expect(counts.reports < 10)
    }

    private static func counts(_ text: String) -> (total: Int, dropped: Int, reports: Int) {
        let reports = text.matches(of: /(\d+) log lines were dropped: nobody read standard error\n/).compactMap {
            Int($0.1)
        }
        let written = text.matches(of: /\ line \d+ x+\n/).count
        return (written + reports.reduce(0, +), reports.reduce(0, +), reports.count)
    }
}
