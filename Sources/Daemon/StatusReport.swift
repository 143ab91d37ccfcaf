/// What `status` answers: the daemon, and each virtual router with both of its nodes.
package struct StatusReport: Codable, Sendable, Equatable {
    /// The node that answers.
    package var node: String
    /// The daemon's process.
    package var pid: Int32
    /// When the daemon was started, UTC.
    package var startedAt: String
    /// In the order of the configuration.
    package var virtualRouters: [Router]

    /// One virtual router.
    package struct Router: Codable, Sendable, Equatable {
        /// Its name.
        package var name: String
        /// Its number on the segment.
        package var vrid: Int
        /// The interface of the heartbeat.
        package var interface: String
        /// With prefix lengths.
        package var virtualAddresses: [String]
        /// This node's state: `serving`, …
        package var state: String
        /// Since when, UTC.
        package var since: String
        /// One sentence: why, or what it waits for.
        package var reason: String
        /// The fault's stable word.
        @OrNull package var fault: String?
        /// What to do about it, where something is to be done.
        @OrNull package var next: String?
        /// What is under way on the servers.
        @OrNull package var operation: String?
        /// How many promotions the pair has had.
        package var epoch: UInt64
        /// nil without witnesses.
        @OrNull package var witnessReachable: Bool?
        /// The replica's distance to the master, bytes of the last two readings; nil where they cannot be compared.
        @OrNull package var lagBytes: Int64?
        /// This node first.
        package var nodes: [Node]
    }

    /// One node.
    package struct Node: Codable, Sendable, Equatable {
        /// Its name; nil while the other daemon is not to be seen.
        @OrNull package var node: String?
        /// Whether it is the one that answers.
        package var isLocal: Bool
        /// What it sends advertisements from, or where its Redis is.
        @OrNull package var address: String?
        /// `active`, `backup`, `initialize`; nil where nobody knows.
        @OrNull package var vrrp: String?
        /// Its priority in the election.
        @OrNull package var priority: Int?
        /// Its daemon's state; nil while that is not to be seen.
        @OrNull package var state: String?
        /// Whether it has the virtual addresses.
        @OrNull package var hasVirtualAddresses: Bool?
        /// `ok`, or what is wrong in a few words.
        package var health: String
        /// Its Redis.
        package var redis: Redis
    }

    /// One Redis server as it was last seen.
    package struct Redis: Codable, Sendable, Equatable {
        /// Host and port, without credentials.
        package var address: String
        /// `observed`, `dead`, `silent`, `busy`, `unusable`, `unknown`.
        package var reading: String
        /// What is wrong, in words.
        @OrNull package var detail: String?
        /// `master`, `replica`, `parked`; nil while it is not observed.
        @OrNull package var role: String?
        /// What it follows.
        @OrNull package var follows: String?
        /// Whether its link to the master is up.
        @OrNull package var linkUp: Bool?
        /// The last byte of its data set.
        @OrNull package var offset: Int64?
        /// `master_replid`.
        @OrNull package var replicationId: String?
        /// Its version.
        @OrNull package var version: String?
        /// Whether it is loading its data set.
        @OrNull package var loading: Bool?
        /// How old the reading is.
        @OrNull package var ageMs: Double?
    }
}
