import RedisClient
import Replication
import Salvage

/// Executes one `Rejoin` on real servers: fences the old master, makes safe what it holds beyond the new one, and only then
/// makes it follow.
struct RejoinRun: Sendable {
    /// How it ended.
    enum Ending: Sendable {
        /// It follows.
        case followed(Rejoin.Account)
        /// Another run has made it follow meanwhile.
        case overtaken
        /// It may not follow that server, or not at this cost.
        case refused(Demotion.Reason)
        /// What it holds could not be made safe.
        case keptBack(SalvageRefusal)
        /// It was told to follow after its fence had ended, is a master again, and these bytes were written meanwhile.
        case leaked(Int64)
        /// It could not be told to follow: the words. What was kept is safe.
        case failed(String)
        /// A signal.
        case aborted
    }

    /// The server that is to follow, and the one that it is to follow.
    let old: Server
    let new: Server
    /// The new one's address as the old one reaches it.
    let target: (host: String, port: Int)
    /// Its address, as it is shown.
    let newURL: RedisURL
    let fence: MasterFence
    let options: SalvageOptions
    let folder: String
    let recorder: StepRecorder
    let isStopping: @Sendable () -> Bool
    /// May it follow, by what both say now?
    let decide: @Sendable (ReplicationInfo, ReplicationInfo) -> Demotion.Decision
    /// Whether writes may be left behind at all.
    let acceptsSurplus: Bool

    /// What it carries from one action to the next.
    struct Progress {
        var rejoin = Rejoin()
        var reading: Rejoin.Reading?
        var backlog: BacklogReading?
        let writer: SalvageWriter
        /// The connection to the old master that it was looked at on.
        var lookedAtOn = 0
        /// Why it is given up, where that is not the rejoin's decision.
        var ending: Ending?
    }

    /// For how long a fence is raised at a time.
    static let fenceTime = Duration.seconds(5)

    /// Runs to the end. The fence is released when it returns, or ends by itself.
    func run() async -> Ending {
        var progress = Progress(writer: SalvageWriter(folder: folder))
        progress.writer.removeStale()
        var events: [Rejoin.Event] = [.requested(request)]
        while true {
            // Nothing comes for a state that waits only when its action was interrupted.
            let next = events.isEmpty ? .aborted : events.removeFirst()
            let event = isStopping() && progress.rejoin.canBeAborted ? .aborted : next
            for action in progress.rejoin.handle(event, now: .now) {
                if case .finish(let outcome) = action { return await end(outcome, progress) }
                events += await execute(action, &progress)
            }
        }
    }

    private var request: Rejoin.Request {
        var saved: [Rejoin.SavedFile] = []
        do throws(SalvageFolderError) {
            saved = try SalvageFolder(path: folder).entries().compactMap(\.saved)
        } catch {
            // What cannot be read is saved again.
            recorder.record("salvage_folder", "\(error)")
        }
        return Rejoin.Request(
            policy: acceptsSurplus ? options.policy : .refuse, promotion: options.promotion, saved: saved,
            allowsDetaching: true, fenceTime: Self.fenceTime)
    }

    private func execute(_ action: Rejoin.Action, _ progress: inout Progress) async -> [Rejoin.Event] {
        switch action {
        case .fence(let duration): return [await raiseFence(for: duration, progress.reading?.old)]
        case .examine: return [await examine(&progress)]
        case .detach(let duration): return [await detach(fencedFor: duration, progress)]
        case .readBacklog(let span, let lead): return await read(span, lead, &progress)
        case .snapshot(let reason): return await keepSnapshot(reason, &progress)
        case .writeFile(let span, let tally): return [write(span, tally, progress)]
        case .syncFile:
            return [step(.synced) { () throws(FileTrouble) in try progress.writer.sync() }]
        case .renameFile: return [rename(progress)]
        case .discardPartialFile:
            progress.writer.discard()
            return []
        case .follow(let account, let until): return [await follow(account, until, &progress)]
        case .park:
            await park()
            return []
        case .releaseFence:
            await releaseFence()
            return []
        case .finish: return []
        }
    }

    private func end(_ outcome: Rejoin.Outcome, _ progress: Progress) async -> Ending {
        switch outcome {
        case .followed(let account, nil): return .followed(account)
        case .followed(_, let leaked?):
            await restore("\(leaked) bytes were written behind the fence")
            return .leaked(leaked)
        case .refused(.byPolicy(let bytes)) where !acceptsSurplus:
            return .refused(.wouldDiscard(bytes.map { .bytes($0) } ?? .dataSet(keys: progress.reading?.old.keys)))
        case .refused(let refusal): return progress.ending ?? .keptBack(refusal)
        case .failed(let words, _): return .failed(words)
        case .aborted: return progress.ending ?? .aborted
        }
    }

    /// What was written behind a fence that had ended is not safe: the old master gets its role back before the new one's
    /// data set takes the place of its own.
    func restore(_ why: String) async {
        do throws(ServerTrouble) {
            try await ServerOrders.promote(old)
            recorder.record("restored", "\(why): it is master again")
        } catch {
            recorder.record("restore_failed", "\(why), and it follows by now: \(error)")
        }
    }
}
