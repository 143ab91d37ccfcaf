import Failover
import Foundation
import RedisLab
import Testing

@testable import Daemon

@Suite struct HookQueueTests {
    private func run(
        _ folder: TestFolder, _ script: String, hook: Hook = .promote, limit: Duration = .seconds(10),
        arguments: [String] = []
    ) throws -> HookQueue.Run {
        let name = "hook-\(UInt32.random(in: 0 ... .max))"
        try folder.write("#!/bin/sh\ncd '\(folder.path)'\n\(script)\n", to: name, mode: 0o700)
        return HookQueue.Run(
            command: ["\(folder.path)/\(name)"] + arguments, hook: hook, limit: limit,
            notifyArguments: ["INSTANCE", "redis", hook.keepalivedState, "100"],
            environment: [("SYNCGATE_REASON", "two words; $(touch evil)")])
    }

    private func finish(_ queue: HookQueue, _ folder: TestFolder) async {
        await queue.finish(within: .seconds(20))
        await folder.lines.finish(within: .seconds(5))
    }

    @Test func `arguments and environment arrive as they are`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        setenv("SYNCGATE_PASSWORD", "secret", 1)
        queue.run(
            try run(
                folder, "for a in \"$@\"; do echo \"[$a]\"; done > args; env > env",
                arguments: ["a b", "$(touch evil)", "*"]))
        await finish(queue, folder)
        unsetenv("SYNCGATE_PASSWORD")
        #expect(folder.text("args") == "[a b]\n[$(touch evil)]\n[*]\n[INSTANCE]\n[redis]\n[MASTER]\n[100]\n")
        #expect(folder.text("env").contains("SYNCGATE_REASON=two words; $(touch evil)\n"))
        #expect(folder.text("env").contains("PATH="))
        #expect(!folder.text("env").contains("secret"))
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/evil"))
    }

    @Test(arguments: [(Hook.promote, "MASTER"), (.demote, "BACKUP"), (.fault, "FAULT"), (.stop, "STOP")])
    func `states have keepalived's names`(hook: Hook, name: String) { #expect(hook.keepalivedState == name) }

    @Test func `the documents name every variable, and no other`() throws {
        let text = try String(
            contentsOfFile: "\(RedisVersion.packageRoot)/docs/configuration.md", encoding: .utf8)
        let documented = text.matches(of: #/(?m)^\| `(SYNCGATE_[A-Z_]+)` \|/#).map { String($0.1) }
        let router = try Sample.read(Sample.smallest).virtualRouters[0]
        #expect(documented == HookEnvironment.variables(router, .promote, nil).map(\.0))
    }

    @Test func `one after another, in their order`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        let start = ContinuousClock.now
        queue.run(try run(folder, "sleep 0.3; echo 1 >> order"))
        queue.run(try run(folder, "sleep 0.1; echo 2 >> order"))
        queue.run(try run(folder, "echo 3 >> order"))
        #expect(ContinuousClock.now - start < .milliseconds(100))
        await finish(queue, folder)
        #expect(folder.text("order") == "1\n2\n3\n")
    }

    @Test func `its end and what it says are in the log`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        queue.run(try run(folder, "echo hello; echo trouble >&2; printf end; exit 3", hook: .fault))
        await finish(queue, folder)
        let logged = folder.logged
        #expect(
            logged.prefix(3) == [
                "info hook: on_fault says: hello", "info hook: on_fault says: trouble", "info hook: on_fault says: end",
            ])
        #expect(logged.last?.hasPrefix("warning hook: on_fault ended with exit code 3 after ") == true)
    }

    @Test func `what it says is bounded`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        queue.run(try run(folder, "yes | head -c 5000000; head -c 3000 /dev/zero | tr '\\0' x"))
        await finish(queue, folder)
        #expect(folder.logged.count == HookQueue.outputLines + 2)
        #expect(folder.logged.suffix(2).first == "info hook: on_promote says more, which is left out")
    }

    @Test func `one that hangs is ended with all that it started, and the next one runs`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        queue.run(
            try run(
                folder,
                "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; exec sleep 60' & echo $$ > parent; sleep 60; sleep 60",
                limit: .milliseconds(300)))
        queue.run(try run(folder, "echo next > next"))
        let start = ContinuousClock.now
        await finish(queue, folder)
        let time = ContinuousClock.now - start
        #expect(time > .milliseconds(2200) && time < .seconds(5))
        #expect(folder.text("next") == "next\n")
        for name in ["parent", "child"] {
            let id = try #require(Int32(folder.text(name).trimmingCharacters(in: .newlines)))
            // Where nobody reaps orphans, one that is dead is still there.
            let status = (try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8)) ?? ") X"
            #expect(status.contains(/\) [XZ]/), "\(name) lives")
        }
        #expect(folder.logged.contains("warning hook: on_promote takes longer than its limit: SIGTERM"))
        #expect(folder.logged.contains("warning hook: on_promote takes longer than its limit: SIGKILL"))
        #expect(folder.logged.contains { $0.hasPrefix("warning hook: on_promote ended with signal 9 after ") })
    }

    @Test func `what it leaves running holds nobody up`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        queue.run(try run(folder, "sleep 30 & echo $! > left; echo gone"))
        let start = ContinuousClock.now
        await finish(queue, folder)
        #expect(ContinuousClock.now - start < .seconds(5))
        let id = try #require(Int32(folder.text("left").trimmingCharacters(in: .newlines)))
        #expect(kill(id, SIGKILL) == 0)
        #expect(folder.logged.first == "info hook: on_promote says: gone")
    }

    @Test func `a program that is not there is said so`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        queue.run(
            HookQueue.Run(
                command: ["/nowhere/hook"], hook: .stop, limit: .seconds(1), notifyArguments: [], environment: []))
        await finish(queue, folder)
        #expect(folder.logged == ["error hook: on_stop cannot run /nowhere/hook: No such file or directory"])
    }

    @Test func `a daemon that stops does not wait for ever`() async throws {
        let folder = try TestFolder()
        let queue = try HookQueue(logger: folder.logger)
        queue.run(try run(folder, "sleep 60"))
        queue.run(try run(folder, "echo never > never"))
        let start = ContinuousClock.now
        await queue.finish(within: .milliseconds(300))
        #expect(ContinuousClock.now - start < .seconds(2))
        #expect(folder.text("never") == "")
    }
}
