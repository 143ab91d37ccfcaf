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
        /// It is not raised: the master asks for a password that we do not have, which is another run's fence.
        case lockedOut(String)
        /// The master was lost on the way; it may be raised.
        case lost(ServerTrouble)
    }

    /// How much later than the fence's stated end the guard acts, so that it never acts before.
    private static let guardMargin: Duration = .milliseconds(500)

    /// The order that raises a pause, or has it last for this time from now on.
    private static func pause(for duration: Duration) -> [String] {
        ["CLIENT", "PAUSE", String(duration.millisecondsRoundedUp), "WRITE"]
    }

    /// The order that ends a pause before its time.
    static let endPause = ["CLIENT", "UNPAUSE"]

    private let master: Server
    private let journal: FenceJournal
    private let guardProgram: String
    /// What is raised; `nil` for nothing.
    private(set) var fence: Fence?
    private var entry: FenceJournal.Entry?
    private var guardProcess: FenceGuard?
    /// The fence's commands were sent and not answered: they may still be under way.
    private var isDoubtful = false
    /// The connection that the fence was raised on, by its number.
    private var fencingConnection: Int?
    /// The process that it was raised on.
    private var fencedRunID: String?
    /// When the guard undoes the fence, however late it was raised.
    private var guardActsAt: Instant?
    /// When the fence's commands left; for the write gap.
    private(set) var raisedAt: Instant?

    init(master: Server, journal: FenceJournal, guardProgram: String) {
        self.master = master
        self.journal = journal
        self.guardProgram = guardProgram
    }

    /// Raises the fence for a time. `info` is the master's latest.
    func raise(for duration: Duration, on info: ReplicationInfo) async -> Raised {
        guard let server = info.server else { return .failed("its version is not known") }
        if let old = journal.read(), old.fencePassword != nil, entry == nil {
            return .failed(
                "the fence of an interrupted run on \(old.master) is not undone yet; make it reachable first")
        }
        switch Fence.suited(for: server.version) {
        case .clientPause, .readOnlyReplica: return await raisePause(for: duration, on: server)
        case .password: return await raisePassword(for: duration, on: server)
        }
    }

    private func raisePause(for duration: Duration, on server: ReplicationInfo.Server) async -> Raised {
        let entry = FenceJournal.Entry(
            master: await master.endpoint.url.addressText, masterRunID: server.runID, fencePassword: nil,
            previousPassword: "")
        do throws(FenceJournalError) {
            try journal.write(entry)
            self.entry = entry
        } catch {
            // This fence expires by itself; the journal would only have helped a second run.
        }
        return await send([Self.pause(for: duration), ["INFO"]], kind: .clientPause, decisive: 0, for: duration)
    }

    private func raisePassword(for duration: Duration, on server: ReplicationInfo.Server) async -> Raised {
        do throws(ServerTrouble) {
            if let failure = try await prepare(server, for: duration) { return .failed(failure) }
        } catch {
            // Nothing was sent yet that raises it.
            if case .lockedOut(let reason) = error { return .lockedOut(reason) }
            return .lost(error)
        }
        let password = entry?.fencePassword ?? ""
        let raised = await send(
            [
                ["MULTI"], ["CONFIG", "SET", "requirepass", password],
                ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], ["EXEC"],
                // Where there was no password before, this connection has to log in as well. INFO stays outside
                // the MULTI, which it would make Redis 5 write to the replication stream.
                ["AUTH", password], ["INFO"],
            ], kind: .password, decisive: 3, for: duration)
        if fence == nil {
            await guardProcess?.dismiss()
            journal.delete()
            await useFormerPassword()
            entry = nil
        }
        return raised
    }

    /// Makes the fence that is up last for this time from now on. Returns until when, and on which process; `nil` where it could
    /// not be asked for: it ends when it was to end before.
    func renew(for duration: Duration) async -> (until: Instant, runID: String)? {
        guard let fence else { return nil }
        let start = ContinuousClock.now
        do throws(ServerTrouble) {
            let isPause = fence == .clientPause
            if !isPause { try await replaceGuard(for: duration) }
            let order = isPause ? Self.pause(for: duration) : ["CONFIG", "GET", "requirepass"]
            let outcomes = try await master.perform([order, ["INFO"]], isRepeatable: true)
            try Self.check(outcomes)
            guard let server = try Server.observation(outcomes[outcomes.count - 1], at: start).info.server else {
                return nil
            }
            // Another process knows nothing of the password, and the former guard may have been quicker.
            if !isPause, server.runID != fencedRunID || !isPassword(in: outcomes[0]) {
                await forget()
                return nil
            }
            return (start + duration, server.runID)
        } catch {
            return nil
        }
    }

    /// Whether the reply to `CONFIG GET requirepass` is the fence's.
    private func isPassword(in outcome: Result<RedisReply, RedisError>) -> Bool {
        guard case .success(.array(let pair)) = outcome, pair.count == 2, let password = entry?.fencePassword else {
            return false
        }
        return pair[1].text == password
    }

    /// The fence is gone, with the memory of the process that was fenced, or by its guard.
    private func forget() async {
        await guardProcess?.dismiss()
        journal.delete()
        await useFormerPassword()
        (fence, entry, guardProcess, fencedRunID) = (nil, nil, nil, nil)
    }

    /// A guard cannot be given more time: another one takes its place.
    private func replaceGuard(for duration: Duration) async throws(ServerTrouble) {
        guard let entry, let former = guardProcess else { return }
        let start = ContinuousClock.now
        guardProcess = try await FenceGuard.start(
            over: await master.endpoint, entry: entry, journal: journal, undoAfter: duration + Self.guardMargin,
            program: guardProgram)
        guardActsAt = start + duration + Self.guardMargin
        // One that is undoing the fence by now may be done with that only after it was looked at.
        guard await former.dismiss() else { throw .unusable("the fence's time was up, and its guard is at work") }
    }

    /// Journal and guard; returns why they could not be had. Throws when the master is lost on the way.
    private func prepare(
        _ server: ReplicationInfo.Server, for duration: Duration
    ) async throws(ServerTrouble) -> String? {
        if server.version >= ServerVersion(6, 0) {
            // With several users, a password for the default one fences nothing.
            let users = try await master.perform([["ACL", "USERS"]], isRepeatable: true)
            if case .success(.array(let names)) = users[0], names.count > 1 {
                return "Redis 6.0 and 6.1 with several ACL users have no safe fence"
            }
        }
        let settings = try await master.perform([["CONFIG", "GET", "requirepass"]], isRepeatable: true)
        guard case .success(.array(let pair)) = settings[0], pair.count == 2, let previous = pair[1].text else {
            if case .failure(.server(let error)) = settings[0] {
                if error.code == .noAuth { throw .lockedOut("\(error)") }
                return "CONFIG GET requirepass: \(error)"
            }
            return "CONFIG GET requirepass gives no value"
        }
        let name = "syncgate-\(Self.randomPassword().prefix(24))"
        let entry = FenceJournal.Entry(
            master: await master.endpoint.url.addressText, masterRunID: server.runID,
            fencePassword: Self.randomPassword(), previousPassword: previous, connectionName: name)
        try Self.check(try await master.perform([["CLIENT", "SETNAME", name]], isRepeatable: true))
        do throws(FenceJournalError) { try journal.write(entry) } catch { return "\(error)" }
        self.entry = entry
        let start = ContinuousClock.now
        guardProcess = try await FenceGuard.start(
            over: await master.endpoint, entry: entry, journal: journal, undoAfter: duration + Self.guardMargin,
            program: guardProgram)
        guardActsAt = start + duration + Self.guardMargin
        await master.usePassword(entry.fencePassword)
        return nil
    }

    /// Sends the fence's commands; the one at `decisive` raises it. A fence that was raised and turns out useless is
    /// undone at once.
    private func send(
        _ commands: [[String]], kind: Fence, decisive: Int, for duration: Duration
    ) async -> Raised {
        let sentAt = ContinuousClock.now
        do throws(ServerTrouble) {
            // Another run may disconnect us under the command. A pause can be asked for twice; a password fence cannot,
            // its first half may have been executed.
            let outcomes = try await master.perform(commands, isRepeatable: kind == .clientPause)
            if case .failure(let error) = outcomes[decisive] {
                if case .server(let reply) = error, reply.code == .noAuth { return .lockedOut("\(error)") }
                return .failed("\(error)")
            }
            fence = kind
            raisedAt = sentAt
            fencingConnection = await master.connectionCount
            for outcome in outcomes {
                if let error = Self.error(in: outcome) {
                    return .failed(error + (await release().map { "; \($0)" } ?? ""))
                }
            }
            let observation = try Server.observation(outcomes[outcomes.count - 1], at: sentAt)
            fencedRunID = observation.info.server?.runID
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

    /// Whether the connection that the fence was raised on was lost since: then the master may have been restarted, and
    /// its fence gone with its memory.
    func isConnectionNew() async -> Bool {
        guard let fencingConnection else { return false }
        let isLost = await master.isLost
        return await master.connectionCount != fencingConnection || isLost
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
            case .clientPause: try Self.check(try await master.perform([Self.endPause], isRepeatable: true))
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
