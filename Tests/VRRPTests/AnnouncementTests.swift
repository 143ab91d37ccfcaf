import Testing

@testable import VRRP

/// The sender of the captures; `KeepalivedVectors.swift` says how they were made.
private let mac = MACAddress("02:00:5e:10:00:01")!

@Suite("GratuitousARP")
struct GratuitousARPTests {
    @Test("a request and a reply, in this order")
    func frames() {
        let frames = GratuitousARP.frames(for: 0xc633_6464, mac: mac)
        #expect(
            frames.map(hexadecimal) == [
                "ffffffffffff02005e10000108060001080006040001" + "02005e100001c6336464" + "000000000000c6336464",
                "ffffffffffff02005e10000108060001080006040002" + "02005e100001c6336464" + "02005e100001c6336464",
            ])
    }

    /// keepalived sends the request form alone, with ones where RFC 5227 §2.3 has zeros: a field that a request does not use.
    @Test("the request is keepalived's, but for the target hardware address")
    func keepalived() {
        let captured = bytes(
            "ffffffffffff02005e10000108060001080006040001" + "02005e100001c6336464" + "ffffffffffffc6336464")
        let ours = GratuitousARP.frames(for: 0xc633_6464, mac: mac)[0]
        #expect(ours.count == captured.count)
        #expect(ours.indices.filter { ours[$0] != captured[$0] } == [32, 33, 34, 35, 36, 37])
    }
}

@Suite("UnsolicitedNeighborAdvertisement")
struct UnsolicitedNeighborAdvertisementTests {
    @Test(
        "is keepalived's, byte for byte",
        arguments: [
            (
                "fe80::5e:55", false,
                "33330000000102005e10000186dd6000000000203afffe8000000000000000000000005e0055"
                    + "ff0200000000000000000000000000018800f82620000000"
                    + "fe8000000000000000000000005e0055020102005e100001"
            ),
            (
                "2001:db8::100", false,
                "33330000000102005e10000186dd6000000000203aff20010db8000000000000000000000100"
                    + "ff0200000000000000000000000000018800991c20000000"
                    + "20010db8000000000000000000000100020102005e100001"
            ),
            // Where its interface forwards IPv6.
            (
                "fe80::57", true,
                "33330000000102005e10000186dd6000000000203afffe800000000000000000000000000057"
                    + "ff020000000000000000000000000001880078dea0000000"
                    + "fe800000000000000000000000000057020102005e100001"
            ),
            (
                "2001:db8::157", true,
                "33330000000102005e10000186dd6000000000203aff20010db8000000000000000000000157"
                    + "ff0200000000000000000000000000018800186ea0000000"
                    + "20010db8000000000000000000000157020102005e100001"
            ),
        ])
    func keepalived(_ address: String, _ isRouter: Bool, _ frame: String) {
        let ours = UnsolicitedNeighborAdvertisement.packet(for: ip(address), mac: mac, isRouter: isRouter)
        #expect(hexadecimal(ours) == frame)
    }

    @Test("is a host's unless it is said to be a router's")
    func flags() {
        let frame = UnsolicitedNeighborAdvertisement.packet(for: ip("2001:db8::100"), mac: mac)
        #expect(frame[58] == 0x20)
    }

    @Test("there is none for IPv4")
    func ipv4() {
        #expect(UnsolicitedNeighborAdvertisement.packet(for: ip("198.51.100.1"), mac: mac) == [])
    }
}
