import Foundation
import NetworkLab
import RedisLab
import Testing

/// The daemon as a process, on a node of its own, with its Redis and without a peer.
@Suite(.enabled(if: NetworkLab.isAvailable, "\(NetworkLab.whyUnavailable ?? "")"))
struct DaemonProcessTests {
    /// A node with a Redis, and what a daemon on it needs.
    private struct Place {
        let lab: NetworkLab
        let folder: String
        var socket: String { "\(folder)/control.sock" }
        var log: String { (try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)) ?? "" }

        init(_ lab: NetworkLab) async throws {
            self.lab = lab
            folder = "\(lab.directory)/n1"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let server = try #require(RedisVersion.v7_0.serverPath)
            _ = try await lab.start(
                [server, "--port", "6379", "--save", "", "--dir", folder], in: lab[1], log: "\(folder)/redis")
            // One that is empty waits for a peer that may have data.
            let client = server.replacing("redis-server", with: "redis-cli")
            try await waitUntil("Redis takes writes") {
                (try? await lab.run([client, "set", "a", "1"], in: lab[1])) == "OK\n"
            }
            try configure()
        }

        func configure(priority: Int = 100, more: String = "") throws {
            let text = """
                node = "node1"
                state_directory = "\(folder)/state"
                [control]
                socket = "\(socket)"
                [[virtual_router]]
                vrid = 51
                interface = "eth0"
                addresses = ["198.51.100.100/24"]
                priority = \(priority)
                wait_for_peer = "300ms"
                \(more)
                [virtual_router.peer]
                url = "redis://198.51.100.2:6379"
                """
            try text.write(toFile: "\(folder)/config.toml", atomically: true, encoding: .utf8)
        }

        func daemon(under program: [String] = ["/usr/bin/env"]) async throws -> ChildProcess {
            try await lab.start(
                program
                    + [SyncgateProcess.executable, "daemon", "--config", "\(folder)/config.toml"],
                in: lab[1], log: "\(folder)/out", errors: "\(folder)/log")
        }

        func ask(_ command: String...) async throws -> SyncgateProcess.Outcome {
            try await SyncgateProcess.run(command + ["--control", socket, "--format", "json"])
        }

        func waitUntilServing() async throws {
            try await waitUntil("the daemon serves: \(log)") {
                try await ask("status").output.contains(#""state" : "serving""#)
            }
        }
    }

    @Test func `it serves, answers, reloads, and ends`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let place = try await Place(lab)
            let daemon = try await place.daemon()
            try await place.waitUntilServing()
            #expect(try await lab.holders(of: "198.51.100.100") == [1])

            let paused = try await place.ask("pause")
            #expect(paused.exitCode == 0 && paused.output.contains(#""done" : true"#))
            #expect(try await place.ask("resume").exitCode == 0)
            #expect(try await place.ask("switchover").exitCode == 1)
            let wrong = try await place.ask("status", "--router", "other")
            #expect(wrong.exitCode == 2)
            #expect(wrong.errors == "syncgate: there is no virtual router 'other'; there are redis\n")
            let history = try await place.ask("history", "--limit", "100")
            #expect(history.output.contains(#""to" : "serving""#))

            try place.configure(priority: 150)
            daemon.signal(SIGHUP)
            try await waitUntil("reloaded: \(place.log)") {
                place.log.contains("reloaded: virtual_router.redis.priority")
            }
            #expect(try await place.ask("status").output.contains(#""priority" : 150"#))
            try place.configure(priority: 160, more: "advertisement_interval = \"1s\"")
            daemon.signal(SIGHUP)
            try await waitUntil("not reloaded: \(place.log)") {
                place.log.contains(
                    "not reloaded, nothing was changed: only a restart changes virtual_router.redis.advertisement_interval"
                )
            }
            #expect(try await place.ask("status").output.contains(#""priority" : 150"#))
            try place.configure(priority: 300)
            daemon.signal(SIGHUP)
            try await waitUntil("refused: \(place.log)") { place.log.contains("config.toml:9: ") }
            daemon.signal(SIGUSR1)
            try await waitUntil("counters: \(place.log)") { place.log.contains("active; sent ") }

