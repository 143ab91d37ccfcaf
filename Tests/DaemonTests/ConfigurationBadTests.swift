import Daemon
import Testing

/// Files that cannot be used, and what is said about each: the whole message.
struct ConfigurationBadTests {
    /// A bad file, and its message without the path.
    struct Bad: Sendable, CustomTestStringConvertible {
        var text: String
        var message: String
        var testDescription: String { message }
    }

    private static func top(_ lines: String, _ message: String) -> Bad {
        Bad(text: Sample.text(top: lines), message: message)
    }
    /// Lines that begin in line 6.
    private static func router(_ lines: String, _ message: String) -> Bad {
        Bad(text: Sample.text(router: lines), message: message)
    }
    /// Lines that begin in line 8.
    private static func local(_ lines: String, _ message: String) -> Bad {
        Bad(text: Sample.text(local: lines), message: message)
    }
    /// Lines that begin in line 11.
    private static func peer(_ lines: String, _ message: String) -> Bad {
        Bad(text: Sample.text(peer: lines), message: message)
    }
    /// The smallest file, in which one line is another one.
    private static func instead(_ line: String, _ other: String, _ message: String) -> Bad {
        Bad(text: Sample.smallest.replacing(line, with: other), message: message)
    }

    private static let rest = "allowed: a time with its unit in quotes, such as"
    private static let names = "1 to 64 letters, digits, dots, dashes and underscores"

    static let general = [
        Bad(text: "", message: " virtual_router: is missing; for example [[virtual_router]], with its keys below"),
        Bad(
            text: "virtual_router = []",
            message: "1: virtual_router: an empty list is not possible; allowed: at least one"),
        Bad(
            text: "\n\n[virtual_router]\nvrid = 1",
            message: "3: virtual_router: a section is not possible; allowed: sections: [[virtual_router]] in two "
                + "brackets, and its keys below"),
        Bad(
            text: "virtual_router = [1]",
            message: "1: virtual_router: 1 is not possible; allowed: sections: [[virtual_router]] in two brackets, and "
                + "its keys below"),
        Bad(text: "x = \n", message: "1: no TOML, at column 5: "),
        Bad(
            text: "[[virtual_router]]\nvrid = 1\nvrid = 2\n", message: "3: no TOML, at column "),
        Bad(
            text: "[virtual_router.local]\npassword = s3cret\n",
            message: "2: no TOML, at column 12: this cannot be read; a text stands in quotes, on one line"),
        Bad(
            text: "a = 1\nb = \"x\0y\"", message: "2: no TOML, at column 1: a zero byte, which no text may contain"),
        Bad(
            text: "a = 1\nb = \"x\\u0000y\"",
            message: "2: no TOML, at column 1: a zero character, which no text may contain"),
        Bad(text: "vird = 51\n" + Sample.smallest, message: "1: vird: unknown key; there are node, state_directory, "),
        top("nodes = \"a\"", "1: nodes: unknown key; did you mean node?"),
        top("node = 5", "1: node: 5 is not possible; allowed: \(names)"),
        top("node = \"a:b\"", "1: node: \"a:b\" is not possible; allowed: \(names)"),
        top("node = \"\"", "1: node: \"\" is not possible; allowed: \(names)"),
        top("node = \"a*\"", "1: node: \"a*\" is not possible; allowed: \(names)"),
        top("node = \"../x\"", "1: node: \"../x\" is not possible; allowed: \(names)"),
        top("state_directory = \"\"", "1: state_directory: \"\" is not possible; allowed: the path of a folder"),
        top("control = true", "1: control: true is not possible; allowed: a section: [control], and its keys below"),
        top("[control]\nmode = 660", "2: control.mode: 660 is not possible; allowed: permissions as chmod takes them"),
        top("[control]\nmode = \"0777\"", "2: control.mode: \"0777\" is not possible; allowed: permissions as chmod"),
        top("[control]\nmode = \"660\"", "2: control.mode: \"660\" is not possible; allowed: permissions as chmod"),
        top("[control]\nsockets = \"a\"", "2: control.sockets: unknown key; did you mean socket?"),
        top(
            "[control]\nsocket = \"/\(String(repeating: "x", count: 110))\"",
            "2: control.socket: \"/\(String(repeating: "x", count: 79))…\" is not possible; allowed: the path of a "
                + "socket, of at most 107 bytes"),
        top("[control]\nlevel = \"info\"", "2: control.level: belongs to [log]; put it there"),
        top(
            "[log]\nlevel = \"debug\"",
            "2: log.level: \"debug\" is not possible; allowed: \"info\", \"notice\", \"warning\" or \"error\""),
        top("[log]\nformat = \"xml\"", "2: log.format: \"xml\" is not possible; allowed: \"text\" or \"json\""),
        top(
            "[real_time]\npriority = 100",
            "2: real_time.priority: 100 is not possible; allowed: a number from 1 to 99, without quotes"),
        top(
            "[real_time]\nenabled = \"yes\"",
            "2: real_time.enabled: \"yes\" is not possible; allowed: true or false, without quotes"),
        top("vrid = 5", "1: vrid: belongs to [[virtual_router]]; put it there, above the sections that follow it"),
    ]

