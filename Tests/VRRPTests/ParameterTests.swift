import Testing

@testable import VRRP

/// Virtual router 51 with what a test needs.
private func parameters(
    version: ProtocolVersion = .v3, priority: Priority = .standard, interval: Duration = .seconds(1),
    preemptDelay: Duration = .zero, addresses: [String] = ["198.51.100.100"], authentication: Authentication = .none
) -> VirtualRouterParameters {
    VirtualRouterParameters(
        version: version, virtualRouterID: vrid(51), priority: priority, advertisementInterval: interval,
        preemptDelay: preemptDelay, addresses: addresses.map(ip), authentication: authentication)
}

private func problem(_ parameters: VirtualRouterParameters) -> String? { parameters.problem?.description }

@Suite("VirtualRouterParameters: problems")
struct ParameterProblemTests {
    @Test("parameters that can be used have none")
    func none() {
        let many4 = (1...255).map { "198.51.100.\($0)" }
        let many6 = (1...90).map { "2001:db8::\($0)" }
        for usable in [
            parameters(), parameters(version: .v2), parameters(priority: Priority(1)), parameters(priority: .owner),
            parameters(interval: .milliseconds(10)), parameters(interval: .milliseconds(40_950)),
            parameters(interval: .milliseconds(1230)), parameters(version: .v2, interval: .seconds(255)),
            parameters(preemptDelay: .seconds(1000)), parameters(addresses: many4), parameters(addresses: many6),
            parameters(version: .v2, authentication: .password([1])),
            parameters(version: .v2, authentication: .password(Array("eightchr".utf8))),
            parameters(addresses: ["2001:db8::100", "fe80::5e:55"]),
        ] { #expect(problem(usable) == nil) }
    }

    @Test("addresses")
    func addresses() {
        #expect(
            problem(parameters(addresses: [])) == "a virtual router has at least one address, and none is given")
        #expect(
            problem(parameters(addresses: (0...255).map { "198.51.100.\($0)" }))
                == "256 addresses are too many: an advertisement holds 1...255 IPv4 addresses")
        #expect(
            problem(parameters(addresses: (1...91).map { "2001:db8::\($0)" }))
                == "91 addresses are too many: an advertisement holds 1...90 IPv6 addresses")
        #expect(
            problem(parameters(addresses: ["198.51.100.100", "2001:db8::64"])) == """
                the addresses 198.51.100.100 and 2001:db8::64 are of different families; use one virtual router for each
                """)
        #expect(
            problem(parameters(version: .v2, addresses: ["2001:db8::64"]))
                == "version 2 carries IPv4 addresses only, and 2001:db8::64 is an IPv6 address; use version 3")
        #expect(
            problem(parameters(addresses: ["198.51.100.100", "198.51.100.101", "198.51.100.100"]))
                == "the address 198.51.100.100 is listed twice")
    }

    @Test(
        "addresses that no host has",
        arguments: ["0.0.0.0", "0.1.2.3", "224.0.0.18", "255.255.255.255", "::", "ff02::12"])
    func unusableAddresses(_ address: String) {
        #expect(problem(parameters(addresses: [address])) == "\(address) cannot be the address of a host")
    }

    @Test("priority 0")
    func priority() {
        #expect(
            problem(parameters(priority: .resigning)) == """
                the priority is 0, which is what a router sends that gives up; use 1...255 (255: owner of the addresses)
                """)
    }

    @Test(
        "intervals of version 3",
        arguments: [
            (.zero, "0 s"), (.milliseconds(-10), "-10 ms"), (.milliseconds(9), "9 ms"), (.milliseconds(15), "15 ms"),
            (.microseconds(10_500), "10.5 ms"), (.milliseconds(40_960), "40.96 s"), (.seconds(60), "60 s"),
            (.milliseconds(1234), "1.234 s"), (.milliseconds(-1500), "-1.5 s"),
            (.microseconds(-300), "-0.3 ms"), (.nanoseconds(1_000_000_001), "1.000000001 s"),
        ] as [(Duration, String)])
    func intervals3(_ interval: Duration, _ text: String) {
        #expect(
            problem(parameters(interval: interval))
                == "the advertisement interval is \(text); version 3 takes 10 ms...40.95 s, in steps of 10 ms")
    }

    @Test(
        "intervals of version 2",
        arguments: [
            (.zero, "0 s"), (.milliseconds(100), "100 ms"), (.milliseconds(1500), "1.5 s"), (.seconds(256), "256 s"),
            (.seconds(-1), "-1 s"),
        ] as [(Duration, String)])
    func intervals2(_ interval: Duration, _ text: String) {
        #expect(
            problem(parameters(version: .v2, interval: interval))
                == "the advertisement interval is \(text); version 2 takes whole seconds, 1 s...255 s")
    }

    @Test("durations beyond all reason do not trap")
    func huge() {
        #expect(parameters(interval: .seconds(Int64.max)).problem == .interval(.seconds(Int64.max), .v3))
        #expect(problem(parameters(preemptDelay: .seconds(Int64.max))) != nil)
        #expect(problem(parameters(preemptDelay: .seconds(Int64.min))) != nil)
    }

    @Test("the preempt delay")
    func preemptDelay() {
        #expect(
            problem(parameters(preemptDelay: .seconds(-1))) == "the preempt delay is -1 s; it can be 0 s...1000 s")
        #expect(
            problem(parameters(preemptDelay: .seconds(1001))) == "the preempt delay is 1001 s; it can be 0 s...1000 s")
    }

    @Test("passwords, which are never shown")
    func passwords() {
        #expect(
            problem(parameters(authentication: .password([1])))
                == "version 3 has no authentication; leave the password out, or use version 2")
        #expect(
            problem(parameters(version: .v2, authentication: .password([])))
                == "the password has 0 bytes; it can have 1...8")
        #expect(
            problem(parameters(version: .v2, authentication: .password(Array("ninechars".utf8))))
                == "the password has 9 bytes; it can have 1...8")
        #expect(
            problem(parameters(version: .v2, authentication: .password([1, 0, 2])))
                == "the password contains a zero byte, which would end it")
    }
}

