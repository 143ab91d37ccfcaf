public import Replication

/// Small orders to one server, each in one write.
public enum ServerOrders {
    /// `SLAVEOF 127.0.0.1 1`: read-only from now on, with the data set that it has, following nobody.
    package static func park(_ servers: OpenServers) async throws(ServerTrouble) { try await park(servers.local) }

    /// The same for one server.
    static func park(_ server: Server) async throws(ServerTrouble) {
        let (host, port) = ReplicationInfo.parking
        try MasterFence.check(try await server.perform([["SLAVEOF", host, String(port)]], isRepeatable: true))
    }

    /// `SLAVEOF NO ONE`: a master when this returns.
    static func promote(_ server: Server) async throws(ServerTrouble) {
        try MasterFence.check(try await server.perform([["SLAVEOF", "NO", "ONE"]], isRepeatable: true))
    }

    /// Pools reconnect only when their connections end: idle and subscribed ones would go on with the old master.
    private static let disconnectCommands = [
        ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], ["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"],
    ]

    /// Closes the connections of the local server's clients and subscribers; how many.
    package static func disconnectClients(_ servers: OpenServers) async throws(ServerTrouble) -> Int64 {
        let closed = try await disconnectClients(of: servers.local)
        return closed.clients + closed.subscribers
    }

    /// The same for one server.
    static func disconnectClients(
        of server: Server
    ) async throws(ServerTrouble) -> (clients: Int64, subscribers: Int64) {
        var counts: [Int64] = []
        for outcome in try await server.perform(disconnectCommands, isRepeatable: true) {
            switch outcome {
            case .success(.integer(let count)): counts.append(count)
            case .success: counts.append(0)
            case .failure(let error): throw ServerTrouble(error)
            }
        }
        return (counts[0], counts[1])
    }

    /// How old a replica's acknowledgement may be, whole seconds. Replicas acknowledge once a second, so 1 would not be safe.
    private static let maximumLag = 2

    /// The local server takes writes only while so many replicas acknowledge them; 0 for no such condition.
    package static func fenceWrites(_ servers: OpenServers, minReplicas: Int) async throws(ServerTrouble) {
        var commands = [["CONFIG", "SET", "min-slaves-to-write", String(minReplicas)]]
        if minReplicas > 0 { commands.insert(["CONFIG", "SET", "min-slaves-max-lag", String(maximumLag)], at: 0) }
        try MasterFence.check(try await servers.local.perform(commands, isRepeatable: true))
    }

    /// Undoes what an interrupted run with `local` as the server to promote and `peer` as its master, or the other way
    /// round, has left: fences that nobody guards any more. Returns what was done, as steps.
    public static func recover(local: Endpoint, peer: Endpoint, stateDirectory: String) async -> [Step] {
        let recorder = StepRecorder { _ in }
        for (promoted, master) in [(local, peer), (peer, local)] {
            let journal = FenceJournal(directory: stateDirectory, local: promoted.url.addressText)
            if let problem = journal.problem {
                recorder.record("journal_unreadable", problem)
                continue
            }
            guard journal.read() != nil, case .acquired(let lock) = await journal.lock(waiting: .zero, recorder) else {
                continue
            }
            _ = await MasterFence.recover(journal, master, recorder)
            withExtendedLifetime(lock) {}
        }
        return recorder.steps
    }
}
