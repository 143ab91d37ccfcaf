/// The reset with which a host answers a TCP segment to a port that nobody listens on (RFC 9293 §3.5.2 and §3.10.7.1), over
/// IPv4: the headers alone, the addresses and ports of the segment exchanged.
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |Vers.=4|IHL = 5|   service: 0  |       total length: 40        |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |       identification: 0       |0 1 0|   fragment offset: 0    |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |   TTL: 64     |   6 (TCP)     |       header checksum         |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |              source: the segment's destination                |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |              destination: the segment's source                |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |         source port           |       destination port        |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                        sequence number                        |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |                     acknowledgment number                     |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     | offset| zero  |C|E|U|A|P|R|S|F|           window: 0           |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |       checksum, with pseudo-header      |  urgent pointer: 0  |
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///
/// A segment with an acknowledgment is answered by a reset that has its sequence number from there; one without by number 0
/// and an acknowledgment of all that it held, SYN and FIN counting as a byte each.
public enum TCPReset {
    /// The protocol number of TCP.
    public static let protocolNumber: UInt8 = 6
    /// A header without options.
    private static let headerSize = 20
    private static let (fin, syn, reset, acknowledgment): (UInt8, UInt8, UInt8, UInt8) = (0x01, 0x02, 0x04, 0x10)

    /// The packet that answers this one, 40 bytes. nil for what gets no answer: no TCP over IPv4, a fragment, a reset, a
    /// header that ends early or has a wrong checksum, a sender that is no single host.
    ///
    /// `packet` may be cut off behind the first 20 bytes of the TCP header. The checksum of the segment is not looked at: it
    /// may not be there yet, where the sender is a container on the same machine.
    public static func answer(to packet: Span<UInt8>) -> [UInt8]? {
        guard let header = IPHeader(packet), header.payloadProtocol == protocolNumber,
            case .v4(let source) = header.source, case .v4(let destination) = header.destination,
            isAnswerable(source), source != destination
        else { return nil }
        let start = header.payload.lowerBound
        var checksum = InternetChecksum()
        checksum.add(packet.extracting(first: start))
        let isFragment = (packet[6] & 0x3f) | packet[7] != 0
        guard checksum.value == 0, !isFragment, header.payload.count >= headerSize else { return nil }

        // The whole length, however much of it is here.
        let length = (Int(packet[2]) << 8 | Int(packet[3])) - start
        let dataOffset = Int(packet[start + 12] >> 4) * 4
        let flags = packet[start + 13]
        guard dataOffset >= headerSize, dataOffset <= length, flags & reset == 0 else { return nil }

        var segment = [packet[start + 2], packet[start + 3], packet[start], packet[start + 1]]
        if flags & acknowledgment != 0 {
            for index in 8..<12 { segment.append(packet[start + index]) }
            segment += [0, 0, 0, 0, 0x50, reset]
        } else {
            let sequence = (4..<8).reduce(UInt32(0)) { $0 << 8 | UInt32(packet[start + $1]) }
            let held = length - dataOffset + (flags & syn != 0 ? 1 : 0) + (flags & fin != 0 ? 1 : 0)
            segment += [0, 0, 0, 0] + (sequence &+ UInt32(held)).networkBytes + [0x50, reset | acknowledgment]
        }
        segment += [0, 0, 0, 0, 0, 0]
        var sum = InternetChecksum()
        sum.add(segment.span)
        sum.addPseudoHeader(
            from: header.destination, to: header.source, protocolNumber: protocolNumber, length: segment.count)
        segment.replaceSubrange(16..<18, with: sum.value.networkBytes)
        return self.header(from: destination, to: source, length: segment.count) + segment
    }

    private static func header(from source: UInt32, to destination: UInt32, length: Int) -> [UInt8] {
        let total = UInt16(truncatingIfNeeded: 20 + length)
        var header: [UInt8] = [0x45, 0] + total.networkBytes + [0, 0, 0x40, 0, 64, protocolNumber, 0, 0]
        header += source.networkBytes + destination.networkBytes
        var checksum = InternetChecksum()
        checksum.add(header.span)
        header.replaceSubrange(10..<12, with: checksum.value.networkBytes)
        return header
    }

    /// Neither "this network" nor loopback, a group or broadcast.
    private static func isAnswerable(_ address: UInt32) -> Bool {
        let first = address >> 24
        return first != 0 && first != 127 && first < 224
    }
}
