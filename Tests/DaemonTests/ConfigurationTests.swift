import Daemon
import Failover
import Foundation
import LinuxNet
import Operations
import RedisClient
import RedisLab
import Testing
import VRRP

/// Texts of configuration files, and what is read from them.
enum Sample {
    /// All that must be there.
    static let smallest = """
        [[virtual_router]]
        vrid = 51
        interface = "eth0"
        addresses = ["198.51.100.100/24"]
        [virtual_router.peer]
        url = "redis://198.51.100.2"
        """

    /// The smallest file with other keys at the top, in the virtual router, and in its servers.
    static func text(top: String = "", router: String = "", local: String = "", peer: String = "") -> String {
        """
        \(top)
        [[virtual_router]]
        vrid = 51
        interface = "eth0"
        addresses = ["198.51.100.100/24"]
        \(router)
        [virtual_router.local]
        \(local)
        [virtual_router.peer]
        url = "redis://198.51.100.2"
        \(peer)
        """
    }

    static func surroundings(_ variables: [String: String] = [:]) -> ConfigurationFile.Surroundings {
        ConfigurationFile.Surroundings(hostName: "node1") { variables[$0] }
    }

    static func file(_ text: String, _ variables: [String: String] = [:]) throws -> ConfigurationFile {
        try ConfigurationFile(text: text, path: "/nowhere/syncgate.toml", surroundings: surroundings(variables))
    }

    static func read(_ text: String, _ variables: [String: String] = [:]) throws -> DaemonConfiguration {
        try file(text, variables).configuration
    }

    /// The router of a file with one.
    static func router(_ text: String, _ variables: [String: String] = [:]) throws -> VirtualRouterConfiguration {
        try read(text, variables).virtualRouters[0]
    }
}

struct ConfigurationTests {
    @Test func `the smallest file, with its defaults`() throws {
        let configuration = try Sample.read(Sample.smallest)
        let id = try #require(VirtualRouterID(51))
        let address = try #require(VirtualAddress("198.51.100.100/24"))
        let parameters = VirtualRouterParameters(
            version: .v3, virtualRouterID: id, priority: Priority(100), advertisementInterval: .milliseconds(100),
            preempts: false, preemptDelay: .zero, addresses: [address.address])
        let expected = DaemonConfiguration(
            nodeName: "node1", stateDirectory: "/var/lib/syncgate", salvageDirectory: "/var/lib/syncgate/salvage",
            control: .init(socket: "/run/syncgate/control.sock", mode: 0o660, owner: nil, group: nil),
            log: .init(level: .info, format: .text), realTime: RealTime.Settings(),
            virtualRouters: [
                VirtualRouterConfiguration(
                    node: NodeConfiguration(
                        name: "redis", node: "node1", router: parameters, virtualAddresses: [address],
                        peerRedis: RedisAddress(host: "198.51.100.2", port: 6379)),
                    interface: "eth0", source: nil, minimumHopLimit: 255,
                    local: Endpoint(url: RedisURL(address: .tcp(host: "127.0.0.1", port: 6379))),
                    peer: Endpoint(url: RedisURL(address: .tcp(host: "198.51.100.2", port: 6379))),
                    announce: nil, connectTimeout: .milliseconds(250), sampleInterval: .milliseconds(100),
                    witnesses: [], hooks: [:], hookTimeout: .seconds(30))
            ])
        #expect(configuration == expected)
        let timing = configuration.virtualRouters[0].node.timing
        #expect(timing.downAfter == .seconds(1))
        #expect(timing.promoteTimeout == .seconds(10))
        #expect(timing.switchoverTimeout == .seconds(10))
        #expect(timing.waitForPeer == .seconds(10))
        #expect(timing.startGrace == .seconds(3))
        #expect(timing.retryAfter == .seconds(1))
        #expect(configuration.virtualRouters[0].node.upkeep == AddressUpkeep.Settings())
    }

