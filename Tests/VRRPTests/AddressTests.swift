import Testing

@testable import VRRP

@Suite("IPAddress")
struct IPAddressTests {
    @Test(
        "text is read, and written in the form of RFC 5952",
        arguments: [
            ("198.51.100.1", "198.51.100.1", "c6336401"),
            ("0.0.0.0", "0.0.0.0", "00000000"),
            ("255.255.255.255", "255.255.255.255", "ffffffff"),
            ("::", "::", "00000000000000000000000000000000"),
            ("::1", "::1", "00000000000000000000000000000001"),
            ("1::", "1::", "00010000000000000000000000000000"),
            ("2001:db8::64", "2001:db8::64", "20010db8000000000000000000000064"),
            ("2001:DB8:0:0:0:0:0:0064", "2001:db8::64", "20010db8000000000000000000000064"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001"),
            ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1", "20010000000000010000000000000001"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "20010db8000000000001000000000001"),
            ("0:0:1:2:3:4:5:6", "::1:2:3:4:5:6", "00000000000100020003000400050006"),
            ("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::", "00010002000300040005000600000000"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", "00000002000300040005000600070008"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", "00010002000300040005000600070000"),
            ("fe80::5eff:fe10:1", "fe80::5eff:fe10:1", "fe8000000000000000005efffe100001"),
            ("::ffff:198.51.100.1", "::ffff:198.51.100.1", "00000000000000000000ffffc6336401"),
            ("64:ff9b::198.51.100.1", "64:ff9b::c633:6401", "0064ff9b0000000000000000c6336401"),
            ("1:2:3:4:5:6:198.51.100.1", "1:2:3:4:5:6:c633:6401", "000100020003000400050006c6336401"),
        ])
    func text(_ text: String, _ canonical: String, _ hexadecimalBytes: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(hexadecimal(address.bytes) == hexadecimalBytes)
        #expect(IPAddress(bytes: bytes(hexadecimalBytes)) == address)
        #expect(IPAddress(canonical) == address)
    }

    @Test(
        "anything else is not an address",
        arguments: [
            "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.1.1.1", "1.2.3.999", "1.2.3.1000",
            "01.2.3.4", "1.2.3.00", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "1.2.3.-4", "0x1.2.3.4", "1.2.3.٤",
            "1.2.3.4/24",
            ":", ":::", "::1::", "1::2::3", ":1", "1:", ":1::", "::1:", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
            "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", "::1.2.3", "1.2.3.4::",
            "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::256.1.1.1", "fe80::1%eth0", "[::1]", "::1/64", "２::", "::-1",
            "localhost", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7",
        ])
    func noText(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("only four or sixteen bytes make one", arguments: [0, 1, 3, 5, 8, 15, 17, 32])
    func noBytes(_ count: Int) {
        #expect(IPAddress(bytes: Array(repeating: 1, count: count)) == nil)
    }

    @Test("higher is higher in network byte order; IPv4 comes before IPv6")
    func order() {
        let ascending = [
            "0.0.0.1", "1.0.0.0", "198.51.100.1", "198.51.100.2", "198.51.101.0", "255.255.255.255", "::", "::1",
            "::ffff:ffff:ffff:ffff", "0:0:0:1::", "2001:db8::1", "2001:db8::2", "fe80::1",
        ].map(ip)
        #expect(ascending.shuffled().sorted() == ascending)
        #expect(!(ip("::1") < ip("::1")) && !(ip("::1") < ip("1.1.1.1")))
    }

    @Test("link-local addresses")
    func linkLocal() {
        for text in ["169.254.0.0", "169.254.255.255", "fe80::", "fe80::1", "febf:ffff::1"] {
            #expect(ip(text).isLinkLocal, "\(text)")
        }
        for text in ["169.253.255.255", "169.255.0.0", "198.51.100.1", "fec0::1", "fe7f::1", "2001:db8::1"] {
            #expect(!ip(text).isLinkLocal, "\(text)")
        }
    }

    @Test("groups")
    func groups() {
        for text in ["224.0.0.18", "239.255.255.255", "ff02::12"] { #expect(ip(text).isMulticast, "\(text)") }
        for text in ["223.255.255.255", "240.0.0.0", "fe80::1"] { #expect(!ip(text).isMulticast, "\(text)") }
        #expect(IPAddress.vrrpGroup(.ipv4).description == "224.0.0.18")
        #expect(IPAddress.vrrpGroup(.ipv6).description == "ff02::12")
    }
}

@Suite("VirtualAddress")
struct VirtualAddressTests {
    @Test(
        "text is read, with a prefix length or without",
        arguments: [
            ("198.51.100.100/24", "198.51.100.100/24", 24), ("198.51.100.100", "198.51.100.100/32", 32),
            ("198.51.100.100/0", "198.51.100.100/0", 0), ("2001:db8::64/64", "2001:db8::64/64", 64),
            ("2001:DB8::64", "2001:db8::64/128", 128), ("2001:db8::64/128", "2001:db8::64/128", 128),
        ] as [(String, String, UInt8)])
    func text(_ text: String, _ canonical: String, _ prefixLength: UInt8) throws {
        let address = try #require(VirtualAddress(text))
        #expect(address.description == canonical)
        #expect(address.prefixLength == prefixLength)
        #expect(address.interface == nil && address.label == nil)
    }

    @Test(
        "anything else is none",
        arguments: [
            "", "/", "/24", "198.51.100.100/", "198.51.100.100/33", "198.51.100.100/024", "198.51.100.100/-1",
            "198.51.100.100/+1", "198.51.100.100/24/24", "198.51.100.100/ 24", "2001:db8::64/129", "2001:db8::64/1000",
            "198.51.100/24", "198.51.100.100/255.255.255.0",
        ])
    func noText(_ text: String) {
        #expect(VirtualAddress(text) == nil)
    }
}

@Suite("MACAddress")
struct MACAddressTests {
    @Test("text and bytes")
    func text() throws {
        let address = try #require(MACAddress("02:00:5E:10:00:ff"))
        #expect(address.bytes == [0x02, 0x00, 0x5e, 0x10, 0x00, 0xff])
        #expect(address.description == "02:00:5e:10:00:ff")
        #expect(MACAddress(bytes: address.bytes) == address)
        #expect(MACAddress.broadcast.description == "ff:ff:ff:ff:ff:ff")
    }

    @Test(
        "anything else is none",
        arguments: [
            "", "02:00:5e:10:00", "02:00:5e:10:00:ff:01", "2:00:5e:10:00:ff", "02-00-5e-10-00-ff", "02:00:5e:10:00:fg",
            "002:00:5e:10:00:ff", "02:00:5e:10:00:", "02005e1000ff",
        ])
    func noText(_ text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test("only six bytes make one")
    func noBytes() {
        #expect(MACAddress(bytes: [1, 2, 3, 4, 5]) == nil)
        #expect(MACAddress(bytes: [1, 2, 3, 4, 5, 6, 7]) == nil)
    }
}
