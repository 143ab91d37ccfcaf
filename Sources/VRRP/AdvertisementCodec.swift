/// Numbers of the wire format; `Advertisement` shows where they stand.
private enum Wire {
    static let protocolNumber: UInt8 = 112
    static let advertisement: UInt8 = 1
    static let headerLength = 8
    static let passwordLength = 8
    static let noAuthentication: UInt8 = 0
    static let passwordAuthentication: UInt8 = 1
}

extension Advertisement {
    /// The message, which goes behind the IP header. `source` and `destination` are in the checksum of version 3.
    ///
    /// What the format cannot hold (`VirtualRouterParameters.problem` keeps it out) is cut: an interval to its range,
    /// addresses to the first 255 of the source's family, a password to 8 bytes.
    public func encode(from source: IPAddress, to destination: IPAddress, coverage: ChecksumCoverage) -> [UInt8] {
        let sent = addresses.filter { $0.family == source.family }.prefix(255)
        var message = [
            version.rawValue << 4 | Wire.advertisement, virtualRouterID.rawValue, priority.rawValue, UInt8(sent.count),
        ]
        switch version {
        case .v2: message += [authentication.type, UInt8(interval.count(of: .seconds(1), upTo: 255))]
        case .v3: message += interval.count(of: .milliseconds(10), upTo: 4095).networkBytes
        }
        message += [0, 0]
        for address in sent { message += address.bytes }
        if version == .v2 { message += authentication.passwordField }

        var checksum = InternetChecksum()
        checksum.add(message.span)
        if version == .v3, coverage == .pseudoHeader || source.family == .ipv6 {
            checksum.addPseudoHeader(
                from: source, to: destination, protocolNumber: Wire.protocolNumber, length: message.count)
        }
        message.replaceSubrange(6..<8, with: checksum.value.networkBytes)
        return message
    }

    /// Reads a message as it stood behind the IP header, after the checks that need no configuration (RFC 9568 §7.1, RFC
    /// 3768 §7.1). The first one that fails is thrown, in this order: hop limit, version, type, length, checksum, VRID,
    /// address count, interval, authentication type.
    ///
    /// - Bytes behind the message are ignored: both RFCs ask for a complete packet, not for nothing else. They are in no checksum.
    /// - Version 2 always has its 8 bytes of authentication; without a password they may hold anything.
    /// - The four bits before the interval of version 3 are ignored.
    /// - `minimumHopLimit`: 255 proves that the sender is on this segment. keepalived 2.2.7 sends unicast advertisements
    ///   over IPv6 with 64, and can only be heard with less.
    public static func decode(
        _ bytes: Span<UInt8>, from source: IPAddress, to destination: IPAddress, hopLimit: UInt8,
        minimumHopLimit: UInt8 = 255
    ) throws(PacketRejection) -> Advertisement {
        guard hopLimit >= minimumHopLimit else { throw .hopLimit(hopLimit) }
        let header = try Header(bytes, family: source.family)
        let message = bytes.extracting(first: header.messageLength)
        try header.verifyChecksum(of: message, from: source, to: destination)
        guard let virtualRouterID = VirtualRouterID(Int(message[1])) else { throw .virtualRouterID(0) }
        guard header.addressCount > 0 else { throw .addressCount }
        let interval = header.interval(in: message)
        guard interval > .zero else { throw .interval(.zero) }
        return Advertisement(
            version: header.version, virtualRouterID: virtualRouterID, priority: Priority(message[2]),
            interval: interval, addresses: header.addresses(in: message),
            authentication: try header.authentication(in: message))
    }
}

/// How a message is laid out.
private struct Header {
    let version: ProtocolVersion
    let family: AddressFamily
    let addressCount: Int