    static let election = [
        instead("vrid = 51\n", "", "1: virtual_router[0].vrid (redis): is missing; for example vrid = 51"),
        instead(
            "vrid = 51", "vrid = 0",
            "2: virtual_router[0].vrid (redis): 0 is not possible; allowed: a number from 1 to 255, without quotes"),
        instead(
            "vrid = 51", "vrid = 300",
            "2: virtual_router[0].vrid (redis): 300 is not possible; allowed: a number from 1 to 255, without quotes"),
        instead(
            "vrid = 51", "vrid = \"51\"",
            "2: virtual_router[0].vrid (redis): \"51\" is not possible; allowed: a number from 1 to 255, without"),
        instead(
            "vrid = 51", "vrid = 51.0",
            "2: virtual_router[0].vrid (redis): 51.0 is not possible; allowed: a number from 1 to 255, without"),
        instead(
            "vrid = 51", "vrid = 9223372036854775807",
            "2: virtual_router[0].vrid (redis): 9223372036854775807 is not possible; allowed: a number from 1 to 255"),
        instead("interface = \"eth0\"\n", "", "1: virtual_router[0].interface (redis): is missing; for example"),
        instead(
            "\"eth0\"", "\"a/b\"",
            "3: virtual_router[0].interface (redis): \"a/b\" is not possible; allowed: the name of an interface"),
        instead(
            "\"eth0\"", "\"eth0.interfaces4\"",
            "3: virtual_router[0].interface (redis): \"eth0.interfaces4\" is not possible; allowed: the name of an"),
        instead(
            "addresses = [\"198.51.100.100/24\"]", "",
            "1: virtual_router[0].addresses (redis): is missing; for example addresses = [\"198.51.100.100/24\"]"),
        instead(
            "[\"198.51.100.100/24\"]", "[]",
            "4: virtual_router[0].addresses (redis): an empty list is not possible; allowed: at least one address"),
        instead(
            "[\"198.51.100.100/24\"]", "\"198.51.100.100/24\"",
            "4: virtual_router[0].addresses (redis): \"198.51.100.100/24\" is not possible; allowed: a list in brackets:"
        ),
        instead(
            "100.100/24", "100.256/24",
            "4: virtual_router[0].addresses[0] (redis): \"198.51.100.256/24\" is not possible; allowed: an address with"
        ),
        instead(
            "100.100/24", "100.100/0",
            "4: virtual_router[0].addresses[0] (redis): \"198.51.100.100/0\" is not possible; allowed: an address with"),
        instead(
            "[\"198.51.100.100/24\"]", "[5]",
            "4: virtual_router[0].addresses[0] (redis): 5 is not possible; allowed: an address with its prefix length"),
        instead(
            "[\"198.51.100.100/24\"]", "[\"198.51.100.100/24\", \"198.51.100.100/32\"]",
            "4: virtual_router[0].addresses (redis): the address 198.51.100.100 is listed twice"),
        instead(
            "\"198.51.100.100/24\"", "\"224.0.0.18/24\"",
            "4: virtual_router[0].addresses (redis): 224.0.0.18 cannot be the address of a host"),
        router("vird = 5", "6: virtual_router[0].vird (redis): unknown key; did you mean vrid?"),
        router(
            "virtual_ipaddress = 5", "6: virtual_router[0].virtual_ipaddress (redis): unknown key; did you mean addr"),
        router("down-after = \"1s\"", "6: virtual_router[0].down-after (redis): unknown key; did you mean down_after?"),
        router("xyz = 1", "6: virtual_router[0].xyz (redis): unknown key; there are name, vrid, interface, "),
        router("name = \"a b\"", "6: virtual_router[0].name (redis): \"a b\" is not possible; allowed: \(names)"),
        router("name = \"cache\"\nx = 1", "7: virtual_router[0].x (cache): unknown key; there are name, "),
        router(
            "priority = 255",
            "6: virtual_router[0].priority (redis): 255 is not possible; allowed: a number from 1 to 254 (255 would own "
                + "the addresses, and these come and go), without quotes"),
        router("priority = 0", "6: virtual_router[0].priority (redis): 0 is not possible; allowed: a number from 1 to"),
        router("version = 4", "6: virtual_router[0].version (redis): 4 is not possible; allowed: a number from 2 to 3"),
        router(
            "version = 2\nadvertisement_interval = \"100ms\"",
            "7: virtual_router[0].advertisement_interval (redis): \"100ms\" is not possible; \(rest) \"1s\", from 1s to "
                + "255s, whole seconds in version 2"),
        router(
            "advertisement_interval = 1",
            "6: virtual_router[0].advertisement_interval (redis): 1 is not possible; \(rest) \"100ms\", from 10ms to "
                + "40950ms, in steps of 10ms"),
        router(
            "advertisement_interval = \"1\"",
            "6: virtual_router[0].advertisement_interval (redis): \"1\" is not possible"
        ),
        router(
            "advertisement_interval = \"15ms\"",
            "6: virtual_router[0].advertisement_interval (redis): the advertisement interval is 15 ms; version 3 takes"),
        router("preempt = 1", "6: virtual_router[0].preempt (redis): 1 is not possible; allowed: true or false"),
        router(
            "preempt_delay = \"5s\"", "6: virtual_router[0].preempt_delay (redis): means nothing without preempt = true"
        ),
        router(
            "source = \"198.51.100.1/24\"", "6: virtual_router[0].source (redis): \"198.51.100.1/24\" is not possible"),
        router(
            "source = \"198.51.100.100\"",
            "6: virtual_router[0].source (redis): 198.51.100.100 is a virtual address; advertisements need one that"),
        router(
            "source = \"2001:db8::1\"",
            "6: virtual_router[0].source (redis): 2001:db8::1 is not of the family of the first virtual address"),
        router(
            "unicast_peers = [\"224.0.0.18\"]",
            "6: virtual_router[0].unicast_peers[0] (redis): \"224.0.0.18\" is not possible; allowed: an address without"
        ),
        router(
            "unicast_peers = [\"198.51.100.2\", \"198.51.100.2\"]",
            "6: virtual_router[0].unicast_peers (redis): an address is listed twice"),
        router(
            "unicast_peers = [\"198.51.100.100\"]",
            "6: virtual_router[0].unicast_peers (redis): 198.51.100.100 is a virtual address; the other node's own one"),
        router(
            "source = \"198.51.100.1\"\nunicast_peers = [\"198.51.100.1\"]",
            "7: virtual_router[0].unicast_peers (redis): 198.51.100.1 is this node's own address (source)"),
        instead(
            "[\"198.51.100.100/24\"]", "[\"2001:db8::100/64\"]\nunicast_peers = [\"2001:db8::2\"]",
            "5: virtual_router[0].unicast_peers (redis): over IPv6 source is needed as well: the address that the other"
        ),
        instead(
            "[\"198.51.100.100/24\"]", "[\"2001:db8::100/64\"]\nversion = 2",
            "5: virtual_router[0].version (redis): version 2 carries IPv4 addresses only, and 2001:db8::100 is an IPv6"),
        router("min_hop_limit = 64", "6: virtual_router[0].min_hop_limit (redis): means nothing without unicast_peers"),
        router(
            "auth_pass = \"geheim\"",
            "6: virtual_router[0].auth_pass (redis): version 3 has no authentication; leave the password out, or use"),
        router(
            "version = 2\nauth_pass = \"too long it is\"",
            "7: virtual_router[0].auth_pass (redis): this is not possible; allowed: a text of 1 to 8 bytes"),
        router(
            "address_lifetime = \"2500ms\"",
            "6: virtual_router[0].address_lifetime (redis): a lifetime of 2.5 s is not possible: whole seconds"),
        router(
            "address_lifetime = \"1s\"",
            "6: virtual_router[0].address_lifetime (redis): \"1s\" is not possible; \(rest) \"10s\", from 2s to 1h"),
        router("announce_repeat = -1", "6: virtual_router[0].announce_repeat (redis): -1 is not possible; allowed: a"),
        router(
            "announce_refresh = \"0s\"",
            "6: virtual_router[0].announce_refresh (redis): \"0s\" is not possible; \(rest) \"1s\", from 1s to 24h, or "
                + "\"never\""),
    ]

