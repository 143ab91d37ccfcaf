import RedisClient
import Replication

/// Undoing password fences that others raised: a killed run's, or one of which nobody knows whether it is up.
extension MasterFence {
    /// Undoes the fence of a run that was killed, as its journal tells. Returns the `run_id` of the server that it had
    /// fenced; `nil` where there is no journal. `endpoint` gives TLS files and the like; the address is the journal's,
    /// since the same server may have been named otherwise then.
    static func recover(
        _ journal: FenceJournal, _ endpoint: Endpoint, _ recorder: StepRecorder
    ) async -> String? {
        guard let entry = journal.read() else { return nil }
        recorder.record("journal", "an earlier run on \(entry.master) was interrupted; finishing its work")
        guard entry.fencePassword != nil else { return entry.masterRunID }
        var fenced = endpoint
        do throws(RedisURLError) { fenced.url.address = try RedisURL(parsing: entry.master).address } catch {
            // Not a text that we wrote: the endpoint's own address is the best guess.
        }
        do throws(ServerTrouble) {
            _ = try await undo(entry, at: fenced)
            recorder.record("released", "the interrupted run's password fence is released")
            do throws(FenceJournalError) { try journal.write(entry.unfenced) } catch {
                // Undoing it once more harms nobody.
            }
        } catch {
            recorder.record("release_failed", "the interrupted run's password fence on \(entry.master): \(error)")
        }
        return entry.masterRunID
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
            guard case .lockedOut = error, !entry.previousPassword.isEmpty else { throw error }
        }
        // The former password holds: the fence is not up. What may be under way is cut off; then one more look.
        endpoint.url.password = entry.previousPassword
        let former = Server(endpoint, timeout: .seconds(1))
        try await endFencingConnection(of: former, entry: entry)
        do throws(ServerTrouble) { try await restorePassword(of: fenced, entry: entry) } catch {
            guard case .lockedOut = error else { throw error }
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
            guard fields.contains("name=\(name)"), let address = fields.first(where: { $0.hasPrefix("addr=") }) else {
                continue
            }
            // It may be gone by now, which is an error reply and as good.
            _ = try await master.perform([["CLIENT", "KILL", String(address.dropFirst(5))]])
        }
    }

    /// Sets the password that was there before the fence.
    static func restorePassword(of master: Server, entry: FenceJournal.Entry?) async throws(ServerTrouble) {
        guard let entry, entry.fencePassword != nil else { return }
        try check(
            try await master.perform([["CONFIG", "SET", "requirepass", entry.previousPassword]], isRepeatable: true))
    }

    static func check(_ outcomes: [Result<RedisReply, RedisError>]) throws(ServerTrouble) {
        for case .failure(let error) in outcomes { throw ServerTrouble(error) }
    }
}