            daemon.signal(SIGTERM)
            await daemon.waitForExit()
            #expect(daemon.exitCode == 0)
            #expect(try await lab.holders(of: "198.51.100.100") == [])
            #expect(!FileManager.default.fileExists(atPath: place.socket))
            #expect(try await place.ask("status").exitCode == 3)
        }
    }

    @Test func `a second one is refused, and a killed one's place is taken`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let place = try await Place(lab)
            let daemon = try await place.daemon()
            try await place.waitUntilServing()
            let second = try await place.daemon()
            await second.waitForExit()
            #expect(second.exitCode == 3)
            #expect(place.log.contains("syncgate: \(place.socket): another daemon listens there\n"))
            daemon.signal(SIGKILL)
            await daemon.waitForExit()
            try "{".write(toFile: "\(place.folder)/state/memory-redis.json", atomically: true, encoding: .utf8)
            let third = try await place.daemon()
            try await place.waitUntilServing()
            #expect(
                place.log.contains("memory-redis.json: no memory of a node; starting without, it is kept as .unusable"))
            // Two signals: at once.
            third.signal(SIGTERM)
            third.signal(SIGTERM)
            await third.waitForExit()
            #expect(third.exitCode == 0)
        }
    }

    @Test func `what is wrong at the start is said, with its exit code`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let place = try await Place(lab)
            try place.configure(more: "nonsense = 1")
            let one = try await place.daemon()
            await one.waitForExit()
            #expect(one.exitCode == 2 && place.log.contains("config.toml:11: "))
            try place.configure()
            let file = "\(place.folder)/config.toml"
            let text = try String(contentsOfFile: file, encoding: .utf8).replacing("eth0", with: "eth7")
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let two = try await place.daemon()
            await two.waitForExit()
            #expect(two.exitCode == 3)
            #expect(place.log.contains("the heartbeat ended: cannot look up the interface eth7: ENODEV"))
            #expect(!FileManager.default.fileExists(atPath: place.socket))
            // What trying again does not change ends with 2, as for syncgate vrrp: systemd does not start it again then.
            try place.configure()
            let three = try await place.daemon(under: ["/usr/bin/setpriv", "--bounding-set", "-net_raw,-net_admin"])
            await three.waitForExit()
            #expect(three.exitCode == 2, "\(place.log)")
            #expect(place.log.contains("run as root or with CAP_NET_"))
        }
    }

    @Test func `systemd is told that it is ready, and that the heartbeat works`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let place = try await Place(lab)
            let path = "\(place.folder)/notify"
            let socket = Foundation.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            defer { close(socket) }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            let bound = withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(bound == 0)
            let daemon = try await place.daemon(
                under: ["/usr/bin/env", "NOTIFY_SOCKET=\(path)", "WATCHDOG_USEC=200000"])
            var told: [String] = []
            func listen() {
                var buffer = [UInt8](repeating: 0, count: 1000)
                while true {
                    let count = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                    guard count > 0 else { return }
                    told.append(String(decoding: buffer.prefix(count), as: UTF8.self))
                }
            }
            try await waitUntil("systemd is told") {
                listen()
                return told.contains("READY=1") && told.filter { $0 == "WATCHDOG=1" }.count >= 3
                    && told.contains("STATUS=redis: serving (elected)")
            }
            #expect(!told.contains { $0.hasPrefix("RELOADING=1") })
            daemon.signal(SIGHUP)
            try await waitUntil("systemd is told that it has reloaded: \(told)") {
                listen()
                guard let reload = told.firstIndex(where: { $0.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") }) else {
                    return false
                }
                return told[reload...].contains("READY=1")
            }
            #expect(!told.contains("STOPPING=1"))
            daemon.signal(SIGTERM)
            await daemon.waitForExit()
            listen()
            #expect(told.contains("STOPPING=1"))
        }
    }
}
