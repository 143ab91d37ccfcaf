import Failover
import Replication

/// What a hook is told by its environment, beside keepalived's arguments. Every variable is there, empty where it means
/// nothing.
enum HookEnvironment {
    static func variables(
        _ configuration: VirtualRouterConfiguration, _ hook: Hook, _ transition: Transition?
    ) -> [(String, String)] {
        let loss = transition?.loss ?? .none
        return [
            ("SYNCGATE_ROUTER", configuration.node.name), ("SYNCGATE_NODE", configuration.node.node),
            ("SYNCGATE_HOOK", hook.rawValue), ("SYNCGATE_INTERFACE", configuration.interface),
            ("SYNCGATE_ADDRESSES", configuration.node.virtualAddresses.map { "\($0)" }.joined(separator: " ")),
            ("SYNCGATE_STATE", transition?.to.rawValue ?? ""), ("SYNCGATE_FROM", transition?.from.rawValue ?? ""),
            ("SYNCGATE_CAUSE", transition?.cause ?? ""), ("SYNCGATE_REASON", transition?.reason.onOneLine ?? ""),
            ("SYNCGATE_LOSS", loss.kind.rawValue), ("SYNCGATE_LOSS_BYTES", loss.bytes.map { "\($0)" } ?? ""),
            ("SYNCGATE_WRITE_GAP_MS", transition?.writeGap.map { "\($0.inMilliseconds)" } ?? ""),
        ]
    }
}

extension String {
    /// Without line breaks and other control characters.
    fileprivate var onOneLine: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : $0 }))
    }
}

extension Hook {
    /// The state as keepalived's notify scripts have it.
    var keepalivedState: String {
        switch self {
        case .promote: "MASTER"
        case .demote: "BACKUP"
        case .fault: "FAULT"
        case .stop: "STOP"
        }
    }
}
