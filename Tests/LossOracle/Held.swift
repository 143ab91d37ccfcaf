/// What one place holds of the writes of a failover: a server, a salvage file, a snapshot.
public struct Held: Sendable, Equatable {
    /// The numbers of keys and list elements, by the writer's place in the list of writers.
    public var numbers: [Set<UInt32>]
    /// Of counters: the value that a server has, or how often a file increments it; by the writer's place.
    public var counts: [Int]
    /// How many keys or elements are there more than once.
    public var repeated = 0

    /// Nothing, of so many writers.
    public init(writers: Int) {
        numbers = Array(repeating: [], count: writers)
        counts = Array(repeating: 0, count: writers)
    }

    /// One key or element.
    mutating func insert(_ number: UInt32, of writer: Int) {
        if !numbers[writer].insert(number).inserted { repeated += 1 }
    }

    /// What several places hold together: what stands in two of them is there twice.
    public static func + (one: Held, other: Held) -> Held {
        var sum = one
        sum.repeated += other.repeated
        for writer in other.numbers.indices {
            sum.repeated += sum.numbers[writer].intersection(other.numbers[writer]).count
            sum.numbers[writer].formUnion(other.numbers[writer])
            sum.counts[writer] += other.counts[writer]
        }
        return sum
    }
}

/// What a salvage file holds.
public struct SavedWrites: Sendable, Equatable {
    /// The file.
    public var name: String
    /// Of the writers' writes.
    public var held: Held
    /// Writes that no writer sends, as text.
    public var foreign: [String] = []
    /// Writes in it, counted.
    public var writes: Int64 = 0
    /// How many its header says.
    public var announced: Int64 = 0
    /// Bytes of the old master's stream in it.
    public var bytes: Int64 = 0

    /// Of so many writers.
    public init(name: String, writers: Int) {
        self.name = name
        held = Held(writers: writers)
    }
}

/// What the history of a node says of a promotion.
public struct PromotionRecord: Sendable, Equatable {
    /// Which node's history.
    public var node: Int
    /// The entry's number.
    public var number: Int
    /// `cause`.
    public var cause: String
    /// `loss.kind`: `none`, `exact`, `at_most`, `unknown`.
    public var loss: String
    /// `loss.bytes`.
    public var bytes: Int64?
    /// `amendment`; nil where there is none.
    public var amendment: Amendment?

    /// What was added to it later.
    public struct Amendment: Sendable, Equatable {
        /// What the new master lacked.
        public var bytes: Int64?
        /// Writes among it; nil where they were not counted.
        public var commands: Int64?
        /// Files and snapshots.
        public var kept: [String]

        /// Makes one.
        public init(bytes: Int64?, commands: Int64?, kept: [String] = []) {
            (self.bytes, self.commands, self.kept) = (bytes, commands, kept)
        }
    }

    /// Makes one.
    public init(
        node: Int, number: Int, cause: String, loss: String, bytes: Int64? = nil, amendment: Amendment? = nil
    ) {
        (self.node, self.number, self.cause, self.loss) = (node, number, cause, loss)
        (self.bytes, self.amendment) = (bytes, amendment)
    }
}
