import Failover
import Replication

/// What is sent to a server.
enum Command: Equatable {
    case info
    /// `INFO` and `SLAVEOF` in one write; nil for 127.0.0.1:1.
    case follow(Int?)
    case promote
    case pause(Time)
    case unpause
    case minReplicas(Int)
    case subscribe(String, from: Int)
    case disconnectClients
}

/// What comes back.
enum Response {
    /// What `INFO` said, before anything was changed.
    case reply(ReplicationInfo)
    case error(String)
    case dead
    case silent

    var contact: SyncGate.Contact {
        switch self {
        case .reply, .error: .answering
        case .dead: .dead
        case .silent: .silent
        }
    }
}

/// A request that is answered once, by the server or by the clock.
private final class Request {
    var isAnswered = false
}

extension World {
    /// How long a command may take.
    static let commandTimeout: Time = .ms(250)

    /// Sends a command from a host's daemon. Nothing comes back to a daemon that has ended meanwhile; the command may be
    /// executed all the same.
    func send(
        _ command: Command, from host: Int, to server: Int, timeout: Time = commandTimeout,
        before: ((World) -> Void)? = nil, onExecution: ((World) -> Void)? = nil,
        _ completion: @escaping (World, Response) -> Void
    ) {
        let request = Request()
        let process = hosts[host].daemon.process
        let answer: (World, Response) -> Void = { world, response in
            world.deliver(to: host, process) { world in
                guard !request.isAnswered else { return }
                request.isAnswered = true
                completion(world, response)
            }
        }
        at(now + timeout) { answer($0, .silent) }
        let arrival: EventQueue.Job = { world in
            world.arrive(command, host, server, (before, onExecution), answer)
        }
        guard isOpen(.redis, host, server) else {
            if hosts[server].isUp, random.chance(50) { network.held.append((host, server, arrival)) }
            return
        }
        after(latency(host, server), arrival)
    }

    private func arrive(
        _ command: Command, _ host: Int, _ server: Int,
        _ watchers: (before: ((World) -> Void)?, after: ((World) -> Void)?),
        _ answer: @escaping (World, Response) -> Void
    ) {
        guard hosts[server].isUp else { return }
        if hosts[server].redis.isHung {
            let late: EventQueue.Job = { $0.arrive(command, host, server, watchers, answer) }
            return hosts[server].redis.inbox.append(late)
        }
        if hosts[server].redis.process == .running, !hosts[server].redis.isBusy { watchers.before?(self) }
        let response = execute(command, server)
        if case .reply = response { watchers.after?(self) }
        guard isOpen(.redis, server, host) else { return }
        after(latency(server, host)) { answer($0, response) }
    }

    private func execute(_ command: Command, _ host: Int) -> Response {
        let server = hosts[host].redis
        guard server.process != .down else { return .dead }
        guard !server.isBusy else { return .error("BUSY") }
        let before = info(of: host)
        if case .info = command { return .reply(before) }
        if server.process == .loading {
            if case .follow = command { return .error("LOADING") }
            if case .promote = command { return .error("LOADING") }
        }
        switch command {
        case .info: break
        // The daemons' own connections as well.
        case .disconnectClients: closeConnections(to: host)
        case .follow(let master): follow(host, master)
        case .promote: promote(host)
        case .pause(let duration):
            if options.mutation != .withoutFence { hosts[host].redis.pausedUntil = now + duration }
        case .unpause: hosts[host].redis.pausedUntil = 0
        case .minReplicas(let count): hosts[host].redis.minReplicas = count
        case .subscribe(let channel, let from):
            hosts[host].redis.channels.removeAll { $0.host == from }
            hosts[host].redis.channels.append((from, channel))
        }
        return .reply(before)
    }

    /// Hands something to a daemon's process, unless it is another one by now; a frozen one gets it when it goes on.
    func deliver(to host: Int, _ process: Int, _ job: @escaping EventQueue.Job) {
        guard hosts[host].daemon.process == process, hosts[host].daemon.core != nil else { return }
        if hosts[host].daemon.isFrozen { return hosts[host].daemon.deferred.append(job) }
        job(self)
    }
}