    static let redis = [
        router("down_after = \"50ms\"", "6: virtual_router[0].down_after (redis): \"50ms\" is not possible; \(rest)"),
        router("down_after = \"-1s\"", "6: virtual_router[0].down_after (redis): \"-1s\" is not possible; \(rest)"),
        router("down_after = \"1e3s\"", "6: virtual_router[0].down_after (redis): \"1e3s\" is not possible; \(rest)"),
        router("down_after = \"nans\"", "6: virtual_router[0].down_after (redis): \"nans\" is not possible; \(rest)"),
        router(
            "sample_interval = \"300ms\"",
            "6: virtual_router[0].sample_interval (redis): 300ms is more than a quarter of down_after (1s)"),
        router("promote_timeout = 10", "6: virtual_router[0].promote_timeout (redis): 10 is not possible; \(rest)"),
        router(
            "start_grace = 1979-05-27",
            "6: virtual_router[0].start_grace (redis): a date or time is not possible; \(rest)"
        ),
        router(
            "on_timeout = \"wait\"",
            "6: virtual_router[0].on_timeout (redis): \"wait\" is not possible; allowed: \"promote\" or \"refuse\""),
        router(
            "max_loss = 1000",
            "6: virtual_router[0].max_loss (redis): 1000 is not possible; allowed: bytes with their unit, such as "
                + "\"64MiB\", or \"unlimited\""),
        router(
            "max_loss = \"64\"", "6: virtual_router[0].max_loss (redis): \"64\" is not possible; allowed: bytes with"),
        router(
            "on_divergence = \"keep\"",
            "6: virtual_router[0].on_divergence (redis): \"keep\" is not possible; allowed: \"salvage\", \"snapshot\", "
                + "\"refuse\" or \"discard\""),
        top("salvage_directory = \"\"", "1: salvage_directory: \"\" is not possible; allowed: the path of a folder"),
        router("max_loss = \"-1B\"", "6: virtual_router[0].max_loss (redis): \"-1B\" is not possible; allowed: bytes"),
        router(
            "announce = \"host\"", "6: virtual_router[0].announce (redis): \"host\" is not possible; allowed: host:port"
        ),
        router(
            "announce = \"h:0\"", "6: virtual_router[0].announce (redis): \"h:0\" is not possible; allowed: host:port"),
        router(
            "announce = \"2001:db8::1:80\"",
            "6: virtual_router[0].announce (redis): \"2001:db8::1:80\" is not possible; allowed: host:port"),
        router(
            "announce = \"127.0.0.1:6379\"",
            "6: virtual_router[0].announce (redis): 127.0.0.1 is the peer's own machine when the peer at 198.51.100.2 "
                + "connects to it"),
        router(
            "announce = \"198.51.100.100:6379\"",
            "6: virtual_router[0].announce (redis): 198.51.100.100 is a virtual address; the peer would replicate from"),
        router(
            "announce = \"198.51.100.2:6379\"",
            "6: virtual_router[0].announce (redis): 198.51.100.2:6379 is the peer itself"),
        router(
            "witnesses = [\"ping:host\"]",
            "6: virtual_router[0].witnesses[0] (redis): \"ping:host\" is not possible; allowed: \"ping:ADDRESS\" or"),
        router(
            "witnesses = [\"tcp:198.51.100.254\"]",
            "6: virtual_router[0].witnesses[0] (redis): \"tcp:198.51.100.254\" is not possible; allowed: \"ping:ADDRESS\""
        ),
        router(
            "witnesses = [\"ping:198.51.100.2\"]",
            "6: virtual_router[0].witnesses (redis): ping:198.51.100.2 is the peer: with its machine down, this node"),
        router(
            "witnesses = [\"tcp:198.51.100.100:80\"]",
            "6: virtual_router[0].witnesses (redis): tcp:198.51.100.100:80 is a virtual address, which is always reached"
        ),
        router(
            "witnesses = [\"tcp:localhost:80\"]",
            "6: virtual_router[0].witnesses (redis): tcp:localhost:80 is this machine, which is always reached"),
        router(
            "witnesses = [\"ping:198.51.100.9\", \"ping:198.51.100.9\"]",
            "6: virtual_router[0].witnesses (redis): a witness is listed twice"),
        instead(
            "[virtual_router.peer]\nurl = \"redis://198.51.100.2\"", "",
            "1: virtual_router[0].peer (redis): is missing; for example [virtual_router.peer] with url = "),
        instead(
            "url = \"redis://198.51.100.2\"", "",
            "5: virtual_router[0].peer.url (redis): is missing; for example url = \"redis://198.51.100.2:6379\""),
        instead(
            "\"redis://198.51.100.2\"", "\"http://198.51.100.2\"",
            "6: virtual_router[0].peer.url (redis): \"http://198.51.100.2\": scheme \"http\" is not supported"),
        instead(
            "\"redis://198.51.100.2\"", "\"redis://:geheim@198.51.100.2:x\"",
            "6: virtual_router[0].peer.url (redis): \"redis://***@198.51.100.2:x\": port \"x\" is not a number"),
        instead(
            "\"redis://198.51.100.2\"", "5",
            "6: virtual_router[0].peer.url (redis): a number is not possible; allowed: a URL such as"),
        instead(
            "\"redis://198.51.100.2\"", "\"unix:///run/redis.sock\"",
            "5: virtual_router[0].peer (redis): a unix socket leads to a server on this machine; give the other node's"),
        instead(
            "redis://198.51.100.2", "redis://127.0.0.1:6379",
            "5: virtual_router[0].peer (redis): is the same server as local: 127.0.0.1:6379"),
        instead(
            "redis://198.51.100.2", "redis://198.51.100.100",
            "5: virtual_router[0].peer (redis): 198.51.100.100 is a virtual address, which moves; give the address of"),
        local(
            "url = \"/run/redis.sock\"",
            "2: virtual_router[0].announce (redis): is needed: local is a unix socket, and the peer must know where"),
        local(
            "password = 12345", "8: virtual_router[0].local.password (redis): a number is not possible; allowed: a text"
        ),
        local(
            "password = \"a\"\npassword_env = \"B\"",
            "9: virtual_router[0].local.password_env (redis): there is password as well; give just one of password,"),
        local(
            "url = \"redis://:geheim@127.0.0.1\"\npassword = \"b\"",
            "9: virtual_router[0].local.password (redis): the url has a password already; give just one of them"),
        local(
            "url = \"redis://u:geheim@127.0.0.1\"\nuser = \"b\"",
            "9: virtual_router[0].local.user (redis): the url names a user already; give just one of them"),
        local("user = \"u\"", "8: virtual_router[0].local.user (redis): a user needs a password: give password_file,"),
        local(
            "password_env = \"NO_SUCH\"",
            "8: virtual_router[0].local.password_env (redis): the environment variable \"NO_SUCH\" is not set, or empty"
        ),
        local(
            "password_file = \"none\"",
            "8: virtual_router[0].local.password_file (redis): /nowhere/none cannot be read: No such file or directory"),
        local(
            "password_file = \"/dev/null\"",
            "8: virtual_router[0].local.password_file (redis): /dev/null cannot be read: not an ordinary file"),
        local("ca_file = \"a\"", "8: virtual_router[0].local.ca_file (redis): means nothing without TLS; the url then"),
        local(
            "url = \"rediss://127.0.0.1\"\ncert_file = \"a\"",
            "9: virtual_router[0].local.cert_file (redis): needs key_file beside it"),
        local(
            "url = \"rediss://127.0.0.1\"\nkey_file = \"a\"",
            "9: virtual_router[0].local.key_file (redis): needs cert_file beside it"),
        local("host = \"a\"", "8: virtual_router[0].local.host (redis): unknown key; did you mean url?"),
        peer(
            "announce = \"198.51.100.1:6379\"",
            "11: virtual_router[0].peer.announce (redis): belongs to [[virtual_router]]; put it there, above the"),
        peer(
            "[virtual_router.hooks]\non_promote = \"/bin/true\"",
            "12: virtual_router[0].hooks.on_promote (redis): \"/bin/true\" is not possible; allowed: a list in brackets:"
        ),
        peer(
            "[virtual_router.hooks]\non_promote = []",
            "12: virtual_router[0].hooks.on_promote (redis): an empty list is not possible; allowed: texts: a program"),
        peer(
            "[virtual_router.hooks]\nnotify_master = []",
            "12: virtual_router[0].hooks.notify_master (redis): unknown key; did you mean on_promote?"),
        peer(
            "[virtual_router.hooks]\ntimeout = \"0s\"",
            "12: virtual_router[0].hooks.timeout (redis): \"0s\" is not possible; \(rest) \"100ms\", from 100ms to 1h"),
    ]