    /// Reads the first bytes of a message that is all there.
    init(_ bytes: Span<UInt8>, family: AddressFamily) throws(PacketRejection) {
        guard bytes.count >= Wire.headerLength else {
            throw .truncated(length: bytes.count, needed: Wire.headerLength)
        }
        let number = bytes[0] >> 4
        guard let version = ProtocolVersion(rawValue: number), version == .v3 || family == .ipv4 else {
            throw .version(number)
        }
        guard bytes[0] & 0xf == Wire.advertisement else { throw .type(bytes[0] & 0xf) }
        self.version = version
        self.family = family
        addressCount = Int(bytes[3])
        guard bytes.count >= messageLength else { throw .truncated(length: bytes.count, needed: messageLength) }
    }

    var messageLength: Int {
        Wire.headerLength + addressCount * (family == .ipv4 ? 4 : 16) + (version == .v2 ? Wire.passwordLength : 0)
    }

    /// Over IPv4, version 3 passes with the pseudo-header or without.
    func verifyChecksum(
        of message: Span<UInt8>, from source: IPAddress, to destination: IPAddress
    ) throws(PacketRejection) {
        var checksum = InternetChecksum()
        checksum.add(message)
        if family == .ipv4, checksum.value == 0 { return }
        if version == .v3 {
            checksum.addPseudoHeader(
                from: source, to: destination, protocolNumber: Wire.protocolNumber, length: message.count)
            if checksum.value == 0 { return }
        }
        let received = UInt16(message[6]) << 8 | UInt16(message[7])
        checksum.remove(received)
        throw .checksum(received: received, computed: checksum.value)
    }

    func interval(in message: Span<UInt8>) -> Duration {
        switch version {
        case .v2: .seconds(Int(message[5]))
        case .v3: .milliseconds((Int(message[4] & 0xf) << 8 | Int(message[5])) * 10)
        }
    }

    func addresses(in message: Span<UInt8>) -> [IPAddress] {
        var addresses: [IPAddress] = []
        addresses.reserveCapacity(addressCount)
        var offset = Wire.headerLength
        for _ in 0..<addressCount {
            switch family {
            case .ipv4:
                addresses.append(.v4(UInt32(Self.number(of: 4, at: offset, in: message))))
                offset += 4
            case .ipv6:
                let high = Self.number(of: 8, at: offset, in: message)
                addresses.append(.v6(high, Self.number(of: 8, at: offset + 8, in: message)))
                offset += 16
            }
        }
        return addresses
    }

    private static func number(of count: Int, at offset: Int, in message: Span<UInt8>) -> UInt64 {
        var value: UInt64 = 0
        for index in offset..<offset + count { value = value << 8 | UInt64(message[index]) }
        return value
    }

    func authentication(in message: Span<UInt8>) throws(PacketRejection) -> Authentication {
        guard version == .v2 else { return .none }
        switch message[4] {
        case Wire.noAuthentication: return .none
        case Wire.passwordAuthentication: return .password(password(in: message))
        default: throw .authenticationType(message[4])
        }
    }

    /// Without the zeros that fill it up.
    private func password(in message: Span<UInt8>) -> [UInt8] {
        let start = message.count - Wire.passwordLength
        var end = message.count
        while end > start, message[end - 1] == 0 { end -= 1 }
        var password: [UInt8] = []
        for index in start..<end { password.append(message[index]) }
        return password
    }
}

extension Authentication {
    /// Its number on the wire.
    var type: UInt8 {
        switch self {
        case .none: Wire.noAuthentication
        case .password: Wire.passwordAuthentication
        }
    }

    fileprivate var passwordField: [UInt8] {
        let password: [UInt8] =
            switch self {
            case .none: []
            case .password(let bytes): Array(bytes.prefix(Wire.passwordLength))
            }
        return password + Array(repeating: 0, count: Wire.passwordLength - password.count)
    }
}

extension Duration {
    /// How many whole units it has, at least one.
    fileprivate func count(of unit: Duration, upTo limit: Int) -> UInt16 {
        let clamped = Swift.min(Swift.max(self, unit), unit * limit)
        return UInt16(clamping: Int(clamped / unit))
    }
}
