/// Why a text is not the `INFO` of a server that can be one of a pair.
public enum ReplicationInfoError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A field that every data server gives is missing: `role`, `master_repl_offset`, ….
    case missing(field: String)
    /// A field has a value that it cannot have.
    case malformed(field: String, value: String)
    /// A Sentinel answers at this address.
    case sentinel

    /// One line for the operator.
    public var description: String {
        switch self {
        case .missing(let field): "its INFO has no field '\(field)': this is not a Redis data server"
        case .malformed(let field, let value): "its INFO has \(field):\(value.prefix(60)), which cannot be"
        case .sentinel: "a Redis Sentinel answers there; give the address of the data server"
        }
    }
}

extension ReplicationInfo {
    /// Reads the reply of `INFO`, `INFO replication`, or several sections joined.
    ///
    /// Unknown fields are ignored and fields of newer versions may be missing. Later lines win over earlier ones.
    public init(parsing text: String) throws(ReplicationInfoError) {
        let fields = InfoFields(text)
        if fields["redis_mode"] == "sentinel" { throw .sentinel }
        let masterReplicationOffset = try fields.offset("master_repl_offset")
        switch try fields.string("role") {
        case "master": role = .master
        case "slave": role = .replica(try fields.masterLink(version: fields.version))
        case let other: throw .malformed(field: "role", value: other)
        }
        self.masterReplicationOffset = masterReplicationOffset
        identity = try fields.identity()
        replicas = try fields.replicas()
        backlog = Backlog(
            isActive: fields["repl_backlog_active"] == "1",
            size: try fields.offset("repl_backlog_size", default: 0),
            firstByteOffset: try fields.offset("repl_backlog_first_byte_offset", default: 0),
            length: try fields.offset("repl_backlog_histlen", default: 0)
        )
        ongoingFailover = fields["master_failover_state"].flatMap { $0 == "no-failover" ? nil : $0 }
        server = try fields.server()
        persistence = try fields.persistence()
        (keys, databases) = try fields.keyspace()
        usedMemory = try fields.optionalInteger("used_memory")
        fullResyncsServed = try fields.optionalInteger("sync_full")
    }
}

/// The `key:value` lines of an INFO text.
private struct InfoFields {
    private var values: [String: String] = [:]
    private var hasKeyspace = false

