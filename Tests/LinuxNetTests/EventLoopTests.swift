import Glibc
import LinuxNet
import Synchronization
import Testing

@Suite struct EventLoopTests {
    /// A pipe with so many bytes in it; each is one packet.
    struct Pipe: ~Copyable {
        let ends: [Int32]

        init(bytes: Int = 0) {
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            self.ends = ends
            fill(bytes)
        }

        deinit { ends.forEach { close($0) } }

        var fd: Int32 { ends[0] }

        func fill(_ bytes: Int) { write(ends[1], [UInt8](repeating: 1, count: bytes), bytes) }

        static func read(_ fd: Int32, _ bytes: Int) -> Int {
            var buffer = [UInt8](repeating: 0, count: bytes)
            return Glibc.read(fd, &buffer, bytes)
        }
    }

    final class Journal {
        var lines: [String] = []
    }

    #if compiler(>=6.3)
        @Test func `ContinuousClock is CLOCK_BOOTTIME`() {
            var before = timespec()
            var after = timespec()
            clock_gettime(CLOCK_BOOTTIME, &before)
            let now = ContinuousClock().systemEpoch.duration(to: .now)
            clock_gettime(CLOCK_BOOTTIME, &after)
            #expect(.seconds(before.tv_sec) + .nanoseconds(before.tv_nsec) <= now)
            #expect(now <= .seconds(after.tv_sec) + .nanoseconds(after.tv_nsec))
        }
    #endif

    @Test func `a loop with nothing to do sleeps, also after a deadline`() throws {
        let loop = try EventLoop()
        var fired = 0
        loop.onDeadline = { fired += 1 }
        loop.deadline = .now + .milliseconds(5)
        let stopper = loop.stopper
        let thread = try HeartbeatThread.start { _ in
            usleep(300_000)
            stopper.stop()
        }
        func processorTime() -> Duration {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        }
        let before = processorTime()
        try loop.run()
        thread.join()
        #expect(fired == 1)
        #expect(processorTime() - before < .milliseconds(100))
    }

    @Test func `a deadline fires once, not before its time, and is gone then`() throws {
        let loop = try EventLoop()
        let start = ContinuousClock.now
        var firedAt: [Duration] = []
        loop.deadline = start + .milliseconds(30)
        loop.onDeadline = {
            firedAt.append(start.duration(to: .now))
            #expect(loop.deadline == nil)
            if firedAt.count == 3 { return loop.stop() }
            // The second one is at the same moment, which is past: it fires again at once.
            loop.deadline = firedAt.count == 1 ? start + .milliseconds(30) : start + .milliseconds(60)
        }
        try loop.run()
        #expect(firedAt.count == 3)
        #expect(firedAt[0] >= .milliseconds(30) && firedAt[1] >= .milliseconds(30) && firedAt[2] >= .milliseconds(60))
        #expect(firedAt[0] < .seconds(5), "it waited for something else")
    }

    @Test func `a deadline that is moved or taken back does not fire at its old time`() throws {
        let loop = try EventLoop()
        let pipe = Pipe(bytes: 2)
        let start = ContinuousClock.now
        var fired = 0
        loop.deadline = start + .milliseconds(20)
        try loop.register(pipe.fd) {
            _ = Pipe.read(pipe.fd, 1)
            loop.deadline = nil
        }
        loop.onDeadline = { fired += 1 }
        let stopper = loop.stopper
        let thread = try HeartbeatThread.start { _ in
            usleep(80_000)
            stopper.stop()
        }
        try loop.run()
        thread.join()
        #expect(fired == 0)
    }

    @Test func `what waited in a socket is read before a deadline that has passed, and may move it`() throws {
        let loop = try EventLoop()
        let pipe = Pipe(bytes: 1)
        let journal = Journal()
        let past = ContinuousClock.now - .seconds(10)
        loop.deadline = past
        try loop.register(pipe.fd) {
            _ = Pipe.read(pipe.fd, 1)
            journal.lines.append("packet")
            loop.deadline = .now + .milliseconds(20)
        }
        loop.onDeadline = {
            journal.lines.append(loop.deadline == nil ? "deadline" : "stale")
            loop.stop()
        }
        let start = ContinuousClock.now
        try loop.run()
        #expect(journal.lines == ["packet", "deadline"])
        #expect(start.duration(to: .now) >= .milliseconds(20))
    }

    /// As when the process is suspended in the middle of a round.
    @Test func `what came during a round in which the deadline passed is read before it`() throws {
        let loop = try EventLoop()
        let slow = Pipe(bytes: 1)
        let other = Pipe()
        let journal = Journal()
        loop.deadline = .now + .milliseconds(20)
        try loop.register(slow.fd) {
            _ = Pipe.read(slow.fd, 1)
            usleep(40_000)
            other.fill(1)
            journal.lines.append("slow")
        }
        try loop.register(other.fd) {
            _ = Pipe.read(other.fd, 1)
            journal.lines.append("packet")
        }
        loop.onDeadline = {
            journal.lines.append("deadline")
            loop.stop()
        }
        try loop.run()
        #expect(journal.lines == ["slow", "packet", "deadline"])
    }

    @Test(arguments: [(EventLoop.Patience.oneRound, 1), (.untilSilent, 40)])
    func `how much is read before a deadline that has passed`(patience: EventLoop.Patience, packets: Int) throws {
        let loop = try EventLoop()
        let pipe = Pipe(bytes: 40)
        var read = 0
        var readAtDeadline = 0
        loop.deadline = .now - .seconds(1)
        loop.patience = patience
        try loop.register(pipe.fd) { read += Pipe.read(pipe.fd, 1) }
        loop.onDeadline = {
            readAtDeadline = read
            loop.stop()
        }
        try loop.run()
        #expect(readAtDeadline == packets)
    }