@Suite("VirtualRouterParameters: whose advertisement it is")
struct AdvertisementCheckTests {
    private let secret = Authentication.password(Array("s3cret".utf8))

    private func advertisement(
        version: ProtocolVersion = .v3, id: Int = 51, priority: UInt8 = 100, interval: Duration = .seconds(1),
        addresses: [String] = ["198.51.100.100"], authentication: Authentication = .none
    ) -> Advertisement {
        Advertisement(
            version: version, virtualRouterID: vrid(id), priority: Priority(priority), interval: interval,
            addresses: addresses.map(ip), authentication: authentication)
    }

    private func check(
        _ advertisement: Advertisement, _ parameters: VirtualRouterParameters, peers: [IPAddress]? = nil
    ) throws(PacketRejection) {
        try parameters.check(advertisement, peers: peers, from: ip("198.51.100.2"))
    }

    @Test("ours is accepted")
    func accepted() throws {
        try check(advertisement(), parameters())
        try check(advertisement(), parameters(), peers: [ip("198.51.100.3"), ip("198.51.100.2")])
        try check(advertisement(version: .v2), parameters(version: .v2))
        try check(
            advertisement(version: .v2, authentication: secret), parameters(version: .v2, authentication: secret))
        let addresses = ["198.51.100.100", "198.51.100.101"]
        try check(
            advertisement(version: .v2, addresses: addresses.reversed()),
            parameters(version: .v2, addresses: addresses))
    }