    /// Goes by bytes, not by characters: that takes a tenth of the time, and is done while writes are fenced.
    init(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            for line in bytes.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
                if line.first == UInt8(ascii: "#") {
                    hasKeyspace = hasKeyspace || String(decoding: line, as: UTF8.self) == "# Keyspace"
                    continue
                }
                guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
                let value = String(decoding: line[(colon + 1)...], as: UTF8.self)
                values[String(decoding: line[..<colon], as: UTF8.self)] = value
            }
        }
    }

    subscript(_ field: String) -> String? { values[field] }

    var version: ServerVersion? { self["redis_version"].flatMap { ServerVersion(parsing: $0) } }

    func string(_ field: String) throws(ReplicationInfoError) -> String {
        guard let value = self[field] else { throw .missing(field: field) }
        return value
    }

    func optionalInteger(_ field: String) throws(ReplicationInfoError) -> Int64? {
        guard let value = self[field] else { return nil }
        // Larger than any server can mean (64 PiB): so that sums and differences of what servers say never overflow.
        guard let number = Int64(value), number.magnitude < 1 << 56 else {
            throw .malformed(field: field, value: value)
        }
        return number
    }

    func integer(_ field: String, default fallback: Int64? = nil) throws(ReplicationInfoError) -> Int64 {
        guard let number = try optionalInteger(field) ?? fallback else { throw .missing(field: field) }
        return number
    }

    /// Offsets begin at -1 ("not known yet") and end, in practice, at 2⁶²: so any two of them can be subtracted.
    private static let offsets: ClosedRange<Int64> = -1...(1 << 62)
    private static let ports = 0...65_535

    func offset(_ field: String, default fallback: Int64? = nil) throws(ReplicationInfoError) -> Int64 {
        let number = try integer(field, default: fallback)
        guard Self.offsets.contains(number) else { throw .malformed(field: field, value: String(number)) }
        return number
    }

    func port(_ field: String) throws(ReplicationInfoError) -> Int {
        let number = try integer(field)
        guard let port = Int(exactly: number), Self.ports.contains(port) else {
            throw .malformed(field: field, value: String(number))
        }
        return port
    }

    func masterLink(version: ServerVersion?) throws(ReplicationInfoError) -> ReplicationInfo.MasterLink {
        let isUp = try string("master_link_status") == "up"
        let lastIO = try integer("master_last_io_seconds_ago", default: -1)
        return ReplicationInfo.MasterLink(
            host: try string("master_host"),
            port: try port("master_port"),
            isUp: isUp,
            secondsSinceLastIO: lastIO < 0 ? nil : lastIO,
            downtime: isUp ? nil : try downtime(),
            fullResync: try fullResync(),
            appliedOffset: try offset("slave_repl_offset"),
            receivedOffset: self["slave_read_repl_offset"] == nil ? nil : try offset("slave_read_repl_offset"),
            isReadOnly: try integer("slave_read_only", default: 1) == 1,
            priority: try optionalInteger("slave_priority")
        )
    }

    /// Redis ≤ 5 computes "now minus 0" for a link that never was up, which is the Unix time; ≥ 6.2 gives -1.
    private func downtime() throws(ReplicationInfoError) -> ReplicationInfo.Downtime? {
        guard let seconds = try optionalInteger("master_link_down_since_seconds") else { return nil }
        let longerThanRedisExists: Int64 = 1_000_000_000
        return seconds < 0 || seconds > longerThanRedisExists ? .neverConnected : .seconds(seconds)
    }

    private func fullResync() throws(ReplicationInfoError) -> ReplicationInfo.FullResync? {
        guard try integer("master_sync_in_progress", default: 0) == 1 else { return nil }
        // Negative for diskless transfers and until the size is known.
        func known(_ value: Int64?) -> Int64? { value.flatMap { $0 < 0 ? nil : $0 } }
        let total = known(try optionalInteger("master_sync_total_bytes")).flatMap { $0 == 0 ? nil : $0 }
        return ReplicationInfo.FullResync(
            leftBytes: known(try optionalInteger("master_sync_left_bytes")),
            totalBytes: total,
            readBytes: known(try optionalInteger("master_sync_read_bytes"))
        )
    }

    func identity() throws(ReplicationInfoError) -> ReplicationIdentity? {
        guard let id = self["master_replid"] else { return nil }
        let secondOffset = try offset("second_repl_offset", default: -1)
        // A second id of zeros with offset -1 says that there is none.
        guard let previous = self["master_replid2"], secondOffset > 0 else {
            return ReplicationIdentity(id: id, previous: nil)
        }
        return ReplicationIdentity(id: id, previous: .init(id: previous, end: secondOffset - 1))
    }

    func replicas() throws(ReplicationInfoError) -> [ReplicationInfo.Replica] {
        var replicas: [ReplicationInfo.Replica] = []
        // Numbered without gaps; a hostile count must not make us search for long.
        while let line = self["slave\(replicas.count)"], replicas.count < 10_000 {
            replicas.append(try Self.replica(line, field: "slave\(replicas.count)"))
        }
        return replicas
    }

    /// `ip=10.0.0.2,port=6379,state=online,offset=50,lag=1`.
    private static func replica(
        _ line: String, field: String
    ) throws(ReplicationInfoError) -> ReplicationInfo.Replica {
        var parts: [Substring: Substring] = [:]
        for part in line.split(separator: ",") {
            guard let equals = part.firstIndex(of: "=") else { continue }
            parts[part[..<equals]] = part[part.index(after: equals)...]
        }
        let offset = parts["offset"].map { Int64($0) } ?? 0
        guard let ip = parts["ip"], let port = parts["port"].flatMap({ Int($0) }), ports.contains(port),
            let state = parts["state"], let offset, offsets.contains(offset)
        else { throw .malformed(field: field, value: line) }
        return ReplicationInfo.Replica(
            ip: String(ip),
            port: port,
            state: String(state),
            acknowledgedOffset: offset,
            secondsSinceAcknowledgement: parts["lag"].flatMap { Int64($0) }.flatMap { $0 < 0 ? nil : $0 }
        )
    }

    func server() throws(ReplicationInfoError) -> ReplicationInfo.Server? {
        guard let text = self["redis_version"] else { return nil }
        guard let version = ServerVersion(parsing: text) else { throw .malformed(field: "redis_version", value: text) }
        return ReplicationInfo.Server(
            version: version,
            mode: self["redis_mode"].flatMap { .init(rawValue: $0) } ?? .standalone,
            runID: try string("run_id"),
            port: try port("tcp_port"),
            uptime: try integer("uptime_in_seconds", default: 0)
        )
    }

    func persistence() throws(ReplicationInfoError) -> ReplicationInfo.Persistence? {
        guard let loading = self["loading"] else { return nil }
        return ReplicationInfo.Persistence(
            isLoading: loading == "1",
            isAsyncLoading: self["async_loading"] == "1",
            loadingETA: try optionalInteger("loading_eta_seconds"),
            isAOFEnabled: self["aof_enabled"] == "1",
            lastSaveTime: try optionalInteger("rdb_last_save_time"),
            isSaving: self["rdb_bgsave_in_progress"] == "1",
            hasLastSaveSucceeded: self["rdb_last_bgsave_status"] == "ok"
        )
    }

    /// Sums `dbN:keys=…`, and collects the numbers. An empty data set has the section's title and no line.
    func keyspace() throws(ReplicationInfoError) -> (keys: Int64?, databases: [Int]?) {
        guard hasKeyspace else { return (nil, nil) }
        var sum: Int64 = 0
        var databases: [Int] = []
        for (field, value) in values where Self.isDatabase(field) {
            guard value.hasPrefix("keys="), let count = Int64(value.dropFirst(5).prefix { $0 != "," }), count >= 0
            else {
                throw .malformed(field: field, value: value)
            }
            let (total, isTooMuch) = sum.addingReportingOverflow(count)
            sum = isTooMuch ? .max : total
            if let number = Int(field.dropFirst(2)) { databases.append(number) }
        }
        return (sum, databases.sorted())
    }

    private static func isDatabase(_ field: String) -> Bool {
        field.hasPrefix("db") && field.utf8.count > 2 && field.dropFirst(2).allSatisfy(\.isWholeNumber)
    }
}
