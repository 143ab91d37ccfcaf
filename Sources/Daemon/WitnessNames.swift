import Failover
import Glibc
import LinuxNet
package import RedisClient
import Synchronization

/// The addresses of witnesses that are given by name.
///
/// Where the network is cut, which is just when a witness is missed, resolving its name may take tens of seconds. So that is
/// done on a thread of its own, and what was known before holds meanwhile: a name is never waited for.
package final class WitnessNames: Sendable {
    /// After this time an address is asked for again.
    private static let lifetime: Duration = .seconds(30)

    private struct Entry {
        /// A `sockaddr` of either family; nil: not resolved yet.
        var address: [UInt8]?
        var askedAt = ContinuousClock.now
        var isAsking = false
    }

    private let entries: Mutex<[HostPort: Entry]> = Mutex([:])

    /// Knows none at first.
    package init() {}

    /// The last known address as a `sockaddr`; nil while there is none. A numeric one is known at once.
    package func address(of place: HostPort) -> [UInt8]? {
        let (known, isDue) = entries.withLock { entries in
            let entry = entries[place]
            guard entry?.isAsking != true else { return (entry?.address, false) }
            if let entry, entry.address != nil, .now - entry.askedAt < Self.lifetime { return (entry.address, false) }
            entries[place] = Entry(address: entry?.address, isAsking: true)
            return (entry?.address, true)
        }
        guard isDue else { return known }
        if let address = Self.resolve(place, AI_NUMERICHOST) {
            take(address, of: place)
            return address
        }
        do throws(SystemCallError) {
            _ = try HeartbeatThread.start(name: "resolver") { _ in self.take(Self.resolve(place, 0), of: place) }
        } catch {
            // No thread now: the next round asks for one again.
            take(nil, of: place)
        }
        return known
    }

    private func take(_ address: [UInt8]?, of place: HostPort) {
        entries.withLock { $0[place] = Entry(address: address ?? $0[place]?.address) }
    }

    /// Waits for the resolver, however long that takes, unless `flags` say otherwise.
    private static func resolve(_ place: HostPort, _ flags: Int32) -> [UInt8]? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(place.host, String(place.port), &hints, &found) == 0, let first = found?.pointee else {
            return nil
        }
        defer { freeaddrinfo(found) }
        return Array(UnsafeRawBufferPointer(start: first.ai_addr, count: Int(first.ai_addrlen)))
    }
}
