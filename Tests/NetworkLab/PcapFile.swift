/// The file that tcpdump writes: a header of 24 bytes, then records of 16 bytes and the packet, in the byte order of who
/// wrote it. (pcap-savefile(5))
enum PcapFile {
    /// The complete records so far. The file may still grow: an incomplete record at its end is left out.
    static func records(_ bytes: [UInt8]) throws -> [(time: WallTime, bytes: ArraySlice<UInt8>)] {
        guard bytes.count >= 24 else { return [] }
        let isLittle = bytes[0] == 0xd4 || bytes[0] == 0x4d
        let magic = word(bytes, 0, isLittle)
        guard magic == 0xa1b2_c3d4 || magic == 0xa1b2_3c4d else {
            throw LabError.malformed("not a pcap file: it starts with \(bytes.prefix(4))")
        }
        let unit: Int64 = magic == 0xa1b2_3c4d ? 1 : 1000
        // LINKTYPE_ETHERNET
        guard word(bytes, 20, isLittle) & 0xffff == 1 else { throw LabError.malformed("not a capture of Ethernet") }
        var records: [(time: WallTime, bytes: ArraySlice<UInt8>)] = []
        var position = 24
        while position + 16 <= bytes.count {
            let length = Int(word(bytes, position + 8, isLittle))
            guard position + 16 + length <= bytes.count else { break }
            let seconds = Int64(word(bytes, position, isLittle))
            let fraction = Int64(word(bytes, position + 4, isLittle))
            records.append(
                (
                    WallTime(nanoseconds: seconds * 1_000_000_000 + fraction * unit),
                    bytes[(position + 16)..<(position + 16 + length)]
                ))
            position += 16 + length
        }
        return records
    }

    private static func word(_ bytes: [UInt8], _ at: Int, _ isLittle: Bool) -> UInt32 {
        let four = bytes[at..<(at + 4)].map(UInt32.init)
        let big = isLittle ? four.reversed() : four
        return big.reduce(0) { $0 << 8 | $1 }
    }
}
