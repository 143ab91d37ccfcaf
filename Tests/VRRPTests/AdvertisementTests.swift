import Testing

@testable import VRRP

private let sender = ip("198.51.100.1")
private let group = ip("224.0.0.18")

private func decode(
    _ message: String, from source: IPAddress = sender, to destination: IPAddress = group, hopLimit: UInt8 = 255
) throws(PacketRejection) -> Advertisement {
    try Advertisement.decode(bytes(message).span, from: source, to: destination, hopLimit: hopLimit)
}

/// Version 3, virtual router 53, priority 100, 1 s.
private func version3(interval: Duration = .seconds(1)) -> Advertisement {
    Advertisement(
        version: .v3, virtualRouterID: vrid(53), priority: Priority(100), interval: interval,
        addresses: [ip("198.51.100.104")])
}

/// Version 2, virtual router 51, priority 100, 1 s.
private func version2(_ authentication: Authentication = .none, interval: Duration = .seconds(1)) -> Advertisement {
    Advertisement(
        version: .v2, virtualRouterID: vrid(51), priority: Priority(100), interval: interval,
        addresses: [ip("198.51.100.100")], authentication: authentication)
}

@Suite("Advertisement: what is understood")
struct AdvertisementDecodingTests {
    @Test("v3 over IPv4 with a checksum over the message alone")
    func plainChecksum() throws {
        #expect(try decode("31356401 0064 3fc9 c6336468") == version3())
    }

    @Test("v3: the bits before the interval, which are to be ignored (RFC 9568 §5.2.6)")
    func reservedBits() throws {
        #expect(try decode("31356401 f064 4504 c6336468") == version3())
    }

    @Test("v2 without authentication: any authentication data (RFC 3768 §5.3.10)")
    func unusedAuthenticationData() throws {
        #expect(try decode("21336401 0001 14f7 c6336464 deadbeefdeadbeef") == version2())
    }

    @Test("v2: passwords of no bytes, and with a zero inside")
    func passwords() throws {
        #expect(try decode("21336401 0101 4f32 c6336464 0000000000000000") == version2(.password([])))
        #expect(
            try decode("21336401 0101 8c31 c6336464 6100620000000000") == version2(.password([0x61, 0x00, 0x62])))
    }

    @Test("a lower hop limit, where that is asked for")
    func minimumHopLimit() throws {
        let message = bytes("31356401 0064 3fc9 c6336468")
        let advertisement = try Advertisement.decode(
            message.span, from: sender, to: group, hopLimit: 64, minimumHopLimit: 64)
        #expect(advertisement == version3())
        #expect(throws: PacketRejection.hopLimit(63)) {
            try Advertisement.decode(message.span, from: sender, to: group, hopLimit: 63, minimumHopLimit: 64)
        }
    }
}

