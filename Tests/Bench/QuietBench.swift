import NetworkLab
import RedisLab

/// Case 4: nothing happens, for long, under traffic.
struct QuietBench {
    let minutes: Int

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "\(minutes) minutes of traffic in which nothing happens",
            note: "2000 writes a second; a transition is an entry in the history of either daemon.",
            columns: ["transitions", "acked", "acked lost", "longest gap ms"])
        Progress.say("quiet: ours, \(minutes) minutes")
        do {
            let (transitions, account) = try await measure()
            let gap = account.gap?.inMilliseconds
            table.rows.append(
                ["\(transitions)", "\(account.acked)", account.lost.map { "\($0)" } ?? "-", gap.text])
            report.targets.append(
                Target(
                    what: "\(minutes) minutes of traffic: transitions", limit: "0", measured: "\(transitions)",
                    isMet: transitions == 0 && account.lost == 0))
        } catch {
            report.failures.append("quiet: \(error)")
        }
        report.add(table)
    }

    private func measure() async throws -> (transitions: Int, LabWriter.Account) {
        let contender = try await ContenderKind.syncgate.build(.v7_0)
        let pair = contender.pair
        do {
            // What belongs to the start is over.
            try await Task.sleep(for: .seconds(3))
            let before = try await history(pair)
            let time = WallTime.now
            var writes = LabWriter.Settings()
            writes.rate = 2000
            let writer = try await LabWriter(pair.lab, on: pair.client, to: contender.target, writes)
            try await Task.sleep(for: .seconds(60 * minutes))
            let after = try await history(pair)
            let account = try await writer.stop(since: time)
            await pair.lab.remove()
            return (after - before, account)
        } catch {
            await pair.lab.remove()
            throw error
        }
    }

    private func history(_ pair: PairLab) async throws -> Int {
        var count = 0
        for node in pair.nodes {
            let outcome = try await node.daemon.command(["history", "--format", "json", "--limit", "1000"])
            guard outcome.exitCode == 0 else { throw BenchError("history: \(outcome.errors)") }
            count += outcome.output.split(separator: "\n").count
        }
        return count
    }
}
