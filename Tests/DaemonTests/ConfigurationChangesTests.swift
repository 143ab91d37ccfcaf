import Daemon
import Testing

struct ConfigurationChangesTests {
    private func changes(_ old: String, _ new: String) throws -> ConfigurationChanges {
        ConfigurationChanges(from: try Sample.read(old), to: try Sample.read(new))
    }

    @Test func `nothing`() throws {
        let changes = try changes(Sample.smallest, Sample.smallest)
        #expect(changes.isEmpty)
        #expect(changes.result == (try Sample.read(Sample.smallest)))
    }

    /// Each live key: told as such, and taken over entirely.
    @Test(arguments: [
        ("priority = 50", "priority"), ("down_after = \"2s\"", "down_after"),
        ("sample_interval = \"50ms\"", "sample_interval"), ("connect_timeout = \"1s\"", "connect_timeout"),
        ("promote_timeout = \"1s\"", "promote_timeout"), ("on_timeout = \"refuse\"", "on_timeout"),
        ("max_loss = \"1KiB\"", "max_loss"), ("on_divergence = \"refuse\"", "on_divergence"),
        ("switchover_timeout = \"1s\"", "switchover_timeout"),
        ("wait_for_peer = \"1s\"", "wait_for_peer"), ("start_grace = \"1s\"", "start_grace"),
        ("retry_after = \"2s\"", "retry_after"), ("write_fence = true", "write_fence"),
        ("witnesses = [\"ping:198.51.100.9\"]", "witnesses"),
        ("hooks = { on_stop = [\"/bin/true\"] }", "hooks"), ("hooks = { timeout = \"1s\" }", "hooks"),
    ])
    func `a live key`(line: String, key: String) throws {
        let changes = try changes(Sample.smallest, Sample.text(router: line))
        #expect(changes.live == ["virtual_router.redis.\(key)"])
        #expect(changes.needRestart == [])
        #expect(changes.result == (try Sample.read(Sample.text(router: line))))
    }

    /// Each other key: told as such, and not taken over.
    @Test(arguments: [
        ("interface = \"eth0\"", "interface = \"eth1\"", "interface"), ("vrid = 51", "vrid = 52", "vrid"),
        ("100.100/24", "100.101/24", "addresses"),
        ("vrid = 51", "vrid = 51\nversion = 2\nadvertisement_interval = \"1s\"", "version"),
        ("vrid = 51", "vrid = 51\nadvertisement_interval = \"1s\"", "advertisement_interval"),
        ("vrid = 51", "vrid = 51\npreempt = true", "preempt"),
        ("vrid = 51", "vrid = 51\nsource = \"198.51.100.1\"", "source"),
        ("vrid = 51", "vrid = 51\nunicast_peers = [\"198.51.100.2\"]", "unicast_peers"),
        ("vrid = 51", "vrid = 51\nchecksum_without_pseudo_header = true", "checksum_without_pseudo_header"),
        ("vrid = 51", "vrid = 51\naddress_lifetime = \"4s\"", "address_lifetime"),
        ("vrid = 51", "vrid = 51\nannounce_repeat = 1", "announce_repeat"),
        ("vrid = 51", "vrid = 51\nannounce_delay = \"1s\"", "announce_delay"),
        ("vrid = 51", "vrid = 51\nannounce_refresh = \"1s\"", "announce_refresh"),
        ("vrid = 51", "vrid = 51\nannounce = \"h:1\"", "announce"),
        ("vrid = 51", "vrid = 51\nlocal = { url = \"redis://127.0.0.1:1\" }", "local"),
        ("redis://198.51.100.2", "redis://198.51.100.3", "peer"),
    ])
    func `a key that needs a restart`(text: String, other: String, key: String) throws {
        let changes = try changes(Sample.smallest, Sample.smallest.replacing(text, with: other))
        #expect(changes.live == [])
        #expect(changes.needRestart.contains("virtual_router.redis.\(key)"))
        #expect(changes.result == (try Sample.read(Sample.smallest)))
    }

    @Test func `keys of the whole daemon`() throws {
        let all = try changes(
            Sample.smallest,
            Sample.text(
                top: """
                    node = "other"
                    state_directory = "/s"
                    control.mode = "0600"
                    log = { level = "error", format = "json" }
                    real_time.enabled = false
                    """))
        #expect(all.live == ["log.level"])
        // The node's name is in each virtual router as well, and told once.
        #expect(
            all.needRestart == [
                "node", "state_directory", "salvage_directory", "control", "log.format", "real_time",
            ])
        #expect(all.result == (try Sample.read(Sample.text(top: "log.level = \"error\""))))
    }

    @Test func `virtual routers that come and go`() throws {
        let two =
            Sample.smallest + """

                [[virtual_router]]
                name = "two"
                vrid = 52
                interface = "eth0"
                addresses = ["198.51.100.101/24"]
                priority = 7
                local = { url = "redis://127.0.0.1:7000" }
                peer = { url = "redis://198.51.100.2:7000" }
                """
        let added = try changes(Sample.smallest, two)
        #expect(added.needRestart == ["virtual_router.two"])
        #expect(added.result == (try Sample.read(Sample.smallest)))
        let removed = try changes(two, Sample.smallest)
        #expect(removed.needRestart == ["virtual_router.two"])
        #expect(removed.result == (try Sample.read(two)))
        let changed = try changes(two, two.replacing("priority = 7", with: "priority = 8"))
        #expect(changed.live == ["virtual_router.two.priority"])
    }
}
