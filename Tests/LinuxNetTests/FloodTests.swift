import Glibc
import LinuxNet
import Synchronization
import Testing
import VRRP

/// Hostile packets as fast as one thread can send them, while an advertisement is due every 10 ms.
@Suite(.enabled(if: TwoNodes.isAvailable, "\(TwoNodes.whyUnavailable ?? "")"))
struct FloodTests {
    enum Kind: CaseIterable {
        /// Dropped by the kernel's filter.
        case otherVirtualRouter
        /// Have a small queue of their own.
        case wrongHopLimit, stranger
        /// Look like a router's of ours up to the password or checksum: compete for the queue, and must be read.
        case wrongPassword
    }

    struct Outcome {
        var sent = 0
        var seen: [UInt8] = []
        var hostile = 0
        var deadlines = 0
        var latest = Duration.zero
        var overruns: UInt32 = 0
        var growth = 0
        /// Of the listening thread.
        var processorTime = Duration.zero
    }

    @Test(arguments: Kind.allCases)
    func `costs no advertisement and no deadline`(kind: Kind) throws {
        let nodes = try TwoNodes()
        let isUnicast = kind == .stranger
        let (one, two) = try (nodes.primary(1, .ipv4), nodes.primary(2, .ipv4))
        let target = isUnicast ? two : .vrrpGroup(.ipv4)
        let hostile = try frame(
            from: kind == .stranger ? IPAddress("198.51.100.66")! : one, to: target,
            mac: isUnicast ? nodes.mac(2) : nil, hopLimit: kind == .wrongHopLimit ? 64 : 255,
            message: message(kind == .otherVirtualRouter ? 52 : 51))
        let sockets = try Sockets(
            forger: nodes.forger(1), sender: nodes.open(1, .ipv4, isUnicast ? [two] : []),
            receiver: nodes.open(2, .ipv4, isUnicast ? [one] : []))

        let isOver = Flag()
        let sent = Mutex(0)
        let flooding = try HeartbeatThread.start { _ in
            while !isOver.isRaised {
                // A full queue of the device is no reason to stop.
                do { try sockets.forger.send(hostile) } catch {}
                sent.withLock { $0 += 1 }
            }
        }
        let advertising = try HeartbeatThread.start(realTime: RealTime.Settings(locksMemory: false)) { _ in
            for number: UInt8 in 0..<150 {
                do { try sockets.sender.send([0x31, 51, number], from: one, to: target) } catch {}
                usleep(10_000)
            }
        }
        defer {
            isOver.raise()
            flooding.join()
            advertising.join()
        }
        var outcome = try onOwnThread { try listen(sockets) }
        outcome.sent = sent.withLock { $0 }
        print(
            "flood \(kind): \(outcome.sent) sent, \(outcome.hostile) read, \(outcome.overruns) dropped;",
            "\(outcome.seen.count) of 150 advertisements, \(outcome.deadlines) deadlines, latest by \(outcome.latest),",
            "processor time \(outcome.processorTime), memory +\(outcome.growth) KiB")
        #expect(outcome.sent > 30_000, "no flood at all")
        #expect(outcome.seen == Array(0..<150))
        #expect(outcome.deadlines >= 140)
        #expect(outcome.growth < 8192)
    }

    /// Listens until the last advertisement, or for 10 s, with a deadline every 10 ms, as an Active router has.
    private func listen(_ sockets: Sockets) throws -> Outcome {
        _ = RealTime.apply(RealTime.Settings(locksMemory: false))
        var outcome = Outcome()
        let loop = try EventLoop()
        try loop.register(sockets.receiver.fd) {
            do {
                _ = try sockets.receiver.receive { message, _, _, _ in
                    if message.count == 3 { outcome.seen.append(message[2]) } else { outcome.hostile += 1 }
                }
            } catch { Issue.record(error) }
        }
        let start = ContinuousClock.now
        let memory = Self.residentMemory()
        var due = start + .milliseconds(10)
        loop.deadline = due
        loop.onDeadline = {
            let now = ContinuousClock.now
            outcome.deadlines += 1
            outcome.latest = max(outcome.latest, due.duration(to: now))
            due = max(due + .milliseconds(10), now)
            loop.deadline = due
            if outcome.seen.last == 149 || start.duration(to: now) > .seconds(10) { loop.stop() }
        }
        try loop.run()
        outcome.overruns = sockets.receiver.overruns
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        outcome.processorTime = .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        outcome.growth = Self.residentMemory() - memory
        return outcome
    }

    /// Of this process, KiB.
    private static func residentMemory() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 200)
        fgets(&line, 200, file)
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4
    }

    /// Each of them is used by one thread.
    final class Sockets: @unchecked Sendable {
        let forger: AnnouncementSocket
        let sender: VRRPSocket
        var receiver: VRRPSocket

        init(
            forger: consuming AnnouncementSocket, sender: consuming VRRPSocket, receiver: consuming VRRPSocket
        ) {
            self.forger = forger
            self.sender = sender
            self.receiver = receiver
        }
    }
}
