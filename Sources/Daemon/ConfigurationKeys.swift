// Every key that a configuration file may have, by section.

/// The names of the keys of one section, in the order of the reference file.
protocol ConfigurationKey: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
    /// Whether its value is shown in messages.
    var isSecret: Bool { get }
}

extension ConfigurationKey {
    var isSecret: Bool { false }
    static var names: [String] { allCases.map(\.rawValue) }
}

/// Above all sections.
enum RootKey: String, ConfigurationKey {
    case node
    case stateDirectory = "state_directory"
    case salvageDirectory = "salvage_directory"
    case control
    case log
    case realTime = "real_time"
    case virtualRouter = "virtual_router"
}

/// `[control]`.
enum ControlKey: String, ConfigurationKey {
    case socket, mode, owner, group
}

/// `[log]`.
enum LogKey: String, ConfigurationKey {
    case level, format
}

/// `[real_time]`.
enum RealTimeKey: String, ConfigurationKey {
    case enabled, priority
    case lockMemory = "lock_memory"
}

/// `[[virtual_router]]`.
enum RouterKey: String, ConfigurationKey {
    case name, vrid, interface, addresses, priority, version
    case advertisementInterval = "advertisement_interval"
    case preempt
    case preemptDelay = "preempt_delay"
    case source
    case unicastPeers = "unicast_peers"
    case minHopLimit = "min_hop_limit"
    case authPass = "auth_pass"
    case plainChecksum = "checksum_without_pseudo_header"
    case addressLifetime = "address_lifetime"
    case announceRepeat = "announce_repeat"
    case announceDelay = "announce_delay"
    case announceRefresh = "announce_refresh"
    case announce
    case downAfter = "down_after"
    case sampleInterval = "sample_interval"
    case connectTimeout = "connect_timeout"
    case promoteTimeout = "promote_timeout"
    case onTimeout = "on_timeout"
    case maxLoss = "max_loss"
    case onDivergence = "on_divergence"
    case switchoverTimeout = "switchover_timeout"
    case waitForPeer = "wait_for_peer"
    case startGrace = "start_grace"
    case retryAfter = "retry_after"
    case writeFence = "write_fence"
    case witnesses, local, peer, hooks

    var isSecret: Bool { self == .authPass }
}

/// `[virtual_router.local]` and `[virtual_router.peer]`.
enum ServerKey: String, ConfigurationKey {
    case url, user, password
    case passwordFile = "password_file"
    case passwordEnvironment = "password_env"
    case authorityFile = "ca_file"
    case certificateFile = "cert_file"
    case keyFile = "key_file"
    case serverName = "server_name"

    var isSecret: Bool { self == .password || self == .url }
}

/// `[virtual_router.hooks]`.
enum HookKey: String, ConfigurationKey {
    case onPromote = "on_promote"
    case onDemote = "on_demote"
    case onFault = "on_fault"
    case onStop = "on_stop"
    case timeout
}

/// The sections, for those who write the reference, and for hints about keys in the wrong one.
package enum ConfigurationSchema {
    /// Each section's header, and its keys in the order of the reference file.
    package static let sections: [(header: String, keys: [String])] = [
        ("", RootKey.names), ("[control]", ControlKey.names), ("[log]", LogKey.names),
        ("[real_time]", RealTimeKey.names), ("[[virtual_router]]", RouterKey.names),
        ("[virtual_router.local]", ServerKey.names), ("[virtual_router.peer]", ServerKey.names),
        ("[virtual_router.hooks]", HookKey.names),
    ]

    /// The section that this key belongs to, and only it; nil where there is none or there are several.
    static func home(of key: String) -> String? {
        let homes = sections.filter { $0.keys.contains(key) }.map(\.header)
        guard homes.count == 1, let home = homes.first else { return nil }
        return home.isEmpty ? "the top of the file" : home
    }
}
