/// Gratuitous ARP.
public enum GratuitousARP {
    /// Request form, reply form: whole Ethernet frames.
    public static func frames(for address: UInt32, mac: MACAddress) -> [[UInt8]] { [] }
}
