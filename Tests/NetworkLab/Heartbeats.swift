/// What a capture says about who was Active. Only packets of one virtual router of one family should be given.
public struct Heartbeats: Sendable {
    /// The packets, by time.
    public let packets: [(time: WallTime, heartbeat: CapturedPacket.Heartbeat)]

    /// Those of one virtual router.
    public init(_ packets: [CapturedPacket], virtualRouterID: UInt8 = 51) {
        self.packets = packets.compactMap { packet in
            packet.heartbeat.flatMap { $0.virtualRouterID == virtualRouterID ? (packet.time, $0) : nil }
        }
    }

    /// Those who advertised, in the order of their first advertisement.
    public var senders: [String] {
        packets.reduce(into: []) { if !$0.contains($1.heartbeat.source) { $0.append($1.heartbeat.source) } }
    }

    /// The times at which one advertised with a priority above 0.
    public func times(of sender: String) -> [WallTime] {
        packets.compactMap { $0.heartbeat.source == sender && $0.heartbeat.priority > 0 ? $0.time : nil }
    }

    /// When one said that it gives up.
    public func resignations(of sender: String) -> [WallTime] {
        packets.compactMap { $0.heartbeat.source == sender && $0.heartbeat.priority == 0 ? $0.time : nil }
    }

    /// From first to last advertisement of each time that one was Active: with gaps of at most two and a half intervals.
    public func spans(of sender: String, interval: Duration) -> [(from: WallTime, to: WallTime)] {
        times(of: sender).reduce(into: []) { spans, time in
            if let last = spans.last, time - last.to <= interval * 5 / 2 {
                spans[spans.count - 1].to = time
            } else {
                spans.append((time, time))
            }
        }
    }

    /// For how long at most two were Active at the same time. A takeover as it should be has none: the one's last
    /// advertisement comes before the other's first.
    public func longestContest(interval: Duration) -> Duration {
        let all = senders.map { spans(of: $0, interval: interval) }
        var longest = Duration.zero
        for (index, ours) in all.enumerated() {
            for theirs in all[(index + 1)...].joined() {
                for span in ours {
                    longest = max(longest, min(span.to, theirs.to) - max(span.from, theirs.from))
                }
            }
        }
        return longest
    }

    /// From the last sign of `old` to the first advertisement of `new` after it; nil without either.
    public func takeover(from old: String, to new: String) -> Duration? {
        guard let last = packets.last(where: { $0.heartbeat.source == old })?.time,
            let first = times(of: new).first(where: { $0 > last })
        else { return nil }
        return first - last
    }
}
