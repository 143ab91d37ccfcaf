import Foundation
import NetworkLab
import RedisClient
import RedisLab
import Testing

/// `syncgate check` as a process, against real servers.
@Suite(.serialized)
struct LiveCheckTests {
    private static func file(_ text: String, _ name: String = "check.toml") throws -> String {
        let path = "\(NSTemporaryDirectory())/syncgate-\(getpid())-\(name)"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o600)
        return path
    }

    private static func text(_ local: RedisServer, _ peer: RedisServer, _ more: String = "") -> String {
        """
        [[virtual_router]]
        vrid = 51
        interface = "lo"
        addresses = ["198.51.100.100/24"]
        [virtual_router.local]
        url = "redis://127.0.0.1:\(local.port)"
        \(more)
        [virtual_router.peer]
        url = "redis://127.0.0.1:\(peer.port)"
        """
    }

    /// `severity subject code` of each finding.
    private static func findings(_ outcome: SyncgateProcess.Outcome) -> [String] {
        (outcome.json("findings") as? [[String: Any]] ?? []).map { finding in
            ["severity", "subject", "code"].map { finding[$0] as? String ?? "?" }.joined(separator: " ")
        }
    }

    private static func check(_ text: String) async throws -> SyncgateProcess.Outcome {
        let path = try file(text)
        defer { unlink(path) }
        return try await SyncgateProcess.run(["check", path, "--live", "--format", "json"])
    }

    @Test func `without --live it says what the file means, and exits by it`() async throws {
        let good = try Self.file(Sample.smallest)
        let bad = try Self.file("nodd = 1\n" + Sample.smallest, "bad.toml")
        defer { for path in [good, bad] { unlink(path) } }
        let right = try await SyncgateProcess.run(["check", "--config", good])
        #expect(right.exitCode == 0, "\(right.errors)")
        #expect(right.output.hasPrefix("\(good) is valid\n"))
        #expect(
            right.output.contains(
                "VRID 51 on eth0, version 3, priority 100, every 100ms, no preemption, multicast\n"))
        #expect(right.output.contains("a node whose machine died is replaced after 361 ms\n"))
        let wrong = try await SyncgateProcess.run(["check", bad])
        #expect(wrong.exitCode == 2)
        #expect(wrong.errors == "syncgate: \(bad):1: nodd: unknown key; did you mean node?\n")
        #expect(wrong.output == "")
        let told = try await SyncgateProcess.run(["check", bad, "--format", "json"])
        #expect(told.json("is_valid") as? Bool == false)
        #expect((told.json("problems") as? [[String: Any]])?.first?["line"] as? Int == 1)
        #expect(try await SyncgateProcess.run(["check", "/no/such/file"]).exitCode == 2)
        #expect(try await SyncgateProcess.run(["check", good, "--config", bad]).exitCode == 2)
    }

    @Test("a pair that is as it should be", arguments: RedisVersion.available)
    func good(version: RedisVersion) async throws {
        let fragment = "\(RedisVersion.packageRoot)/config/redis-syncgate.conf"
        let folder = "\(NSTemporaryDirectory())/syncgate-\(getpid())-good"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // A configuration file as an operator has it: the server says where it is.
        let path = "\(folder)/redis.conf"
        try "maxclients 100\ninclude \(fragment)\n".write(toFile: path, atomically: false, encoding: .utf8)
        let local = try await RedisServer.start(version, arguments: [], configurationFile: path)
        let peer = try await RedisServer.start(version, arguments: [], configurationFile: path)
        let outcome: SyncgateProcess.Outcome
        do {
            let master = try await local.connection()
            try await master.slaveOfNoOne(timeout: .seconds(5))
            let replica = try await peer.connection()
            try await replica.slaveOf(host: "127.0.0.1", port: local.port, timeout: .seconds(5))
            try await waitUntil("the link is up") {
                try await replica.info("replication", timeout: .seconds(5)).contains("master_link_status:up")
            }
            outcome = try await Self.check(Self.text(local, peer))
        }
        await local.stop()
        await peer.stop()
        #expect(outcome.exitCode == 0, "\(outcome.output) \(outcome.errors)")
        // Not everybody may have real-time priority.
        let findings = Self.findings(outcome).filter { !$0.contains("folders") && !$0.hasSuffix("rights real_time") }
        // Root, who may read everything, is told what cannot be seen that way.
        let isRoot = geteuid() == 0
        #expect(
            findings == (isRoot ? ["note rights root"] : []) + [
                "ok interface interface", "ok rights rights", "ok vrid vrid", "ok local role", "ok local commands",
                "ok local backlog", "note local persistence", "ok peer role", "ok peer commands", "ok peer backlog",
                "note peer persistence", "ok local boot_fence", "\(isRoot ? "note" : "ok") local snapshot",
                "ok pair announce",
            ], "\(outcome.output)")
    }

    @Test func `a pair where nearly everything is missing`() async throws {
        let version = try #require(RedisVersion.newest)
        let local = try await RedisServer.start(
            version, arguments: ["--slave-read-only", "no", "--min-slaves-to-write", "1"])
        let peer = try await RedisServer.start(version, arguments: ["--requirepass", "geheim"])
        let without = try await Self.check(Self.text(local, peer))
        let text = Self.text(local, peer).replacing(":\(peer.port)", with: ":\(peer.port)\"\npassword = \"geheim")
        let with = try await Self.check(text)
        await peer.kill()
        let alone = try await Self.check(text)
        await local.stop()
        await peer.stop()
        #expect(without.exitCode == 1)
        #expect(Self.findings(without).contains("error peer credentials"), "\(without.output)")
        #expect(with.exitCode == 1, "\(with.output)")
        for finding in [
            "error local read_only", "warning local backlog", "warning local backlog_ttl", "error local masterauth",
            "note local min_slaves", "warning local boot_fence", "ok peer role",
        ] { #expect(Self.findings(with).contains(finding), "\(finding): \(with.output)") }
        #expect(!with.output.contains("geheim"))
        #expect(alone.exitCode == 3)
        #expect(Self.findings(alone).contains("error peer unreachable"), "\(alone.output)")
    }

    @Test(
        "what the user may not send is named, and the fragment's user may send it all",
        arguments: RedisVersion.available.filter { $0 >= .v6_2 })
    func rights(version: RedisVersion) async throws {
        let fragment = try String(
            contentsOfFile: "\(RedisVersion.packageRoot)/config/redis-syncgate.conf", encoding: .utf8)
        let line = try #require(fragment.split(separator: "\n").first { $0.hasPrefix("#user syncgate ") })
        let rules = line.split(separator: " ").dropFirst(2).map(String.init)
        try await withRedisServers(version, count: 2) { servers in
            for server in servers {
                let connection = try await server.connection()
                _ = try await connection.send(
                    ["ACL", "SETUSER", "little", "on", ">geheim", "+info", "+ping", "+config|get"],
                    timeout: .seconds(5))
                _ = try await connection.send(["ACL", "SETUSER", "syncgate"] + rules, timeout: .seconds(5))
                _ = try await connection.configSet("masterauth", "x", timeout: .seconds(5))
            }
            let little = try await Self.check(
                Self.text(servers[0], servers[1], "user = \"little\"\npassword = \"geheim\""))
            #expect(Self.findings(little).filter { $0.contains("commands") }.count == 2)
            #expect(little.exitCode == 1)
            #expect(
                little.output.contains(
                    "does not let the user little send dbsize, slaveof, config|set, client|kill, client|list, "),
                "\(little.output)")
            let enough = try await Self.check(
                Self.text(servers[0], servers[1], "user = \"syncgate\"\npassword = \"CHANGE-ME\""))
            #expect(
                Self.findings(enough).filter { $0.contains("commands") } == ["ok local commands", "ok peer commands"],
                "\(enough.output)")
        }
    }

    @Test func `renamed commands, the same server twice, other versions`() async throws {
        let version = try #require(RedisVersion.newest)
        let oldest = try #require(RedisVersion.available.first)
        let local = try await RedisServer.start(version, arguments: ["--rename-command", "SLAVEOF", "hidden"])
        let peer = try await RedisServer.start(oldest)
        let renamed = try await Self.check(Self.text(local, peer))
        let twice = try await Self.check(
            Self.text(local, peer).replacing("redis://127.0.0.1:\(peer.port)", with: "redis://localhost:\(local.port)"))
        await local.stop()
        await peer.stop()
        #expect(renamed.output.contains("does not know slaveof"), "\(renamed.output)")
        #expect(renamed.exitCode == 1)
        if oldest != version { #expect(Self.findings(renamed).contains("warning pair versions")) }
        #expect(Self.findings(twice).contains("error pair same_server"), "\(twice.output)")
    }

    @Test func `two masters with data, and what each keeps on disk`() async throws {
        let version = try #require(RedisVersion.v7_0.serverPath == nil ? RedisVersion.newest : .v7_0)
        try await withRedisServers(version, count: 2) { servers in
            for server in servers {
                let connection = try await server.connection()
                _ = try await connection.send(["SET", "a", "b"], timeout: .seconds(5))
            }
            for (server, change) in zip(servers, [("appendonly", "yes"), ("save", "3600 1")]) {
                let connection = try await server.connection()
                _ = try await connection.configSet(change.0, change.1, timeout: .seconds(5))
            }
            let both = try await Self.check(Self.text(servers[0], servers[1]))
            for finding in [
                "warning pair two_masters", "ok local persistence", "note peer persistence",
            ] { #expect(Self.findings(both).contains(finding), "\(finding): \(both.output)") }
            let places = servers.map { "127.0.0.1:\($0.port)" }
            #expect(both.output.contains("\"\(places[0]) keeps an append-only file\""), "\(both.output)")
            #expect(
                both.output.contains("\(places[1]) keeps snapshots: restarted, it comes back as old as the last one"))
            // One without data is nothing that could be lost.
            let peer = try await servers[1].connection()
            _ = try await peer.send(["FLUSHALL"], timeout: .seconds(5))
            _ = try await peer.configSet("save", "", timeout: .seconds(5))
            let one = try await Self.check(Self.text(servers[0], servers[1]))
            #expect(!Self.findings(one).contains("warning pair two_masters"), "\(one.output)")
            #expect(one.output.contains("\(places[1]) keeps nothing on disk: restarted, it comes back empty"))
        }
    }

    @Test func `the backlog is held against what a writer writes`() async throws {
        let version = try #require(RedisVersion.newest)
        try await withRedisServers(version, count: 2) { servers in
            for server in servers {
                let connection = try await server.connection()
                _ = try await connection.configSet("repl-backlog-size", "1073741824", timeout: .seconds(5))
                try await connection.slaveOfNoOne(timeout: .seconds(5))
            }
            let replica = try await servers[1].connection()
            try await replica.slaveOf(host: "127.0.0.1", port: servers[0].port, timeout: .seconds(5))
            try await waitUntil("the link is up") {
                try await replica.info("replication", timeout: .seconds(5)).contains("master_link_status:up")
            }
            // Two clients write a few hundred KiB/s at least, wherever this runs.
            let writers = WriteLoad([servers[0].url], clients: 2)
            await writers.waitForWrites(100)
            let large = try await Self.check(Self.text(servers[0], servers[1]))
            for server in servers {
                let connection = try await server.connection()
                _ = try await connection.configSet("repl-backlog-size", "16384", timeout: .seconds(5))
            }
            let small = try await Self.check(Self.text(servers[0], servers[1]))
            #expect(try await writers.stop(lookingAt: servers[0].url).lost == [])
            let place = "127.0.0.1:\(servers[0].port)"
            let rate = #/: (\d+) s of writes at the present (\d+) KiB/s/#
            for (outcome, size, severity) in [(large, 1_048_576, "ok"), (small, 16, "warning")] {
                for subject in ["local", "peer"] {
                    #expect(Self.findings(outcome).contains("\(severity) \(subject) backlog"), "\(outcome.output)")
                }
                let text = try #require(
                    outcome.output.split(separator: "\n").first {
                        $0.contains("\(place) keeps a backlog of \(size) KiB")
                    }, "\(outcome.output)")
                let found = try #require(try rate.firstMatch(in: String(text)), "\(text)")
                let (seconds, speed) = try (#require(Int(found.1)), #require(Int(found.2)))
                #expect(speed > 10, "\(text)")
                // Both are rounded down.
                #expect(seconds >= size / (speed + 1) && seconds <= size / speed, "\(text)")
            }
        }
    }

    @Test func `it changes nothing`() async throws {
        for version in RedisVersion.available {
            try await withRedisServers(version, count: 2) { servers in
                let connection = try await servers[0].connection()
                _ = try await connection.send(["SET", "a", "b"], timeout: .seconds(5))
                let config = ["CONFIG", "GET", "*"]
                let before = try await connection.send(config, timeout: .seconds(5))
                let info = try await connection.info("replication", timeout: .seconds(5))
                _ = try await Self.check(Self.text(servers[0], servers[1]))
                #expect(try await connection.send(config, timeout: .seconds(5)) == before, "\(version)")
                #expect(try await connection.info("replication", timeout: .seconds(5)) == info, "\(version)")
                #expect(try await connection.send(["GET", "a"], timeout: .seconds(5)).text == "b")
            }
        }
    }
}

