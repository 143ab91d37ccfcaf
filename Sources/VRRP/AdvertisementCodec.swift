extension Advertisement {
    /// The message without IP header.
    public func encode(from source: IPAddress, to destination: IPAddress, coverage: ChecksumCoverage) -> [UInt8] { [] }

    /// The message without IP header.
    public static func decode(
        _ bytes: Span<UInt8>, from source: IPAddress, to destination: IPAddress, hopLimit: UInt8
    ) throws(PacketRejection) -> Advertisement {
        throw .hopLimit(hopLimit)
    }
}