@Suite("Advertisement: what is rejected")
struct AdvertisementRejectionTests {
    @Test(
        "over IPv4",
        arguments: [
            ("", .truncated(length: 0, needed: 8)),
            ("31356401 0064 35", .truncated(length: 7, needed: 8)),
            ("3135640100643505", .truncated(length: 8, needed: 12)),
            ("21336401 0001 5032 c6336464 00000000000000", .truncated(length: 19, needed: 20)),
            ("31356403 0064 3505 c6336468 c6336468", .truncated(length: 16, needed: 20)),
            ("313564ff 0064 3505 c6336468", .truncated(length: 12, needed: 1028)),
            ("41356401 0064 2505 c6336468", .version(4)),
            ("11356401 0064 2505 c6336468", .version(1)),
            ("00000000 0000 0000", .version(0)),
            ("ffffffff ffff ffff", .version(15)),
            ("32356401 0064 3405 c6336468", .type(2)),
            ("20336401 0001 5032 c6336464 0000000000000000", .type(0)),
            ("31356401 0064 3506 c6336468", .checksum(received: 0x3506, computed: 0x3505)),
            ("31356401 0064 0000 c6336468", .checksum(received: 0, computed: 0x3505)),
            ("31356401 0064 ffff c6336468", .checksum(received: 0xffff, computed: 0x3505)),
            ("21336401 0001 5033 c6336464 0000000000000000", .checksum(received: 0x5033, computed: 0x5032)),
            // Right with a pseudo-header, which version 2 does not have.
            ("21336401 0001 4566 c6336464 0000000000000000", .checksum(received: 0x4566, computed: 0x5032)),
            ("31006401 0064 353a c6336468", .virtualRouterID(0)),
            ("31356400 0064 5fa6", .addressCount),
            ("21336400 0001 7acb 0000000000000000", .addressCount),
            ("31356401 0000 3569 c6336468", .interval(.zero)),
            ("21336401 0000 5033 c6336464 0000000000000000", .interval(.zero)),
            ("21336401 0201 4e32 c6336464 0000000000000000", .authenticationType(2)),
            ("21336401 ff01 5131 c6336464 0000000000000000", .authenticationType(255)),
        ] as [(String, PacketRejection)])
    func overIPv4(_ message: String, _ rejection: PacketRejection) {
        #expect(throws: rejection) { try decode(message) }
    }

    @Test(
        "over IPv6: a checksum over the message alone, and version 2",
        arguments: [
            (
                "3137fe02 000a a2ce fe8000000000000000000000005e0055 20010db8000000000000000000000100",
                .checksum(received: 0xa2ce, computed: 0x478f)
            ),
            ("21336401 0001 5032 c6336464 0000000000000000", .version(2)),
        ] as [(String, PacketRejection)])
    func overIPv6(_ message: String, _ rejection: PacketRejection) {
        #expect(throws: rejection) { try decode(message, from: ip("fe80::5eff:fe10:1"), to: ip("ff02::12")) }
    }

    @Test("a hop limit below 255, before anything else is looked at", arguments: [0, 1, 64, 128, 254] as [UInt8])
    func hopLimit(_ hopLimit: UInt8) {
        #expect(throws: PacketRejection.hopLimit(hopLimit)) {
            try decode("31356401 0064 3505 c6336468", hopLimit: hopLimit)
        }
        #expect(throws: PacketRejection.hopLimit(hopLimit)) { try decode("", hopLimit: hopLimit) }
    }

    @Test("under another sender's or receiver's address, which the pseudo-header is for")
    func addresses() {
        let message = "31356401 0064 3505 c6336468"
        #expect(throws: PacketRejection.checksum(received: 0x3505, computed: 0x3504)) {
            try decode(message, from: ip("198.51.100.2"))
        }
        #expect(throws: PacketRejection.checksum(received: 0x3505, computed: 0xeae1)) {
            try decode(message, to: ip("198.51.100.2"))
        }
    }

    @Test("where several things are wrong: VRID, then the count of addresses, then the interval")
    func order() {
        #expect(throws: PacketRejection.virtualRouterID(0)) { try decode("31006400 0000 603f") }
        #expect(throws: PacketRejection.addressCount) { try decode("31356400 0000 600a") }
    }
}

@Suite("Advertisement: what is sent")
struct AdvertisementEncodingTests {
    private func encode(_ advertisement: Advertisement, coverage: ChecksumCoverage = .pseudoHeader) -> String {
        hexadecimal(advertisement.encode(from: sender, to: group, coverage: coverage))
    }

    @Test("v3 over IPv4 with a checksum over the message alone, where that is set")
    func coverage() {
        #expect(encode(version3(), coverage: .message) == "3135640100643fc9c6336468")
        #expect(VirtualRouterParameters(virtualRouterID: vrid(1), addresses: []).checksumCoverage == .pseudoHeader)
    }

    @Test("v2 and IPv6 have one way to sum")
    func coverageWithoutChoice() throws {
        #expect(encode(version2(), coverage: .message) == "2133640100015032c63364640000000000000000")
        let vector = try #require(keepalivedVectors.first { $0.source.family == .ipv6 })
        let message = vector.advertisement.encode(from: vector.source, to: vector.destination, coverage: .message)
        #expect(message == bytes(vector.message))
    }

