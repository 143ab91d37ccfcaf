internal import CLinuxNet
internal import VRRP

/// Which packets a raw socket queues: a program that the kernel runs on each (classic BPF, linux/filter.h).
///
/// A VRRP socket has two queues, so that packets that cannot be a router's of ours never take the place of one that can.
/// Every packet about one of our virtual routers is in exactly one of them; all others are in none.
struct PacketFilter: Equatable {
    enum Lane: Equatable {
        /// From a router on this link (hop limit 255, or less where that is accepted) and, where there are peers, from one of them.
        case expected
        /// The rest. They will be rejected, but should be counted and reported.
        case doubtful
    }

    /// One instruction: `if` skips so many of the following instructions when it holds, `else` when it does not.
    struct Instruction: Equatable {
        var code: Int32
        var operand: UInt32
        var skipIf: UInt8 = 0
        var skipElse: UInt8 = 0
    }

    let instructions: [Instruction]

    /// Queues nothing.
    static let nothing = PacketFilter(instructions: [.verdict(false)])

    init(instructions: [Instruction]) { self.instructions = instructions }

    /// Without virtual routers, `expected` has everything. Up to 255 virtual routers; the kernel takes 4096
    /// instructions, which is more than 400 peers.
    init(
        _ lane: Lane, family: AddressFamily, virtualRouterIDs: [VirtualRouterID], peers: [IPAddress],
        minimumHopLimit: UInt8 = 255
    ) {
        guard !virtualRouterIDs.isEmpty else {
            instructions = [.verdict(lane == .expected)]
            return
        }
        let expected = Instruction.verdict(lane == .expected)
        let unexpected = Instruction.verdict(lane == .doubtful)
        // 1. One of our virtual routers?
        var program = Instruction.loadVirtualRouterID(family)
        for (index, id) in virtualRouterIDs.enumerated() {
            // To behind the verdict after the last comparison: at most 255 further.
            let skip = UInt8(truncatingIfNeeded: virtualRouterIDs.count - index)
            program.append(.ifEqual(UInt32(id.rawValue), skip: skip))
        }
        program.append(.verdict(false))
        // 2. To a group that this socket is in, or to no group? For IPv4, IP_MULTICAST_ALL sees to that.
        if family == .ipv6 { program += Instruction.checkDestination(isMulticast: peers.isEmpty) }
        // 3. Enough of a hop limit (IPv6: byte 7 of the header) or TTL (IPv4: byte 8)?
        program.append(.loadByte(fromIPHeader: family == .ipv4 ? 8 : 7))
        program += [.ifAtLeast(UInt32(minimumHopLimit), skip: 1), unexpected]
        // 4. One of the peers?
        for peer in peers {
            let words = peer.words
            for (index, word) in words.enumerated() {
                program.append(.loadWord(fromIPHeader: (family == .ipv4 ? 12 : 8) + 4 * UInt32(index)))
                // To behind the verdict after this peer's last word.
                let skip = UInt8(2 * (words.count - 1 - index) + 1)
                program.append(.ifEqual(word, skip: 0, else: skip))
            }
            program.append(expected)
        }
        program.append(peers.isEmpty ? expected : unexpected)
        instructions = program
    }

    /// Puts the filter on a socket in place of the one that it had; the kernel's number of what failed, or nil.
    func attach(to socket: borrowing Descriptor) -> ErrorNumber? {
        let program = instructions.map { instruction in
            sock_filter(
                code: UInt16(instruction.code), jt: instruction.skipIf, jf: instruction.skipElse,
                k: instruction.operand)
        }
        return clinuxnet_attach_filter(socket.raw, program, UInt16(program.count)) == 0 ? nil : .current
    }
}

extension PacketFilter.Instruction {
    /// Queue the packet whole, or not at all.
    static func verdict(_ isQueued: Bool) -> Self { Self(code: BPF_RET | BPF_K, operand: isQueued ? .max : 0) }

    /// Compares what was loaded.
    static func ifEqual(_ value: UInt32, skip: UInt8, else skipElse: UInt8 = 0) -> Self {
        Self(code: BPF_JMP | BPF_JEQ | BPF_K, operand: value, skipIf: skip, skipElse: skipElse)
    }

    /// Compares what was loaded, as a number without sign.
    static func ifAtLeast(_ value: UInt32, skip: UInt8) -> Self {
        Self(code: BPF_JMP | BPF_JGE | BPF_K, operand: value, skipIf: skip)
    }

    /// A byte of the IP header, wherever the kernel has it.
    static func loadByte(fromIPHeader offset: UInt32) -> Self {
        Self(code: BPF_LD | BPF_B | BPF_ABS, operand: UInt32(bitPattern: SKF_NET_OFF) + offset)
    }

    /// Four bytes of the IP header, as a number in network byte order.
    static func loadWord(fromIPHeader offset: UInt32) -> Self {
        Self(code: BPF_LD | BPF_W | BPF_ABS, operand: UInt32(bitPattern: SKF_NET_OFF) + offset)
    }

    /// Lets packets pass that are to no group, or to ff02::12 where that is wanted. A raw socket of IPv6 gets those of
    /// every group that any program of this machine has joined, whatever IPV6_MULTICAST_ALL says.
    static func checkDestination(isMulticast: Bool) -> [Self] {
        let isGroup = loadByte(fromIPHeader: 24)
        guard isMulticast else { return [isGroup, .ifEqual(0xff, skip: 0, else: 1), .verdict(false)] }
        let words = IPAddress.vrrpGroup(.ipv6).words
        var program = [isGroup, .ifEqual(0xff, skip: 0, else: UInt8(2 * words.count + 1))]
        for (index, word) in words.enumerated() {
            program.append(loadWord(fromIPHeader: 24 + 4 * UInt32(index)))
            // The last comparison skips the verdict, the others go on to the next one.
            let left = UInt8(words.count - 1 - index)
            program.append(.ifEqual(word, skip: left == 0 ? 1 : 0, else: 2 * left))
        }
        return program + [.verdict(false)]
    }

    /// The second byte of the message. A raw socket's filter sees the packet from the IPv4 header on, whose length is
    /// in its first byte, but from the end of the IPv6 headers on. A packet that has no such byte is not queued.
    static func loadVirtualRouterID(_ family: AddressFamily) -> [Self] {
        switch family {
        case .ipv4:
            [
                Self(code: BPF_LDX | BPF_B | BPF_MSH, operand: 0),
                Self(code: BPF_LD | BPF_B | BPF_IND, operand: 1),
            ]
        case .ipv6: [Self(code: BPF_LD | BPF_B | BPF_ABS, operand: 1)]
        }
    }
}

extension IPAddress {
    /// As numbers of four bytes.
    fileprivate var words: [UInt32] {
        switch self {
        case .v4(let value): [value]
        case .v6(let high, let low):
            [high >> 32, high, low >> 32, low].map { UInt32(truncatingIfNeeded: $0) }
        }
    }
}
