/// A client that writes through the virtual address, one command at a time.
struct Client {
    /// Where its neighbour table sends it.
    var target: Int?
}

extension World {
    func startClients() {
        for index in 0..<2 {
            clients.append(Client())
            after(random.time(0 ... .ms(50))) { $0.write(index) }
        }
    }

    func isReachable(_ host: Int, from client: Int) -> Bool {
        hosts[host].isUp && hosts[host].isLinkUp && network.isReachable(host, from: client)
    }

    private func write(_ client: Int) {
        after(options.isQuiet ? .s(30) : random.time(.ms(4) ... .ms(60))) { $0.write(client) }
        guard let host = resolve(client) else { return }
        guard hosts[host].redis.isWritable(at: now), hasEnoughReplicas(host) else { return }
        let bytes = Int64(40 + random.below(160))
        append(bytes, isPing: false, to: host)
        totals.writes += 1
        audit.acknowledged += 1
    }

    /// Who has the address, as far as this client can find out.
    private func resolve(_ client: Int) -> Int? {
        if let target = clients[client].target, isReachable(target, from: client), hasVirtualAddress(target) {
            return target
        }
        let holders = hosts.indices.filter { isReachable($0, from: client) && hasVirtualAddress($0) }
        clients[client].target = holders.isEmpty ? nil : random.pick(holders)
        return clients[client].target
    }

    private func hasEnoughReplicas(_ host: Int) -> Bool {
        guard hosts[host].redis.minReplicas > 0 else { return true }
        return hosts.indices.contains { other in
            other != host && hosts[other].redis.isStreaming && hosts[other].redis.link?.master == host
                && isOpenBothWays(host, other)
        }
    }

    private func append(_ bytes: Int64, isPing: Bool, to host: Int) {
        timeline.append(bytes, isPing: isPing, to: &hosts[host].redis.position, at: now)
    }

    /// What a master with replicas sends them when nobody writes.
    func startPings() {
        after(.s(10)) { world in
            world.startPings()
            for host in world.hosts.indices {
                let server = world.hosts[host].redis
                guard server.process == .running, !server.isHung, server.isMaster, server.backlogStart != nil else {
                    continue
                }
                world.append(14, isPing: true, to: host)
            }
        }
    }
}