    @Test("values that the format cannot hold are cut")
    func cutting() {
        #expect(encode(version3(interval: .zero)) == "3135640100013568c6336468")
        #expect(encode(version3(interval: .milliseconds(-5))) == "3135640100013568c6336468")
        #expect(encode(version3(interval: .seconds(Int64.max))) == "313564010fff256ac6336468")
        let password = Authentication.password(Array("123456789".utf8))
        var advertisement = version2(password, interval: .milliseconds(900))
        advertisement.virtualRouterID = vrid(53)
        advertisement.addresses = [ip("198.51.100.104"), ip("2001:db8::1")]
        #expect(encode(advertisement) == "2135640101017e57c63364683132333435363738")
        advertisement.interval = .seconds(256)
        #expect(encode(advertisement) == "2135640101ff7d59c63364683132333435363738")
    }

    @Test("every interval comes back as what it was")
    func intervals() throws {
        for centiseconds in 1...4095 {
            let message = version3(interval: .milliseconds(centiseconds * 10))
                .encode(from: sender, to: group, coverage: .pseudoHeader)
            #expect(Int(message[4]) << 8 | Int(message[5]) == centiseconds)
        }
        for seconds in 1...255 {
            let message = version2(interval: .seconds(seconds)).encode(from: sender, to: group, coverage: .message)
            #expect(message[5] == seconds)
        }
    }
}

@Suite("Advertisement: sent and read again")
struct AdvertisementRoundTripTests {
    private static func random<Generator: RandomNumberGenerator>(
        _ form: Form, using generator: inout Generator
    ) -> Advertisement {
        let interval: Duration =
            form.version == .v2
            ? .seconds(Int.random(in: 1...255, using: &generator))
            : .milliseconds(Int.random(in: 1...4095, using: &generator) * 10)
        let password = (0..<Int.random(in: 1...8, using: &generator)).map { _ in
            UInt8.random(in: 1...255, using: &generator)
        }
        return Advertisement(
            version: form.version, virtualRouterID: vrid(Int.random(in: 1...255, using: &generator)),
            priority: Priority(UInt8.random(in: 0...255, using: &generator)), interval: interval,
            addresses: (0..<Int.random(in: 1...255, using: &generator)).map { _ in
                address(form.family, using: &generator)
            },
            authentication: form.hasPassword ? .password(password) : .none)
    }

    private static func address<Generator: RandomNumberGenerator>(
        _ family: AddressFamily, using generator: inout Generator
    ) -> IPAddress {
        switch family {
        case .ipv4: .v4(UInt32.random(in: 0...UInt32.max, using: &generator))
        case .ipv6: .v6(generator.next(), generator.next())
        }
    }

    struct Form: Sendable {
        var version: ProtocolVersion
        var family: AddressFamily
        var hasPassword = false
        var coverage = ChecksumCoverage.pseudoHeader
    }

    @Test(
        "any valid advertisement is the same",
        arguments: [
            Form(version: .v2, family: .ipv4), Form(version: .v2, family: .ipv4, hasPassword: true),
            Form(version: .v3, family: .ipv4), Form(version: .v3, family: .ipv4, coverage: .message),
            Form(version: .v3, family: .ipv6),
        ])
    func identity(_ form: Form) throws {
        var generator = SeededNumbers(seed: 3)
        for _ in 0..<300 {
            let advertisement = Self.random(form, using: &generator)
            let source = Self.address(form.family, using: &generator)
            let destination = Self.address(form.family, using: &generator)
            let message = advertisement.encode(from: source, to: destination, coverage: form.coverage)
            let decoded = try Advertisement.decode(message.span, from: source, to: destination, hopLimit: 255)
            #expect(decoded == advertisement)
        }
    }
}
