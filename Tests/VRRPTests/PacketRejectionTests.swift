import Testing

@testable import VRRP

@Suite("PacketRejection")
struct PacketRejectionTests {
    private static let all: [(rejection: PacketRejection, code: String, text: String)] = [
        (.hopLimit(64), "hop_limit", "its hop limit (TTL) is 64, not 255: it does not come from this segment"),
        (.truncated(length: 12, needed: 20), "truncated", "it ends after 12 bytes, and announces 20"),
        (.version(4), "version", "VRRP version 4 is not what this router speaks"),
        (.type(2), "type", "its type is 2; only advertisements (type 1) exist"),
        (.virtualRouterID(0), "vrid", "virtual router 0 does not exist: 1...255"),
        (.virtualRouterID(52), "vrid", "it is about virtual router 52, not ours"),
        (
            .checksum(received: 0x3506, computed: 0x0a5), "checksum",
            "its checksum is 0x3506, and 0x00a5 would be right"
        ),
        (.authenticationType(0), "auth_type", "authentication type 0 (none) is not what this router uses"),
        (.authenticationType(1), "auth_type", "authentication type 1 (password) is not what this router uses"),
        (.authenticationType(2), "auth_type", "authentication type 2 (AH) is not what this router uses"),
        (.authenticationType(9), "auth_type", "authentication type 9 (unknown) is not what this router uses"),
        (.password, "password", "its password is not ours"),
        (.addressCount, "address_count", "it announces no address"),
        (
            .addressList([ip("198.51.100.101"), ip("198.51.100.102")]), "address_list",
            "it announces other addresses than ours: 198.51.100.101, 198.51.100.102"
        ),
        (.interval(.zero), "interval", "its advertisement interval is 0"),
        (
            .interval(.seconds(2)), "interval",
            "its advertisement interval is 2 s, not ours: version 2 needs the same on all routers"
        ),
        (.unknownSender(ip("198.51.100.9")), "unknown_sender", "198.51.100.9 is not one of the configured peers"),
        (.owner, "owner", "this router owns the addresses (priority 255): nobody else may be Active"),
    ]

    @Test("says what is wrong, for people and for programs")
    func texts() {
        for (rejection, code, text) in Self.all {
            #expect(rejection.description == text)
            #expect(rejection.kind.code == code)
        }
    }

    @Test("is counted by reason")
    func counts() {
        var counts = RejectionCounts()
        #expect(counts.total == 0)
        for (rejection, _, _) in Self.all { counts.count(rejection) }
        #expect(counts.total == 18)
        #expect(counts[.virtualRouterID] == 2 && counts[.authenticationType] == 4 && counts[.owner] == 1)
        #expect(
            counts.map { "\($0.kind.code) \($0.count)" } == [
                "hop_limit 1", "truncated 1", "version 1", "type 1", "vrid 2", "checksum 1", "auth_type 4",
                "password 1", "address_count 1", "address_list 1", "interval 2", "unknown_sender 1", "owner 1",
            ])
    }
}
