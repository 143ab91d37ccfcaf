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
    /// The connection that the fence was raised on, by its number.
    private var fencingConnection: Int?
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
                [["CLIENT", "PAUSE", String(milliseconds), "WRITE"], ["INFO"]], kind: .clientPause, for: duration)
        case .password:
            if let failure = await prepare(address: address, server: server, for: duration) { return .failed(failure) }
            let password = entry?.fencePassword ?? ""
            let raised = await send(
                [
                    ["MULTI"], ["CONFIG", "SET", "requirepass", password],
                    ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], ["INFO"], ["EXEC"],
                    // Where there was no password before, this connection has to log in as well.
                    ["AUTH", password],
                ], kind: .password, for: duration)
            if case .failed = raised {
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

    private func send(_ commands: [[String]], kind: Fence, for duration: Duration) async -> Raised {
        let sentAt = ContinuousClock.now
        do throws(ServerTrouble) {
            let outcomes = try await master.perform(commands)
            for case .failure(let error) in outcomes { return .failed("\(error)") }
            var info = outcomes[kind == .password ? 4 : 1]
            if kind == .password, case .success(.array(let inner)) = info, inner.count == 3 { info = .success(inner[2]) }
            let observation = try Server.observation(info, at: sentAt)
            fence = kind
            raisedAt = sentAt
            fencingConnection = await master.connectionCount
            return .raised(observation, kind, until: min(sentAt + duration, guardActsAt ?? sentAt + duration))
        } catch {
            isDoubtful = kind == .password
            fence = kind
            raisedAt = sentAt
            return .lost(error)
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
            if journal.read()?.fencePassword == nil { journal.delete() }
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

    /// Undoes a password fence of which nobody knows whether it is up, or still under way: ends the connection that it
    /// was sent on, so that the server takes nothing from it any more, and restores the password. Returns whether the
    /// server is a master. `endpoint`'s password does not matter.
    static func undo(_ entry: FenceJournal.Entry, at endpoint: Endpoint) async throws(ServerTrouble) -> Bool {
        var endpoint = endpoint
        endpoint.url.username = nil
        endpoint.url.password = entry.fencePassword
        let fenced = Server(endpoint, timeout: .seconds(1))
        do throws(ServerTrouble) {
            try await endFencingConnection(of: fenced, entry: entry)
            try await restorePassword(of: fenced, entry: entry)
            return try await fenced.observe().info.masterLink == nil
        } catch {
            guard case .unusable = error, !entry.previousPassword.isEmpty else { throw error }
        }
        // The former password holds: the fence is not up. What may be under way is cut off; then one more look.
        endpoint.url.password = entry.previousPassword
        let former = Server(endpoint, timeout: .seconds(1))
        try await endFencingConnection(of: former, entry: entry)
        do throws(ServerTrouble) { try await restorePassword(of: fenced, entry: entry) } catch {
            guard case .unusable = error else { throw error }
        }
        return try await former.observe().info.masterLink == nil
    }

    private static func endFencingConnection(of master: Server, entry: FenceJournal.Entry) async throws(ServerTrouble) {
        guard let name = entry.connectionName else { return }
        let outcome = try await master.perform([["CLIENT", "LIST"]])[0]
        if case .failure(let error) = outcome { throw ServerTrouble(error) }
        guard case .success(let reply) = outcome, let list = reply.text else { return }
        for line in list.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.contains("name=\(name)"), let address = fields.first(where: { $0.hasPrefix("addr=") }) else { continue }
            // It may be gone by now, which is an error reply and as good.
            _ = try await master.perform([["CLIENT", "KILL", String(address.dropFirst(5))]])
        }
    }

    /// Sets the password that was there before the fence.
    static func restorePassword(of master: Server, entry: FenceJournal.Entry?) async throws(ServerTrouble) {
        guard let entry, entry.fencePassword != nil else { return }
        try check(try await master.perform([["CONFIG", "SET", "requirepass", entry.previousPassword]]))
    }

    private static func check(_ outcomes: [Result<RedisReply, RedisError>]) throws(ServerTrouble) {
        for case .failure(let error) in outcomes { throw ServerTrouble(error) }
    }

    private static func randomPassword() -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<4).map { _ in FenceJournal.hex(String(UInt64.random(in: .min ... .max, using: &generator), radix: 36)) }
            .joined()
    }
}
