import RedisClient
import Replication

/// The fence on one master: raises the kind that suits its version, and undoes it.
///
/// A password fence is journaled and guarded before it is raised: the guard is a process of its own that undoes it when
/// this one dies or takes too long. A pause needs neither, but is journaled where that is possible, so that a second run
/// can finish what was begun.
actor MasterFence {
    /// What raising came to.
    enum Raised: Sendable {
        /// It holds until then, and the master was read behind it.
        case raised(Observation, Fence, until: Instant)
        /// It is not raised: the reason.
        case failed(String)
        /// The master was lost on the way; it may be raised.
        case lost(ServerTrouble)
    }

    /// How much later than the fence's stated end the guard acts, so that it never acts before.
    private static let guardMargin: Duration = .milliseconds(500)

    private let master: Server
    private let journal: FenceJournal
    private var fence: Fence?
    private var entry: FenceJournal.Entry?
    private var guardProcess: FenceGuard?
    /// The fence's commands were sent and not answered: they may still be under way.
    private var isDoubtful = false
    /// When the guard undoes the fence, however late it was raised.
    private var guardActsAt: Instant?
    /// When the fence's commands left; for the write gap.
    private(set) var raisedAt: Instant?

    init(master: Server, journal: FenceJournal) {
        self.master = master
        self.journal = journal
    }

    /// Raises the fence for a time. `info` is the master's latest.
    func raise(for duration: Duration, on info: ReplicationInfo) async -> Raised {
        guard let server = info.server else { return .failed("its version is not known") }
        let kind = Fence.suited(for: server.version)
        let address = await master.endpoint.url.addressText
        switch kind {
        case .clientPause, .readOnlyReplica:
            let entry = FenceJournal.Entry(
                master: address, masterRunID: server.runID, fencePassword: nil, previousPassword: "")
            do throws(FenceJournalError) {
                try journal.write(entry)
                self.entry = entry
            } catch {
                // This fence expires by itself; the journal would only have helped a second run.
            }
            let milliseconds = Int64((duration / .milliseconds(1)).rounded(.up))
            return await send(
                [["CLIENT", "PAUSE", String(milliseconds), "WRITE"], ["INFO"]], kind: .clientPause, decisive: 0,
                for: duration)
        case .password:
            if let failure = await prepare(address: address, server: server, for: duration) { return .failed(failure) }
            let password = entry?.fencePassword ?? ""
            let raised = await send(
                [
                    ["MULTI"], ["CONFIG", "SET", "requirepass", password],
                    ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], ["EXEC"],
                    // Where there was no password before, this connection has to log in as well. INFO stays outside
                    // the MULTI, which it would make Redis 5 write to the replication stream.
                    ["AUTH", password], ["INFO"],
                ], kind: .password, decisive: 3, for: duration)
            if case .failed = raised, fence == nil {
                await guardProcess?.dismiss()
                journal.delete()
                await useFormerPassword()
                entry = nil
            }
            return raised
        }
    }

    /// Journal and guard; returns why they could not be had.
    private func prepare(address: String, server: ReplicationInfo.Server, for duration: Duration) async -> String? {
        do throws(ServerTrouble) {
            if server.version >= ServerVersion(6, 0) {
                // With several users, a password for the default one fences nothing.
                let users = try await master.perform([["ACL", "USERS"]])
                if case .success(.array(let names)) = users[0], names.count > 1 {
                    return "Redis 6.0 and 6.1 with several ACL users have no safe fence"
                }
            }
            let settings = try await master.perform([["CONFIG", "GET", "requirepass"]])
            guard case .success(.array(let pair)) = settings[0], pair.count == 2, let previous = pair[1].text else {
                if case .failure(let error) = settings[0] { return "CONFIG GET requirepass: \(error)" }
                return "CONFIG GET requirepass gives no value"
            }
            let name = "syncgate-\(Self.randomPassword().prefix(24))"
            let entry = FenceJournal.Entry(
                master: address, masterRunID: server.runID, fencePassword: Self.randomPassword(),
                previousPassword: previous, connectionName: name)
            try Self.check(try await master.perform([["CLIENT", "SETNAME", name]]))
            try journalOrTrouble(entry)
            self.entry = entry
            let start = ContinuousClock.now
            guardProcess = try await FenceGuard.start(
                over: await master.endpoint, entry: entry, journal: journal, undoAfter: duration + Self.guardMargin)
            guardActsAt = start + duration + Self.guardMargin
            await master.usePassword(entry.fencePassword)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func journalOrTrouble(_ entry: FenceJournal.Entry) throws(ServerTrouble) {
        do throws(FenceJournalError) { try journal.write(entry) } catch { throw .unusable("\(error)") }
    }

    /// Sends the fence's commands; the one at `decisive` raises it. A fence that was raised and turns out useless is
    /// undone at once.
    private func send(
        _ commands: [[String]], kind: Fence, decisive: Int, for duration: Duration
    ) async -> Raised {
        let sentAt = ContinuousClock.now
        do throws(ServerTrouble) {
            let outcomes = try await master.perform(commands)
            if case .failure(let error) = outcomes[decisive] { return .failed("\(error)") }
            fence = kind
            raisedAt = sentAt
            for outcome in outcomes {
                if let error = Self.error(in: outcome) {
                    return .failed(error + (await release().map { "; \($0)" } ?? ""))
                }
            }
            let observation = try Server.observation(outcomes[outcomes.count - 1], at: sentAt)
            return .raised(observation, kind, until: min(sentAt + duration, guardActsAt ?? sentAt + duration))
        } catch {
            isDoubtful = kind == .password
            fence = kind
            raisedAt = sentAt
            return .lost(error)
        }
    }

    /// The error of a command, or of one inside a transaction.
    private static func error(in outcome: Result<RedisReply, RedisError>) -> String? {
        switch outcome {
        case .failure(let error): return "\(error)"
        case .success(.array(let replies)):
            for case .error(let error) in replies { return "\(error)" }
            return nil
        case .success: return nil
        }
    }

    /// Undoes the fence, if there is one. Returns what went wrong; journal and guard then stay in charge.
    func release() async -> String? {
        guard let fence else {
            // Never a password that nobody has undone yet.
            journal.deleteUnfenced()
            return nil
        }
        do throws(ServerTrouble) {
            switch fence {
            case .clientPause: try Self.check(try await master.perform([["CLIENT", "UNPAUSE"]]))
            case .password:
                if isDoubtful, let entry {
                    _ = try await Self.undo(entry, at: await master.endpoint)
                } else {
                    try await Self.restorePassword(of: master, entry: entry)
                }
                await useFormerPassword()
            case .readOnlyReplica: break
            }
        } catch {
            return "\(error)"
        }
        await guardProcess?.dismiss()
        journal.delete()
        self.fence = nil
        return nil
    }

    private func useFormerPassword() async {
        await master.usePassword(entry?.previousPassword.isEmpty == false ? entry?.previousPassword : nil)
    }

    private static func randomPassword() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            FenceJournal.hex(String(UInt64.random(in: .min ... .max, using: &generator), radix: 36))
        }
        .joined()
    }
}