    @Test("a stranger under unicast; nobody at all with an empty list")
    func strangers() {
        #expect(throws: PacketRejection.unknownSender(ip("198.51.100.2"))) {
            try check(advertisement(), parameters(), peers: [ip("198.51.100.3")])
        }
        #expect(throws: PacketRejection.unknownSender(ip("198.51.100.2"))) {
            try check(advertisement(), parameters(), peers: [])
        }
    }

    @Test("another version, another virtual router, and any while we are the owner")
    func others() {
        #expect(throws: PacketRejection.version(2)) { try check(advertisement(version: .v2), parameters()) }
        #expect(throws: PacketRejection.version(3)) { try check(advertisement(), parameters(version: .v2)) }
        #expect(throws: PacketRejection.virtualRouterID(52)) { try check(advertisement(id: 52), parameters()) }
        #expect(throws: PacketRejection.owner) {
            try check(advertisement(priority: 255), parameters(priority: .owner))
        }
    }

    @Test("v2: authentication")
    func authentication() {
        let open = parameters(version: .v2)
        let closed = parameters(version: .v2, authentication: secret)
        #expect(throws: PacketRejection.authenticationType(1)) {
            try check(advertisement(version: .v2, authentication: secret), open)
        }
        #expect(throws: PacketRejection.authenticationType(0)) { try check(advertisement(version: .v2), closed) }
        for password in ["", "S3cret", "s3cret1", "s3cre"] {
            #expect(throws: PacketRejection.password) {
                try check(advertisement(version: .v2, authentication: .password(Array(password.utf8))), closed)
            }
        }
    }

    @Test("v2: addresses, unless they are their owner's (RFC 3768 §7.1)")
    func addresses() throws {
        for addresses in [["198.51.100.101"], ["198.51.100.100", "198.51.100.101"]] {
            #expect(throws: PacketRejection.addressList(addresses.map(ip))) {
                try check(advertisement(version: .v2, addresses: addresses), parameters(version: .v2))
            }
            #expect(throws: PacketRejection.addressList(addresses.map(ip))) {
                try check(advertisement(version: .v2, priority: 0, addresses: addresses), parameters(version: .v2))
            }
            try check(advertisement(version: .v2, priority: 255, addresses: addresses), parameters(version: .v2))
        }
    }

    @Test("v2: the interval, the owner's as well")
    func interval() {
        for priority: UInt8 in [0, 100, 255] {
            #expect(throws: PacketRejection.interval(.seconds(2))) {
                try check(
                    advertisement(version: .v2, priority: priority, interval: .seconds(2)), parameters(version: .v2))
            }
        }
    }

    @Test("the order: sender, version, VRID, owner; authentication, addresses, interval")
    func order() {
        var wrong = advertisement(
            id: 52, interval: .seconds(2), addresses: ["198.51.100.101"], authentication: .password([1]))
        var ours = parameters(version: .v2, priority: .owner, authentication: secret)
        func rejection(peers: [IPAddress]? = nil) -> PacketRejection? {
            do throws(PacketRejection) { try check(wrong, ours, peers: peers) } catch { return error }
            return nil
        }
        #expect(rejection(peers: []) == .unknownSender(ip("198.51.100.2")))
        #expect(rejection() == .version(3))
        wrong.version = .v2
        #expect(rejection() == .virtualRouterID(52))
        wrong.virtualRouterID = vrid(51)
        #expect(rejection() == .owner)
        ours.priority = .standard
        #expect(rejection() == .password)
        wrong.authentication = secret
        #expect(rejection() == .addressList([ip("198.51.100.101")]))
        wrong.addresses = [ip("198.51.100.100")]
        #expect(rejection() == .interval(.seconds(2)))
        wrong.interval = .seconds(1)
        #expect(rejection() == nil)
    }

    @Test("v3: another interval and other addresses are accepted, and reported (RFC 9568 §7.1)")
    func discrepancies() throws {
        let theirs = advertisement(interval: .milliseconds(100), addresses: ["198.51.100.101", "198.51.100.100"])
        try check(theirs, parameters())
        #expect(
            parameters().discrepancies(theirs) == [
                .interval(received: .milliseconds(100), configured: .seconds(1)),
                .addresses(
                    received: [ip("198.51.100.101"), ip("198.51.100.100")], configured: [ip("198.51.100.100")]),
            ])
        #expect(
            parameters().discrepancies(theirs).map(\.description) == [
                "its advertisement interval is 100 ms, and 1 s is configured here",
                "it stands for 198.51.100.101, 198.51.100.100, and 198.51.100.100 is configured here",
            ])
    }

    @Test("the same addresses in another order are none")
    func sameAddresses() {
        let addresses = ["198.51.100.100", "198.51.100.101"]
        #expect(parameters().discrepancies(advertisement()) == [])
        #expect(
            parameters(addresses: addresses).discrepancies(advertisement(addresses: addresses.reversed())) == [])
    }
}