    private static func second(_ lines: String) -> String {
        Sample.smallest + "\n[[virtual_router]]\n" + lines
    }

    static let pairs = [
        Bad(
            text: second(
                """
                vrid = 52
                interface = "eth0"
                addresses = ["198.51.100.101/24"]
                local = { url = "redis://127.0.0.1:7000" }
                peer = { url = "redis://198.51.100.2:7000" }
                """),
            message: "7: virtual_router[1].name (redis): there is another virtual router of the name \"redis\""),
        Bad(
            text: second(
                """
                name = "two"
                vrid = 51
                interface = "eth0"
                addresses = ["198.51.100.101/24"]
                local = { url = "redis://127.0.0.1:7000" }
                peer = { url = "redis://198.51.100.2:7000" }
                """), message: "9: virtual_router[1].vrid (two): 51 is redis's on eth0 already"),
        Bad(
            text: second(
                """
                name = "two"
                vrid = 51
                interface = "eth1"
                addresses = ["198.51.100.100/24"]
                local = { url = "redis://127.0.0.1:7000" }
                peer = { url = "redis://198.51.100.2:7000" }
                """), message: "11: virtual_router[1].addresses (two): 198.51.100.100 is an address of redis already"),
        Bad(
            text: second(
                """
                name = "two"
                vrid = 52
                interface = "eth0"
                addresses = ["198.51.100.101/24"]
                peer = { url = "redis://198.51.100.2:7000" }
                """), message: "7: virtual_router[1].local (two): 127.0.0.1:6379 is guarded by redis already"),
    ]

