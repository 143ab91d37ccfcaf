import Failover
import Foundation
import Synchronization
import Testing

@testable import Daemon

@Suite struct OrderGateTests {
    /// What happened, in its order.
    private final class Notes: Sendable {
        let all = Mutex<[String]>([])
        func add(_ note: String) { all.withLock { $0.append(note) } }
    }

    @Test func `what follows a memory passes when it is written`() async throws {
        let folder = try TestFolder()
        let notes = Notes()
        let gate = try OrderGate(logger: folder.logger) { memory in
            notes.add("writing \(memory.epoch)")
            usleep(100_000)
            notes.add("written \(memory.epoch)")
        }
        gate.pass { notes.add("before") }
        gate.remember(Memory(epoch: 1))
        let start = ContinuousClock.now
        gate.pass { notes.add("one") }
        gate.pass { notes.add("two") }
        // The caller did not wait.
        #expect(ContinuousClock.now - start < .milliseconds(50))
        #expect(await eventually { notes.all.withLock { $0.contains("writing 1") } })
        gate.remember(Memory(epoch: 2))
        gate.pass { notes.add("three") }
        await gate.finish(within: .seconds(5))
        let order = notes.all.withLock { $0 }
        func place(_ note: String) throws -> Int { try #require(order.firstIndex(of: note), "\(order)") }
        #expect(try place("before") < place("one"))
        #expect(try place("written 1") < place("one"))
        #expect(try place("one") < place("two"))
        #expect(try place("two") < place("three"))
        #expect(try place("written 2") < place("three"))
        #expect(order.count == 8)
    }

    @Test func `a disk that hangs holds orders up for a while only`() async throws {
        let folder = try TestFolder()
        let notes = Notes()
        let isOver = Mutex(false)
        let gate = try OrderGate(logger: folder.logger) { _ in
            while !isOver.withLock({ $0 }) { usleep(10_000) }
        }
        gate.remember(Memory())
        let start = ContinuousClock.now
        gate.pass { notes.add("passed") }
        #expect(await eventually(within: .seconds(5)) { notes.all.withLock { !$0.isEmpty } })
        let waited = ContinuousClock.now - start
        #expect(waited >= OrderGate.patience && waited < OrderGate.patience + .seconds(1))
        #expect(
            await eventually {
                folder.logged == [
                    "warning memory_slow: the disk does not take what is to be remembered; going on without"
                ]
            })
        isOver.withLock { $0 = true }
        await gate.finish(within: .seconds(5))
    }
}
