import Testing
import VRRP

// What keepalived 2.2.7 (Debian 12, package 1:2.2.7-1+b2) put on the wire, between two network namespaces joined by a veth
// pair, captured with tcpdump -w on the other side. The sender's eth0 had 02:00:5e:10:00:01, 198.51.100.1/24 and
// 2001:db8::1/64. Each configuration was one file of this form, run by `keepalived -n -l -D -P -f`, and stopped by SIGTERM,
// which makes it send the same advertisement with priority 0:
//
//     vrrp_instance NAME {
//         interface eth0
//         state MASTER
//         …
//     }

/// An advertisement as it was captured.
struct Vector: Sendable, CustomTestStringConvertible {
    var name: String
    var source: IPAddress
    var destination: IPAddress
    /// As it was captured.
    var hopLimit: UInt8 = 255
    /// Behind the IP header.
    var message: String
    /// The same with priority 0.
    var resignation: String
    /// What it says.
    var advertisement: Advertisement

    var testDescription: String { name }
}

private let sender = ip("198.51.100.1")
private let group = ip("224.0.0.18")
private let sender6 = ip("fe80::5eff:fe10:1")
private let group6 = ip("ff02::12")

/// All of them.
let keepalivedVectors: [Vector] = [
    // version 2, virtual_router_id 51, priority 100, advert_int 1
    // virtual_ipaddress { 198.51.100.100/24 }
    Vector(
        name: "v2 without authentication", source: sender, destination: group,
        message: "21336401 0001 5032 c6336464 0000000000000000",
        resignation: "21330001 0001 b432 c6336464 0000000000000000",
        advertisement: Advertisement(
            version: .v2, virtualRouterID: vrid(51), priority: Priority(100), interval: .seconds(1),
            addresses: [ip("198.51.100.100")])),

    // version 2, virtual_router_id 52, priority 150, advert_int 3
    // authentication { auth_type PASS
    //                  auth_pass s3cret }
    // virtual_ipaddress { 198.51.100.101/24
    //                     198.51.100.102/24
    //                     198.51.100.103/24 }
    Vector(
        name: "v2 PASS, three addresses", source: sender, destination: group,
        message: "21349603 0103 8bdc c6336465 c6336466 c6336467 7333637265740000",
        resignation: "21340003 0103 21dd c6336465 c6336466 c6336467 7333637265740000",
        advertisement: Advertisement(
            version: .v2, virtualRouterID: vrid(52), priority: Priority(150), interval: .seconds(3),
            addresses: [ip("198.51.100.101"), ip("198.51.100.102"), ip("198.51.100.103")],
            authentication: .password([0x73, 0x33, 0x63, 0x72, 0x65, 0x74]))),

    // version 2, virtual_router_id 1, priority 255, advert_int 255
    // authentication { auth_type PASS
    //                  auth_pass eightchr }
    // virtual_ipaddress { 198.51.100.108/24 }
    Vector(
        name: "v2 PASS, everything at its limit", source: sender, destination: group,
        message: "2101ff01 01ff 09b6 c633646c 6569676874636872",
        resignation: "21010001 01ff 08b7 c633646c 6569676874636872",
        advertisement: Advertisement(
            version: .v2, virtualRouterID: vrid(1), priority: .owner, interval: .seconds(255),
            addresses: [ip("198.51.100.108")],
            authentication: .password([0x65, 0x69, 0x67, 0x68, 0x74, 0x63, 0x68, 0x72]))),

    // version 3, virtual_router_id 53, priority 100, advert_int 1
    // virtual_ipaddress { 198.51.100.104/24 }
    Vector(
        name: "v3 IPv4", source: sender, destination: group,
        message: "31356401 0064 3505 c6336468",
        resignation: "31350001 0064 9905 c6336468",
        advertisement: Advertisement(
            version: .v3, virtualRouterID: vrid(53), priority: Priority(100), interval: .seconds(1),
            addresses: [ip("198.51.100.104")])),

    // version 3, virtual_router_id 54, priority 200, advert_int 0.01
    // virtual_ipaddress { 198.51.100.105/24
    //                     198.51.100.106/32 }
    Vector(
        name: "v3 IPv4 at 10 ms, two addresses", source: sender, destination: group,
        message: "3136c802 0001 a6c2 c6336469 c633646a",
        resignation: "31360002 0001 6ec3 c6336469 c633646a",
        advertisement: Advertisement(
            version: .v3, virtualRouterID: vrid(54), priority: Priority(200), interval: .milliseconds(10),
            addresses: [ip("198.51.100.105"), ip("198.51.100.106")])),

    // version 3, virtual_router_id 55, priority 254, advert_int 0.1
    // virtual_ipaddress { fe80::5e:55/64
    //                     2001:db8::100/64 }
    Vector(
        name: "v3 IPv6, two addresses", source: sender6, destination: group6,
        message: "3137fe02 000a 478f fe8000000000000000000000005e0055 20010db8000000000000000000000100",
        resignation: "31370002 000a 4590 fe8000000000000000000000005e0055 20010db8000000000000000000000100",
        advertisement: Advertisement(
            version: .v3, virtualRouterID: vrid(55), priority: Priority(254), interval: .milliseconds(100),
            addresses: [ip("fe80::5e:55"), ip("2001:db8::100")])),

    // version 3, virtual_router_id 56, priority 255, advert_int 40.95
    // unicast_src_ip 198.51.100.1
    // unicast_peer { 198.51.100.2 }
    // virtual_ipaddress { 198.51.100.107/24 }
    Vector(
        name: "v3 IPv4 unicast, the longest interval", source: sender, destination: ip("198.51.100.2"),
        message: "3138ff01 0fff 4040 c633646b",
        resignation: "31380001 0fff 3f41 c633646b",
        advertisement: Advertisement(
            version: .v3, virtualRouterID: vrid(56), priority: .owner, interval: .milliseconds(40_950),
            addresses: [ip("198.51.100.107")])),

    // version 3, virtual_router_id 255, priority 255, advert_int 2.5
    // unicast_src_ip 2001:db8::1
    // unicast_peer { 2001:db8::2 }
    // virtual_ipaddress { 2001:db8::101/64 }
    Vector(
        name: "v3 IPv6 unicast", source: ip("2001:db8::1"), destination: ip("2001:db8::2"), hopLimit: 64,
        message: "31ffff01 00fa 434d 20010db8000000000000000000000101",
        resignation: "31ff0001 00fa 424e 20010db8000000000000000000000101",
        advertisement: Advertisement(
            version: .v3, virtualRouterID: vrid(255), priority: .owner, interval: .milliseconds(2500),
            addresses: [ip("2001:db8::101")])),
]
