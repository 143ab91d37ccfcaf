import Foundation
import RedisLab

/// What was on the wire, by tcpdump, with the kernel's time stamps.
public final class PacketCapture: Sendable {
    private let child: ChildProcess
    private let file: String
    private let log: String

    /// Starts one, and returns when it listens. On the bridge (`leaf` is nil) it sees what the segment sees, each packet
    /// once; on a leaf also what that sends while it is cut off. `filter` is a pcap expression.
    public init(
        _ lab: NetworkLab, on leaf: NetworkLab.Leaf? = nil,
        filter: String = "ip proto 112 or ip6 proto 112 or arp or icmp6"
    ) async throws {
        file = lab.file("capture.pcap")
        log = lab.file("tcpdump.log")
        let command = try [
            LabTool.path("tcpdump"), "-Z", "root", "--immediate-mode", "--nano", "-U", "-n", "-i",
            leaf == nil ? "br0" : "eth0", "-w", file, filter,
        ]
        child = try await lab.start(command, namespace: leaf?.namespace ?? lab.bridge, log: log)
        let (child, log) = (child, log)
        try await waitUntil("tcpdump listens: \(LabTool.text(log))") {
            if !child.isRunning { throw LabError.command("tcpdump", output: LabTool.text(log)) }
            return LabTool.text(log).contains("listening on")
        }
    }

    /// All packets so far.
    public func packets() throws -> [CapturedPacket] {
        // Not read before tcpdump has written its first bytes.
        guard let data = FileManager.default.contents(atPath: file) else { return [] }
        return try PcapFile.records([UInt8](data)).map { CapturedPacket(time: $0.time, frame: $0.bytes) }
    }

    /// Ends it, with everything written that was captured.
    public func stop() async throws -> [CapturedPacket] {
        child.signal(SIGINT)
        await child.waitForExit()
        return try packets()
    }

    /// Packets that the kernel could not keep for tcpdump; known after `stop`.
    public var dropped: Int? {
        LabTool.text(log).split(separator: "\n").first { $0.hasSuffix("dropped by kernel") }
            .flatMap { Int($0.prefix { $0.isNumber }) }
    }
}
