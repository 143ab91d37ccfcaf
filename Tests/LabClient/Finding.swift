/// Finds the master and connects to it.
struct Finder: Sendable {
    let target: Target
    /// ms.
    let connectTimeout: Int32
    let timeout: Int32

    /// A connection to the server, or to the master that the first Sentinel that answers names, if that says so itself.
    func connect() throws(ClientError) -> Connection {
        switch target {
        case .server(let place): return try connect(place)
        case .sentinels(let sentinels, let name):
            var last = ClientError.closed
            for sentinel in sentinels {
                do throws(ClientError) {
                    return try master(sentinel, name)
                } catch { last = error }
            }
            throw last
        }
    }

    private func connect(_ place: Place) throws(ClientError) -> Connection {
        try Connection(to: place, connectTimeout: connectTimeout, timeout: timeout)
    }

    private func master(_ sentinel: Place, _ name: String) throws(ClientError) -> Connection {
        let answer = try Connection(to: sentinel, connectTimeout: connectTimeout, timeout: connectTimeout)
            .ask(["SENTINEL", "get-master-addr-by-name", name])
        guard case .list(let parts) = answer, parts.count == 2, case .text(let host) = parts[0],
            case .text(let port) = parts[1]
        else { throw .malformed("\(answer)") }
        let connection = try connect(try Place("\(host):\(port)"))
        guard case .list(let role) = try connection.ask(["ROLE"]), role.first == .text("master") else {
            throw .refused("NOMASTER")
        }
        return connection
    }
}