    @Test(arguments: [(EventLoop.Patience.oneRound, 1), (.untilSilent, 65)])
    func `a flood that never ends cannot hold a deadline up for ever`(
        patience: EventLoop.Patience, rounds: Int
    ) throws {
        let loop = try EventLoop()
        let pipe = Pipe(bytes: 1)
        var calls = 0
        var deadlines: [Int] = []
        loop.patience = patience
        loop.deadline = .now - .seconds(1)
        // It is never read: always readable.
        try loop.register(pipe.fd) { calls += 1 }
        loop.onDeadline = {
            deadlines.append(calls)
            calls = 0
            if deadlines.count == 3 { return loop.stop() }
            loop.deadline = .now - .seconds(1)
        }
        try loop.run()
        #expect(deadlines == [rounds, rounds, rounds])
    }

    @Test func `a flood leaves time to others, and deadlines are met all the same`() throws {
        let loop = try EventLoop()
        let pipe = Pipe(bytes: 1)
        var calls = 0
        var late: [Duration] = []
        try loop.register(pipe.fd) { calls += 1 }
        var due = ContinuousClock.now + .milliseconds(1)
        loop.deadline = due
        loop.onDeadline = {
            late.append(due.duration(to: .now))
            if late.count == 100 { return loop.stop() }
            due += .milliseconds(1)
            loop.deadline = due
        }
        try loop.run()
        // At most 16 and 5 per millisecond, and some near each deadline; without a rest, a round takes a microsecond.
        #expect(calls < 20_000)
        #expect(late.sorted()[50] < .milliseconds(5))
    }

    @Test func `every descriptor gets its turn before the deadline`() throws {
        let loop = try EventLoop()
        var pipes: [Pipe_] = []
        let journal = Journal()
        for number in 0..<100 {
            let pipe = Pipe_()
            pipes.append(pipe)
            try loop.register(pipe.pipe.fd) {
                _ = Pipe.read(pipe.pipe.fd, 1)
                journal.lines.append("\(number)")
            }
        }
        loop.deadline = .now
        loop.onDeadline = { loop.stop() }
        try loop.run()
        #expect(Set(journal.lines).count == 100)
        #expect(journal.lines.count == 100)
    }

    /// A pipe that closures can share.
    final class Pipe_ {
        let pipe = Pipe(bytes: 1)
    }

    @Test func `an unregistered descriptor is not called, not even in the same round`() throws {
        let loop = try EventLoop()
        let first = Pipe(bytes: 1)
        let second = Pipe(bytes: 1)
        let journal = Journal()
        try loop.register(first.fd) {
            journal.lines.append("first")
            loop.unregister(first.fd)
            loop.unregister(second.fd)
        }
        try loop.register(second.fd) {
            journal.lines.append("second")
            loop.unregister(first.fd)
            loop.unregister(second.fd)
        }
        loop.deadline = .now + .milliseconds(20)
        loop.onDeadline = { loop.stop() }
        try loop.run()
        #expect(journal.lines == ["first"])
        // And can be registered again.
        try loop.register(first.fd) {}
    }

    @Test func `a descriptor that is not open, or registered twice, is an error`() throws {
        let loop = try EventLoop()
        let pipe = Pipe()
        try loop.register(pipe.fd) {}
        let twice = #expect(throws: SystemCallError.self) { try loop.register(pipe.fd) {} }
        #expect(twice?.description == "cannot watch descriptor \(pipe.fd): EEXIST (File exists)")
        let missing = #expect(throws: SystemCallError.self) { try loop.register(9999) {} }
        #expect(missing?.description == "cannot watch descriptor 9999: EBADF (Bad file descriptor)")
    }

    @Test func `it is stopped from another thread, from a handler, and before it runs`() throws {
        let loop = try EventLoop()
        let stopper = loop.stopper
        let thread = try HeartbeatThread.start { _ in
            usleep(20_000)
            stopper.stop()
        }
        try loop.run()
        thread.join()
        // Final.
        try loop.run()

        let other = try EventLoop()
        let pipe = Pipe(bytes: 1)
        var fired = false
        other.deadline = .now
        other.onDeadline = { fired = true }
        try other.register(pipe.fd) { other.stop() }
        try other.run()
        #expect(!fired, "a stopped loop does nothing more")
    }

    @Test func `messages arrive in order, from many threads, and wake the loop up`() throws {
        let loop = try EventLoop()
        let inbox = try Inbox<(thread: Int, number: Int)>()
        var seen: [[Int]] = [[], [], [], []]
        try loop.register(inbox.fd) {
            for message in inbox.take() { seen[message.thread].append(message.number) }
            if seen.allSatisfy({ $0.count == 1000 }) { loop.stop() }
        }
        loop.deadline = .now + .seconds(10)
        loop.onDeadline = { loop.stop() }
        let threads = try (0..<4).map { thread in
            try HeartbeatThread.start { _ in
                for number in 0..<1000 { inbox.post((thread, number)) }
            }
        }
        try loop.run()
        threads.forEach { $0.join() }
        #expect(seen.allSatisfy { $0 == Array(0..<1000) })
        #expect(inbox.take().isEmpty)
    }
}
