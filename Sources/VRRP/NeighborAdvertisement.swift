/// Unsolicited neighbour advertisement.
public enum UnsolicitedNeighborAdvertisement {
    /// The whole Ethernet frame. Empty for an IPv4 address.
    public static func packet(for address: IPAddress, mac: MACAddress, isRouter: Bool = false) -> [UInt8] { [] }
}
