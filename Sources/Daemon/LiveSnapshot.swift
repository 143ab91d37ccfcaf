internal import Glibc
internal import Salvage

/// Whether a snapshot of the local server's data set could be kept: Redis writes one into its own folder, and this process
/// links or copies it.
enum LiveSnapshot {
    static func findings(of server: LiveServer, _ policy: DivergencePolicy) -> [LiveFinding] {
        guard policy == .salvage || policy == .snapshot, let folder = server.settings["dir"],
            let name = server.settings["dbfilename"], !folder.isEmpty, !name.isEmpty
        else { return [] }
        guard let trouble = trouble(folder, name) else {
            guard geteuid() != 0 else {
                return [
                    server.finding(
                        .note, "snapshot",
                        "keeps its snapshots in \(folder); whether the daemon's user can read them, root cannot tell",
                        advice: LiveCheck.asDaemonsUser)
                ]
            }
            return [server.finding(.ok, "snapshot", "keeps its snapshots where this user can read them (\(folder))")]
        }
        return [
            server.finding(
                .warning, "snapshot", "\(trouble): where its writes cannot be saved one by one, it does not follow",
                advice:
                    "usermod -aG redis syncgate (the daemon's user into Redis's group), or SupplementaryGroups=redis "
                    + "in the unit; then restart the daemon")
        ]
    }

    /// What is in the way; nil for nothing. A snapshot that was never made is no trouble.
    static func trouble(_ folder: String, _ name: String) -> String? {
        let path = folder == "/" ? "/\(name)" : "\(folder)/\(name)"
        guard FilePlace.isSearchableFolder(folder) else {
            return "keeps its snapshots in \(folder), which this user may not look into"
        }
        guard !FilePlace.exists(path) || FilePlace.isReadable(path) else {
            return "keeps its snapshots in \(path), which this user may not read"
        }
        return nil
    }
}
