/// What a writer's notes say, beside what a server holds.
struct Check {
    let acks: [Acknowledgement]
    let prefix: String

    init(_ options: Options) throws(ClientError) {
        let bytes = try Files.read(try options.text("acks"))
        acks = bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: MemoryLayout<Acknowledgement>.size).map {
                raw.loadUnaligned(fromByteOffset: $0, as: Acknowledgement.self)
            }
        }
        prefix = options.text("prefix", default: "w")
    }

    /// The acknowledged writes that the server lacks; nil where no server can be reached.
    func lost(_ finder: Finder) throws(ClientError) -> [Acknowledgement]? {
        let link: Connection
        do throws(ClientError) { link = try finder.connect() } catch { return nil }
        var lost: [Acknowledgement] = []
        for start in stride(from: 0, to: acks.count, by: 500) {
            let part = acks[start..<min(start + 500, acks.count)]
            try link.send(part.map { ["EXISTS", $0.key(prefix)] })
            for ack in part where try link.reply() != .integer(1) { lost.append(ack) }
        }
        return lost
    }

    /// The longest time without an acknowledgement that ends after `since`; nil where none came after it.
    func gap(since: Int64) -> (from: Int64, to: Int64)? {
        var longest: (from: Int64, to: Int64)?
        for (one, next) in zip(acks, acks.dropFirst()) where next.time > since {
            if next.time - one.time > longest.map({ $0.to - $0.from }) ?? -1 { longest = (one.time, next.time) }
        }
        return longest
    }

    /// Prints `name=value` lines; times in ns.
    func report(_ options: Options) throws(ClientError) {
        let since = Int64(try options.number("since", default: 0))
        let lost = try lost(Finder(target: try options.target(), connectTimeout: 1000, timeout: 10_000))
        print("acked=\(acks.count)")
        print("acked_since=\(acks.count { $0.time > since })")
        if let lost { print("lost=\(lost.count)") }
        if let first = lost?.first, let last = lost?.last {
            print("lost_first=\(first.time)")
            print("lost_last=\(last.time)")
        }
        if let gap = gap(since: since) {
            print("gap=\(gap.to - gap.from)")
            print("gap_from=\(gap.from)")
            print("gap_to=\(gap.to)")
            if since > 0 { print("recovered=\(max(gap.to - since, 0))") }
        }
    }
}
