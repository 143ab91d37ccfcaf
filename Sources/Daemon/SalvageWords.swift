import Failover
import Logging
import Operations
import Replication
import Salvage

/// What the log says of writes that were lost, and of where they are.
enum SalvageWords {
    /// A sentence, how important it is, and its stable word.
    typealias Line = (level: Logger.Level, code: String, text: String)

    /// Of a server of ours that was made to follow; nil where it discarded nothing. `folder`: where files are kept; `master`:
    /// what it follows.
    static func line(of account: Rejoin.Account, folder: String, master: Endpoint) -> Line? {
        guard let missing = account.missing else { return line(unknown: account, folder) }
        guard missing.loss.isPossible else { return nil }
        if account.isDiscarded {
            return (.warning, "discarded", "discarded by on_divergence what the new master lacks: \(missing)")
        }
        let places = places(account, folder)
        guard let first = places.first else {
            return (.warning, "discarded", "the new master lacks what was discarded and not kept: \(missing)")
        }
        let saved = "what the new master lacks (\(missing)) is saved in \(places.joined(separator: ", "))"
        guard case .file(let file)? = account.kept.first else {
            return (.warning, "salvaged", "\(saved); 'syncgate salvage list' has all that is kept")
        }
        let option = file.isPlaced ? "" : " --database N"
        let remark = file.isPlaced ? "" : "; \(SalvageHeader.unplacedWords)"
        return (
            .warning, "salvaged",
            "\(saved); see 'syncgate salvage show \(first)'; 'syncgate salvage replay \(first) --to "
                + "\(master.url.addressText)\(master.loginOptions())\(option)' puts it back\(remark)"
        )
    }

    private static func line(unknown account: Rejoin.Account, _ folder: String) -> Line {
        if account.isDiscarded {
            return (.warning, "discarded", "discarded by on_divergence what the new master lacks, which nobody counted")
        }
        let places = places(account, folder).joined(separator: ", ")
        return (
            .warning, "salvaged",
            "the data set that was discarded, and which has no known history, is kept in \(places); "
                + "'syncgate salvage list' has all that is kept"
        )
    }

    private static func places(_ account: Rejoin.Account, _ folder: String) -> [String] {
        account.kept.map { "\(folder)/\($0.name)" }
    }

    /// Of an entry of the history that was amended; nil for any other.
    static func line(of entry: HistoryEntry) -> Line? {
        guard let amendment = entry.amendment, let loss = entry.loss else { return nil }
        let what = "what the promotion of entry \(entry.number) has lost is known now: \(amendment.detail)"
        let lost = amendment.lost
        guard Loss.Kind(rawValue: loss.kind).map({ lost.agrees(with: $0, bytes: loss.bytes) }) ?? true else {
            return (
                .error, "promise_broken",
                "\(what); the account was: \(loss.detail). The fence did not hold, or the old master took writes after it"
            )
        }
        return (lost.loss.isPossible ? .warning : .notice, "amended", "\(what) (was: \(loss.detail))")
    }
}