/// In network namespaces: interface, rights, and who else speaks.
@Suite(.serialized, .enabled(if: NetworkLab.isAvailable, "\(NetworkLab.whyUnavailable ?? "")"))
struct LiveCheckLabTests {
    private func check(
        _ lab: NetworkLab, as user: NetworkLab.User = .root, _ router: String = "", on interface: String = "eth0",
        command: [String] = []
    ) async throws -> String {
        let path = lab.file("check.toml")
        try """
        state_directory = "\(lab.directory)"
        [[virtual_router]]
        vrid = 51
        interface = "\(interface)"
        addresses = ["198.51.100.100/24"]
        \(router)
        [virtual_router.peer]
        url = "redis://198.51.100.2"
        """.write(toFile: path, atomically: false, encoding: .utf8)
        chmod(lab.directory, 0o755)
        chmod(path, 0o644)
        let log = lab.file("check.log")
        let child = try await lab.start(
            command + [SyncgateProcess.executable, "check", path, "--live"], in: lab[1], as: user, log: log)
        await child.waitForExit()
        return try String(contentsOfFile: log, encoding: .utf8)
    }

    @Test func `with the unit's two capabilities and no others, as an ordinary user`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let text = try await check(lab, as: .nobody, "source = \"198.51.100.1\"")
            #expect(text.contains("ok       redis interface  eth0 is up and has 198.51.100.1\n"), "\(text)")
            #expect(
                text.contains("ok       redis rights     raw sockets may be opened and addresses changed\n"), "\(text)")
            #expect(
                text.contains("ok       redis vrid       VRID 51 is used by nobody on eth0 at present\n"), "\(text)")
            #expect(text.contains("198.51.100.2:6379: connection refused"), "\(text)")
        }
    }

    @Test func `an interface that is down, without an address, or not there, and rights that are missing`() async throws
    {
        try await withNetworkLab(leaves: 2) { lab in
            // No ambient capabilities: as an operator runs it.
            let bare = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all"]
            let rights = try await check(lab, as: .nobody, command: bare)
            #expect(rights.contains("error    redis rights     cannot "), "\(rights)")
            #expect(rights.contains("EPERM"), "\(rights)")
            #expect(rights.contains("the unit syncgate.service gives it both capabilities\n"), "\(rights)")
            #expect(rights.contains("error    redis vrid       nobody can be heard: cannot "), "\(rights)")
            #expect(rights.contains("ok       redis interface  eth0 is up, advertisements leave from 198.51.100.1\n"))

            let missing = try await check(lab, on: "eth7")
            #expect(missing.contains("error    redis interface  there is no interface eth7\n"), "\(missing)")
            #expect(missing.contains("see 'ip link' for those that there are\n"), "\(missing)")

            try await lab.run(["ip", "address", "flush", "dev", "eth0", "scope", "global"], in: lab[1])
            let none = try await check(lab)
            #expect(none.contains("error    redis interface  eth0 has no IPv4 address of its own\n"), "\(none)")

            for cut in [NetworkLab.Cut.cable, .interface] {
                try await lab.cut(lab[1], cut)
                let down = try await check(lab)
                #expect(
                    down.contains("error    redis interface  eth0 is down, or has no carrier\n"), "\(cut): \(down)")
                #expect(down.contains("ip link set eth0 up, and see to the cable\n"), "\(down)")
                try await lab.mend(lab[1], cut)
            }
        }
    }

    @Test func `others with the same VRID are heard`() async throws {
        try await withNetworkLab(leaves: 2) { lab in
            let other = try await lab.start(
                [
                    SyncgateProcess.executable, "vrrp", "--interface", "eth0", "--vrid", "51", "--interval", "100ms",
                    "--address", "198.51.100.77/24",
                ], in: lab[2], log: lab.file("other.log"))
            try await waitUntil("the other one is active") {
                try await lab.run(["ip", "-4", "address", "show", "dev", "eth0"], in: lab[2]).contains("198.51.100.77")
            }
            let foreign = try await check(lab)
            #expect(
                foreign.contains(
                    "error    redis vrid       VRID 51: 198.51.100.2 stands for 198.51.100.77, not for these addresses\n"
                ),
                "\(foreign)")
            other.signal(SIGTERM)
            await other.waitForExit()
            _ = try await lab.start(
                [
                    SyncgateProcess.executable, "vrrp", "--interface", "eth0", "--vrid", "51", "--interval", "100ms",
                    "--priority", "77", "--address", "198.51.100.100/24",
                ], in: lab[2], log: lab.file("peer.log"))
            try await waitUntil("the peer is active") {
                try await lab.run(["ip", "-4", "address", "show", "dev", "eth0"], in: lab[2]).contains("198.51.100.100")
            }
            let peer = try await check(lab)
            #expect(
                peer.contains(
                    "ok       redis vrid       VRID 51: 198.51.100.2 serves these addresses, with priority 77\n"),
                "\(peer)")
            let other100 = try await check(lab, "advertisement_interval = \"200ms\"")
            #expect(
                other100.contains(
                    "VRID 51: 198.51.100.2 sends version 3 every 100ms, and this file says version 3 every 200ms\n"),
                "\(other100)")
            let missing = try await check(lab, "source = \"198.51.100.9\"")
            #expect(
                missing.contains("error    redis interface  eth0 does not have 198.51.100.9 (source)"), "\(missing)")
        }
    }
}