    @Test(arguments: general + election + redis + pairs)
    func `is told with its line, its key, and what is allowed`(_ bad: Bad) throws {
        let error = #expect(throws: ConfigurationError.self) { _ = try Sample.read(bad.text) }
        let text = try #require(error).description
        #expect(text.split(separator: "\n")[0].hasPrefix("/nowhere/syncgate.toml:" + bad.message), "\(text)")
        #expect(error?.problems.count == 1, "\(text)")
        for secret in ["geheim", "s3cret", "12345", "too long"] { #expect(!text.contains(secret), "\(text)") }
    }

    @Test func `there are enough of them`() {
        #expect(Self.general.count + Self.election.count + Self.redis.count + Self.pairs.count >= 60)
    }

    @Test func `all mistakes of a file are told at once, by line`() throws {
        let error = #expect(throws: ConfigurationError.self) {
            _ = try Sample.read(
                """
                nod = "x"
                [[virtual_router]]
                vrid = 400
                interface = 5
                adresses = []
                [virtual_router.local]
                pasword = "geheim"
                """)
        }
        let lines = try #require(error).description.split(separator: "\n")
        let expected = [
            "1: nod: unknown key; did you mean node?",
            "2: virtual_router[0].addresses (redis): is missing; for example addresses = [\"198.51.100.100/24\"]",
            "2: virtual_router[0].peer (redis): is missing; for example [virtual_router.peer] with url = "
                + "\"redis://198.51.100.2:6379\"",
            "3: virtual_router[0].vrid (redis): 400 is not possible; allowed: a number from 1 to 255, without quotes",
            "4: virtual_router[0].interface (redis): 5 is not possible; allowed: the name of an interface, 1 to 15 bytes",
            "5: virtual_router[0].adresses (redis): unknown key; did you mean addresses?",
            "7: virtual_router[0].local.pasword (redis): unknown key; did you mean password?",
        ]
        #expect(lines.map(String.init) == expected.map { "/nowhere/syncgate.toml:\($0)" })
    }

    @Test func `a machine without a usable name`() throws {
        let error = #expect(throws: ConfigurationError.self) {
            _ = try ConfigurationFile(
                text: Sample.smallest, path: "x.toml",
                surroundings: .init(hostName: "a b", variable: { _ in nil }))
        }
        #expect(
            error?.description
                == "x.toml: node: is missing; for example node = \"node1\" (the machine's name is not of "
                + "\(Self.names))")
    }
}
