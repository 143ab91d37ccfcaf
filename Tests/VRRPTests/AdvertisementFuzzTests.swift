import Testing

@testable import VRRP

/// Random numbers that a seed repeats (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    /// 0 ..< limit; limit at most 2^32.
    mutating func below(_ limit: Int) -> Int { Int(truncatingIfNeeded: (next() >> 32 &* UInt64(limit)) >> 32) }
}

/// Decodes messages that were made by damaging good ones, and counts what comes out.
private struct Fuzzer {
    private var random: SeededNumbers
    private(set) var counts = RejectionCounts()
    private(set) var accepted = 0
    /// Accepted messages that we would not send so, or not read again as what they were.
    private(set) var unstable = 0

    init(seed: UInt64) { random = SeededNumbers(seed: seed) }

    mutating func run(_ count: Int, on vectors: [Vector]) {
        for vector in vectors { mutate(vector, count: count / vectors.count) }
    }

    private mutating func mutate(_ vector: Vector, count: Int) {
        let original = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes(vector.message).count + 16)
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: original.count)
        defer {
            original.deallocate()
            buffer.deallocate()
        }
        _ = original.initialize(from: bytes(vector.message) + Array(repeating: 0, count: 16))
        let message = UnsafeMutableRawBufferPointer(buffer)
        let isIPv6 = vector.source.family == .ipv6
        let pseudoHeader = isIPv6 ? sum(of: vector.source) + sum(of: vector.destination) + 112 : 0
        for _ in 0..<count {
            message.copyMemory(from: UnsafeRawBufferPointer(original))
            let length = random.below(8) == 0 ? random.below(original.count + 1) : original.count - 16
            damage(UnsafeMutableRawBufferPointer(start: message.baseAddress, count: length), pseudoHeader: pseudoHeader)
            let hopLimit: UInt8 = random.below(64) == 0 ? UInt8(random.below(256)) : 255
            decode(
                UnsafeBufferPointer(start: buffer.baseAddress, count: length), hopLimit: hopLimit, like: vector)
        }
    }

    private func sum(of address: IPAddress) -> UInt32 {
        stride(from: 0, to: address.bytes.count, by: 2)
            .reduce(0) { $0 + UInt32(address.bytes[$1]) << 8 + UInt32(address.bytes[$1 + 1]) }
    }

    /// Writes over one to three bytes. In seven of eight messages the checksum is made good again, so that what lies behind
    /// it is tried as well.
    private mutating func damage(_ message: UnsafeMutableRawBufferPointer, pseudoHeader: UInt32) {
        guard message.count > 0 else { return }
        for _ in 0...random.below(3) {
            message[random.below(message.count)] = UInt8(truncatingIfNeeded: random.next())
        }
        if message.count >= 8, random.below(8) > 0 { repairChecksum(message, pseudoHeader: pseudoHeader) }
    }

    /// As if the message announced the length that it has.
    private func repairChecksum(_ message: UnsafeMutableRawBufferPointer, pseudoHeader: UInt32) {
        message[6] = 0
        message[7] = 0
        var sum = pseudoHeader == 0 ? 0 : pseudoHeader &+ UInt32(message.count)
        var index = 0
        while index + 1 < message.count {
            sum &+= UInt32(message[index]) << 8 | UInt32(message[index + 1])
            index += 2
        }
        sum = (sum & 0xffff) &+ sum >> 16
        sum = (sum & 0xffff) &+ sum >> 16
        message[6] = UInt8(truncatingIfNeeded: ~sum >> 8)
        message[7] = UInt8(truncatingIfNeeded: ~sum)
    }

    private mutating func decode(_ message: UnsafeBufferPointer<UInt8>, hopLimit: UInt8, like vector: Vector) {
        do {
            let advertisement = try Advertisement.decode(
                message.span, from: vector.source, to: vector.destination, hopLimit: hopLimit)
            accepted += 1
            if accepted & 255 == 0 { checkAgain(advertisement, like: vector) }
        } catch {
            counts.count(error)
        }
    }

    private mutating func checkAgain(_ advertisement: Advertisement, like vector: Vector) {
        let again = advertisement.encode(from: vector.source, to: vector.destination, coverage: .pseudoHeader)
        do {
            let decoded = try Advertisement.decode(
                again.span, from: vector.source, to: vector.destination, hopLimit: 255)
            if decoded != advertisement { unstable += 1 }
        } catch {
            unstable += 1
        }
    }
}

@Suite("Advertisement: damaged messages")
struct AdvertisementFuzzTests {
    /// What `decode` itself can find.
    private static let reachable: [PacketRejection.Kind] = [
        .hopLimit, .truncated, .version, .type, .virtualRouterID, .checksum, .authenticationType, .addressCount,
        .interval,
    ]

    @Test("ten million mutations of what keepalived sends are decoded or rejected, and never trap")
    func mutations() async {
        let halves = await withTaskGroup { group in
            for seed: UInt64 in [1, 2] {
                group.addTask {
                    var fuzzer = Fuzzer(seed: seed)
                    fuzzer.run(5_000_000, on: keepalivedVectors)
                    return fuzzer
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for half in halves {
            #expect(half.accepted + half.counts.total == 5_000_000)
            #expect(half.accepted > 2_000_000)
            #expect(half.unstable == 0)
            for (kind, count) in half.counts {
                #expect(Self.reachable.contains(kind) ? count > 100 : count == 0, "\(kind.code): \(count)")
            }
        }
    }
}