    @Test func `every key`() throws {
        let configuration = try Sample.read(
            """
            node = "alpha"
            state_directory = "state"
            salvage_directory = "/mnt/large/salvage"
            [control]
            socket = "../run/c.sock"
            mode = "0600"
            owner = "root"
            group = "redis"
            [log]
            level = "warning"
            format = "json"
            [real_time]
            enabled = true
            priority = 20
            lock_memory = false
            [[virtual_router]]
            name = "cache"
            vrid = 7
            interface = "eth1"
            addresses = ["198.51.100.100/24", "2001:db8::100/64 dev eth2", "198.51.100.101/32 label eth1:vip"]
            priority = 150
            version = 2
            advertisement_interval = "2s"
            preempt = true
            preempt_delay = "1m"
            source = "198.51.100.1"
            unicast_peers = ["198.51.100.2"]
            min_hop_limit = 64
            auth_pass = "geheim"
            checksum_without_pseudo_header = true
            address_lifetime = "5s"
            announce_repeat = 2
            announce_delay = "1s"
            announce_refresh = "never"
            announce = "[2001:db8::1]:7000"
            down_after = "2s"
            sample_interval = "50ms"
            connect_timeout = "300ms"
            promote_timeout = "11s"
            on_timeout = "refuse"
            max_loss = "64MiB"
            on_divergence = "snapshot"
            switchover_timeout = "12s"
            wait_for_peer = "13s"
            start_grace = "4s"
            retry_after = "5s"
            write_fence = true
            witnesses = ["ping:198.51.100.254", "tcp:[2001:db8::53]:53", "tcp:ns.example.org:53"]
            [virtual_router.local]
            url = "rediss://localhost:6380"
            user = "gate"
            password_env = "PW"
            ca_file = "ca.pem"
            cert_file = "cert.pem"
            key_file = "/abs/key.pem"
            server_name = "redis.example.org"
            [virtual_router.peer]
            url = "rediss://198.51.100.2:6380"
            [virtual_router.hooks]
            on_promote = ["notify", "one two"]
            on_demote = ["/bin/true"]
            on_fault = ["/bin/true", ""]
            on_stop = ["/bin/true", "x"]
            timeout = "5s"
            """, ["PW": "p"])
        #expect(configuration.nodeName == "alpha")
        #expect(configuration.stateDirectory == "/nowhere/state")
        #expect(configuration.salvageDirectory == "/mnt/large/salvage")
        #expect(configuration.control == .init(socket: "/run/c.sock", mode: 0o600, owner: "root", group: "redis"))
        #expect(configuration.log == .init(level: .warning, format: .json))
        #expect(configuration.realTime == RealTime.Settings(priority: 20, locksMemory: false))
        let router = configuration.virtualRouters[0]
        #expect(router.node.name == "cache")
        #expect(router.node.node == "alpha")
        #expect(router.interface == "eth1")
        let parameters = router.node.router
        #expect(parameters.virtualRouterID.rawValue == 7)
        #expect(parameters.priority == Priority(150))
        #expect(parameters.version == .v2)
        #expect(parameters.advertisementInterval == .seconds(2))
        #expect(parameters.preempts)
        #expect(parameters.preemptDelay == .seconds(60))
        #expect(parameters.authentication == .password(Array("geheim".utf8)))
        #expect(parameters.checksumCoverage == .message)
        #expect(parameters.addresses.map(\.description) == ["198.51.100.100", "198.51.100.101"])
        let places = router.node.virtualAddresses
        #expect(places.map(\.description) == ["198.51.100.100/24", "2001:db8::100/64", "198.51.100.101/32"])
        #expect(places.map(\.interface) == [nil, "eth2", nil])
        #expect(places.map(\.label) == [nil, nil, "eth1:vip"])
        #expect(router.source == IPAddress("198.51.100.1"))
        #expect(router.node.unicastPeers == [try #require(IPAddress("198.51.100.2"))])
        #expect(router.minimumHopLimit == 64)
        #expect(
            router.node.upkeep
                == .init(
                    lifetime: .seconds(5), announceRepeat: 2, announceDelay: .seconds(1), announceRefresh: nil))
        #expect(router.announce == HostPort(host: "2001:db8::1", port: 7000))
        let timing = router.node.timing
        #expect(timing.downAfter == .seconds(2))
        #expect(router.sampleInterval == .milliseconds(50))
        #expect(router.connectTimeout == .milliseconds(300))
        #expect(timing.promoteTimeout == .seconds(11))
        #expect(timing.switchoverTimeout == .seconds(12))
        #expect(timing.waitForPeer == .seconds(13))
        #expect(timing.startGrace == .seconds(4))
        #expect(timing.retryAfter == .seconds(5))
        let policy = router.node.policy
        #expect(!policy.promotesAfterTimeout)
        #expect(policy.maxLossBytes == 67_108_864)
        #expect(policy.fencesIsolatedMaster)
        #expect(policy.hasWitnesses)
        #expect(
            router.witnesses.map(\.description) == [
                "ping:198.51.100.254", "tcp:[2001:db8::53]:53", "tcp:ns.example.org:53",
            ])
        let files = TLSFiles(
            certificateAuthority: "/nowhere/ca.pem", certificate: "/nowhere/cert.pem", key: "/abs/key.pem",
            serverName: "redis.example.org")
        #expect(
            router.local
                == Endpoint(
                    url: RedisURL(
                        address: .tcp(host: "localhost", port: 6380), usesTLS: true, username: "gate", password: "p"),
                    tls: files))
        var peerFiles = files
        peerFiles.serverName = nil
        #expect(
            router.peer
                == Endpoint(
                    url: RedisURL(
                        address: .tcp(host: "198.51.100.2", port: 6380), usesTLS: true, username: "gate", password: "p"),
                    tls: peerFiles))
        #expect(
            router.hooks == [
                .promote: ["/nowhere/notify", "one two"], .demote: ["/bin/true"], .fault: ["/bin/true", ""],
                .stop: ["/bin/true", "x"],
            ])
        #expect(router.hookTimeout == .seconds(5))
    }

    @Test func `defaults that depend on other keys`() throws {
        let old = try Sample.router(Sample.text(router: "version = 2\ndown_after = \"200ms\""))
        #expect(old.node.router.advertisementInterval == .seconds(1))
        #expect(old.sampleInterval == .milliseconds(50))
        #expect(try Sample.router(Sample.text(router: "max_loss = \"0B\"")).node.policy.maxLossBytes == 0)
        #expect(try Sample.router(Sample.text(router: "max_loss = \"unlimited\"")).node.policy.maxLossBytes == nil)
        for policy in ["salvage", "snapshot", "refuse", "discard"] {
            let router = try Sample.router(Sample.text(router: "on_divergence = \"\(policy)\""))
            #expect(router.divergence.rawValue == policy)
        }
        #expect(try Sample.read(Sample.text(top: "state_directory = \"s\"")).salvageDirectory == "/nowhere/s/salvage")
        #expect(try Sample.read(Sample.text(top: "[real_time]\nenabled = false")).realTime == nil)
        #expect(
            try Sample.read(Sample.text(top: "[real_time]\npriority = 5")).realTime == RealTime.Settings(priority: 5))
    }

    @Test func `how the peer reaches the local server`() throws {
        func local(_ router: String, _ local: String = "") throws -> RedisAddress? {
            try Sample.router(Sample.text(router: router, local: local)).node.localRedis
        }
        #expect(try local("") == nil, "only the connection to the peer shows it")
        #expect(try local("source = \"198.51.100.1\"") == RedisAddress(host: "198.51.100.1", port: 6379))
        #expect(
            try local("source = \"198.51.100.1\"", "url = \"redis://127.0.0.1:7000\"")
                == RedisAddress(host: "198.51.100.1", port: 7000))
        #expect(try local("", "url = \"redis://node1:7000\"") == RedisAddress(host: "node1", port: 7000))
        #expect(
            try local("announce = \"192.0.2.1:5\"\nsource = \"198.51.100.1\"", "url = \"/run/redis.sock\"")
                == RedisAddress(host: "192.0.2.1", port: 5))
    }

    @Test func `the peer has the local server's credentials unless it has others`() throws {
        func urls(local: String, peer: String = "") throws -> [RedisURL] {
            let router = try Sample.router(Sample.text(local: local, peer: peer), ["A": "a", "B": "b"])
            return [router.local.url, router.peer.url]
        }
        #expect(try urls(local: "password = \"x\"").map(\.password) == ["x", "x"])
        #expect(try urls(local: "user = \"u\"\npassword = \"x\"").map(\.username) == ["u", "u"])
        #expect(try urls(local: "password = \"x\"", peer: "password_env = \"B\"").map(\.password) == ["x", "b"])
        let own = try urls(local: "user = \"u\"\npassword = \"x\"", peer: "password = \"y\"")
        #expect(own.map(\.username) == ["u", nil], "another password is of another user")
        #expect(try urls(local: "", peer: "password = \"y\"").map(\.password) == [nil, "y"])
        let inURL = try urls(local: "url = \"redis://u:pw@127.0.0.1:7001\"")
        #expect(inURL.map(\.password) == ["pw", "pw"])
        #expect(inURL.map(\.username) == ["u", "u"])
        let plain = try Sample.router(
            Sample.text(local: "url = \"rediss://127.0.0.1:1\"\nca_file = \"/x\"", peer: ""))
        #expect(plain.peer.tls == TLSFiles(), "a peer without TLS has no use for them")
    }

    @Test func `a password in a file`() throws {
        let folder = URL(filePath: "\(NSTemporaryDirectory())/syncgate-\(getpid())-password")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try "geheim\r\nrest".write(to: folder.appending(path: "pw"), atomically: false, encoding: .utf8)
        chmod(folder.appending(path: "pw").path, 0o644)
        let path = folder.appending(path: "syncgate.toml").path
        try Sample.text(local: "password_file = \"pw\"").write(toFile: path, atomically: false, encoding: .utf8)
        let file = try ConfigurationFile(reading: path)
        #expect(file.configuration.virtualRouters[0].local.url.password == "geheim")
        #expect(
            file.warnings.map(\.description) == [
                "virtual_router[0].local.password_file (redis): everybody on this machine can read "
                    + "\(folder.path)/pw: chmod o-r it"
            ])
        chmod(folder.appending(path: "pw").path, 0o640)
        #expect(try ConfigurationFile(reading: path).warnings.isEmpty)
    }

    @Test func `a password that everybody can read is told`() throws {
        let path = "\(NSTemporaryDirectory())/syncgate-\(getpid())-open.toml"
        defer { unlink(path) }
        for (local, key) in [("password = \"geheim\"", "password"), ("url = \"redis://:geheim@127.0.0.1\"", "url")] {
            try Sample.text(local: local).write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, 0o644)
            #expect(
                try ConfigurationFile(reading: path).warnings.map(\.description) == [
                    "virtual_router[0].local.\(key) (redis): everybody on this machine can read this password: "
                        + "chmod o-r \(path), or use password_file"
                ])
            chmod(path, 0o640)
            #expect(try ConfigurationFile(reading: path).warnings.isEmpty)
        }
    }

    @Test func `what is strange and works is a warning`() throws {
        func warnings(_ text: String) throws -> [String] { try Sample.file(text).warnings.map(\.description) }
        #expect(try warnings(Sample.smallest) == [])
        #expect(
            try warnings(Sample.text(top: "[control]\nmode = \"0666\"")) == [
                "control.mode: everybody on this machine may give orders to the daemon"
            ])
        #expect(
            try warnings(Sample.text(peer: "[virtual_router.hooks]\non_stop = [\"nothing\"]")) == [
                "virtual_router[0].hooks.on_stop (redis): /nowhere/nothing is no program that can be run here"
            ])
        #expect(
            try warnings(Sample.text(local: "url = \"rediss://127.0.0.1\"\nca_file = \"none.pem\"")) == [
                "virtual_router[0].local.ca_file (redis): /nowhere/none.pem cannot be read"
            ])
        #expect(
            try warnings(
                Sample.smallest.replacing("redis://198.51.100.2", with: "redis://127.0.0.1:7000")) == [
                    "virtual_router[0].peer (redis): the peer is on this machine: a pair to try things with, which no "
                        + "dead machine is survived by"
                ])
    }

    @Test func `relative files are told by the place that was given`() throws {
        let error = #expect(throws: ConfigurationError.self) { _ = try ConfigurationFile(reading: "no/such.toml") }
        #expect(error?.description == "no/such.toml: cannot be read: No such file or directory")
        let folder = #expect(throws: ConfigurationError.self) { _ = try ConfigurationFile(reading: "/tmp") }
        #expect(folder?.description == "/tmp: cannot be read: not an ordinary file")
    }
}
