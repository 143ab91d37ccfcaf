import ArgumentParser
import Foundation
import LinuxNet
import NetworkLab
import RedisLab
import VRRP

/// Fifty virtual routers in one process at 100 ms, as Active and as Backup, beside keepalived with the same fifty.
struct ManyRoutersBench {
    let count: Int
    let duration: Duration

    func run(into report: inout BenchReport) async {
        var table = Table(
            title: "\(count) virtual routers in one process, v3 at 100 ms",
            note:
                "For \(duration): share of one processor; memory in KiB, resident (RSS) and with shared pages divided "
                + "among those who share them (PSS). keepalived: both of its processes. The routers of SyncGate run in the "
                + "benchmark's own executable, which brings libraries along that the command does without: hence the row with one.",
            columns: ["router", "virtual routers", "role", "packets/s", "cpu %", "RSS", "PSS"])
        for (make, count) in [(RouterMake.syncgate, 1), (.syncgate, count), (.keepalived, 1), (.keepalived, count)] {
            Progress.say("\(count) virtual router(s) of \(make), \(duration)")
            do {
                for row in try await measure(make, count) { table.rows.append(row) }
            } catch {
                report.failures.append("\(count) virtual routers of \(make): \(error)")
            }
        }
        report.add(table)
    }

    private func measure(_ make: RouterMake, _ count: Int) async throws -> [[String]] {
        try await withNetworkLab(leaves: 2) { lab in
            var processes: [[Int32]] = []
            for (leaf, priority) in zip(lab.leaves, [150, 100]) {
                processes.append(try await start(make, count, lab, leaf, priority))
            }
            let capture = try await PacketCapture(lab, filter: "ip proto 112")
            try await waitUntil("all are Active at leaf 1", within: .seconds(20)) {
                let addresses = try await lab.addresses(in: lab[1]).count {
                    $0.address.hasPrefix("198.51.100.1") && $0.prefixLength == 32
                }
                let others = try await lab.addresses(in: lab[2]).count { $0.prefixLength == 32 }
                return addresses == count && others == 0
            }
            // Announcements after a takeover, and the tests for readiness, are over.
            try await Task.sleep(for: .seconds(10))
            let before = try processes.map { try ProcessUse(of: $0) }
            let packetsBefore = try capture.packets().count
            try await Task.sleep(for: duration)
            let after = try processes.map { try ProcessUse(of: $0) }
            let rate = Double(try await capture.stop().count - packetsBefore) / (duration / .seconds(1))
            return zip(["Active", "Backup"], zip(before, after)).map { role, use in
                [
                    "\(make)", "\(count)", role, Double?(rate).text, Double?(use.1.share(since: use.0)).text,
                    "\(use.1.residentKiB)", "\(use.1.proportionalKiB)",
                ]
            }
        }
    }

    /// Returns the processes.
    private func start(
        _ make: RouterMake, _ count: Int, _ lab: NetworkLab, _ leaf: NetworkLab.Leaf, _ priority: Int
    ) async throws -> [Int32] {
        switch make {
        case .syncgate:
            let executable = Bundle.main.executablePath ?? CommandLine.arguments[0]
            let log = lab.file("routers.log")
            let child = try await lab.start(
                [executable, "vrrp-routers", "--count", "\(count)", "--priority", "\(priority)"], in: leaf, log: log)
            return [child.id]
        case .keepalived:
            let instances = (1...count).map { number in
                var instance = Keepalived.Instance()
                (instance.virtualRouterID, instance.priority, instance.interval) = (number, priority, "0.1")
                instance.addresses = ["198.51.100.\(100 + number)/32"]
                return instance
            }
            let keepalived = try await Keepalived(lab, on: leaf, instances)
            return [keepalived.parentID, try keepalived.processID.orThrow("keepalived has no process")]
        }
    }
}

/// `syncgate-bench vrrp-routers`: many virtual routers in this process, until it is killed.
struct VRRPRoutersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "vrrp-routers", shouldDisplay: false)

    @Option var count: Int
    @Option var priority: Int

    func run() async throws {
        let configurations = try (1...count).map { number in
            let address = VirtualAddress(.v4(0xc633_6464 + UInt32(number)))
            let parameters = VirtualRouterParameters(
                version: .v3, virtualRouterID: try VirtualRouterID(number).orThrow("--count \(count)"),
                priority: Priority(UInt8(clamping: priority)), advertisementInterval: .milliseconds(100),
                addresses: [address.address])
            return StandaloneConfiguration(interface: "eth0", parameters: parameters, virtualAddresses: [address])
        }
        let thread = try StandaloneThread(configurations) { _ in }
        while !thread.isFinished { try await Task.sleep(for: .seconds(3600)) }
    }
}
