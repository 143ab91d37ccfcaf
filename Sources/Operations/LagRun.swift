import RedisClient
public import Replication

/// Reads a master and all its replicas, again and again, and hands out lag reports.
public actor LagRun {
    /// Why there is no report.
    public enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
        /// A server could not be reached: its address, and why.
        case unreachable(String, reason: String)
        /// A server is there and is not one that can be reported on.
        case unsuitable(String, reason: String)

        /// One line.
        public var description: String {
            switch self {
            case .unreachable(let server, let reason), .unsuitable(let server, let reason): "\(server): \(reason)"
            }
        }
    }

    private let start: Endpoint
    private let given: Endpoint?
    private let timeout: Duration
    private var master: (server: Server, endpoint: Endpoint)?
    private var replicas: [String: Server] = [:]
    private var tracker = LagTracker()

    /// Makes a run that starts at `url`, a master or a replica, and uses its credentials for every server that it finds.
    /// With `master`, that one is the master, and `url` a replica to report even if the master does not list it.
    public init(url: Endpoint, master: Endpoint?, timeout: Duration) {
        start = url
        given = master
        self.timeout = timeout
    }

    /// The master's address, once a report was made.
    public var masterAddress: String { master.map { "\($0.endpoint.url)" } ?? "" }

    /// Takes one round of readings: the master first, then all replicas at the same time.
    public func report() async throws(Failure) -> LagReport {
        let (server, endpoint) = try await foundMaster()
        let observation = try await read(server, endpoint)
        guard observation.info.masterLink == nil else {
            // Demoted since the last round: look for the master anew.
            master = nil
            throw .unsuitable("\(endpoint.url)", reason: "it is not a master any more")
        }
        let readings = await readReplicas(of: observation.info)
        return tracker.report(master: observation, replicas: readings)
    }

    private func foundMaster() async throws(Failure) -> (Server, Endpoint) {
        if let master { return (master.server, master.endpoint) }
        var endpoint = given ?? start
        var server = Server(endpoint, timeout: timeout)
        // A replica of a replica is two steps away from the master; longer chains are followed, circles are not.
        for _ in 0..<8 {
            let info = try await read(server, endpoint).info
            guard let link = info.masterLink else {
                master = (server, endpoint)
                return (server, endpoint)
            }
            endpoint.url.address = .tcp(host: link.host, port: link.port)
            server = Server(endpoint, timeout: timeout)
        }
        throw .unsuitable("\(start.url)", reason: "no master was found: the servers follow each other")
    }

    private func read(_ server: Server, _ endpoint: Endpoint) async throws(Failure) -> Observation {
        let observation: Observation
        do throws(ServerTrouble) { observation = try await server.observe() } catch {
            if error.contact == nil { throw .unsuitable("\(endpoint.url)", reason: "\(error)") }
            throw .unreachable("\(endpoint.url)", reason: "\(error)")
        }
        if let what = observation.info.server?.unsuitability {
            throw .unsuitable("\(endpoint.url)", reason: "it is \(what)")
        }
        return observation
    }

    private func readReplicas(of info: ReplicationInfo) async -> [LagTracker.ReplicaReading] {
        var targets: [(address: String, listed: ReplicationInfo.Replica?, endpoint: Endpoint)] = []
        for replica in info.replicas.prefix(64) {
            var endpoint = start
            endpoint.url.address = .tcp(host: replica.ip, port: replica.port)
            targets.append((endpoint.url.place, replica, endpoint))
        }
        let isKnown = targets.contains { $0.endpoint.url.address == start.url.address }
        if !isKnown, start.url.address != master?.endpoint.url.address {
            targets.append((start.url.addressText, nil, start))
        }
        var jobs: [(index: Int, address: String, listed: ReplicationInfo.Replica?, server: Server)] = []
        for (index, target) in targets.enumerated() {
            let server = replicas[target.address] ?? Server(target.endpoint, timeout: timeout)
            replicas[target.address] = server
            jobs.append((index, target.address, target.listed, server))
        }
        let readings = await withTaskGroup(of: (Int, LagTracker.ReplicaReading).self) { [jobs] group in
            for job in jobs {
                group.addTask { (job.index, await Self.read(job.address, job.listed, job.server)) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        // The replica that was given may be listed under another of its addresses.
        var seen: Set<String> = []
        return readings.sorted { $0.0 < $1.0 }.map(\.1).filter { reading in
            reading.observation?.info.server.map { seen.insert($0.runID).inserted } ?? true
        }
    }

    private static func read(
        _ address: String, _ listed: ReplicationInfo.Replica?, _ server: Server
    ) async -> LagTracker.ReplicaReading {
        do throws(ServerTrouble) {
            let observation = try await server.observe()
            return LagTracker.ReplicaReading(address: address, listed: listed, observation: observation)
        } catch {
            return LagTracker.ReplicaReading(address: address, listed: listed, observation: nil, trouble: "\(error)")
        }
    }
}
