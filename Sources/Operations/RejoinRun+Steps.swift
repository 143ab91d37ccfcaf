import RedisClient
import Replication
import Salvage
import Synchronization

// The steps of a rejoin, each to the event that it leads to.

extension RejoinRun {
    // MARK: The fence

    /// A replica needs none; a fence that is up is renewed.
    func raiseFence(for duration: Duration, _ known: ReplicationInfo?) async -> Rejoin.Event {
        if let renewed = await renewal(for: duration) { return renewed }
        let info: ReplicationInfo
        do throws(ServerTrouble) { info = try await old.observe().info } catch {
            return .unreachable(.old, reason: "\(error)")
        }
        guard let runID = info.server?.runID else { return .fenceFailed("its INFO has no run_id") }
        if info.masterLink?.isReadOnly == true { return .fenced(.readOnlyReplica, until: nil, runID: runID) }
        switch await fence.raise(for: duration, on: info) {
        case .raised(let observation, let kind, let until):
            recorder.record("fenced", "its writes are fenced", at: observation.at)
            return .fenced(kind, until: until, runID: observation.info.server?.runID ?? runID)
        case .failed(let reason), .lockedOut(let reason): return .fenceFailed(reason)
        case .lost(let trouble): return .unreachable(.old, reason: "\(trouble)")
        }
    }

    private func renewal(for duration: Duration) async -> Rejoin.Event? {
        guard let kind = await fence.fence, let renewed = await fence.renew(for: duration) else { return nil }
        return .fenced(kind, until: renewed.until, runID: renewed.runID)
    }

    /// Executes what may take long, while the fence is renewed whenever the rejoin says so.
    private func whileFenced(
        _ progress: inout Progress, _ body: @escaping @Sendable () async -> [Rejoin.Event]
    ) async -> [Rejoin.Event] {
        await withTaskGroup(of: [Rejoin.Event]?.self) { group in
            // It may block for as long as a data set is copied; what renews the fence must not wait for that.
            group.addTask(executorPreference: globalConcurrentExecutor) { await body() }
            sleep(until: progress.rejoin.deadline, in: &group)
            for await piece in group {
                if let events = piece {
                    group.cancelAll()
                    return events
                }
                for action in progress.rejoin.handle(.deadlineReached, now: .now) {
                    guard case .fence(let duration) = action else { continue }
                    let event = await renewal(for: duration) ?? .fenceFailed("it could not be renewed")
                    _ = progress.rejoin.handle(event, now: .now)
                }
                sleep(until: progress.rejoin.deadline, in: &group)
            }
            return []
        }
    }

    /// Ends with nil at the deadline, if there is one; its end is of no interest once the body's has come.
    private func sleep(until deadline: Instant?, in group: inout TaskGroup<[Rejoin.Event]?>) {
        guard let deadline else { return }
        group.addTask {
            do { try await Task.sleep(for: max(deadline - .now, .zero)) } catch {}
            return nil
        }
    }

    func releaseFence() async {
        if let problem = await fence.release() {
            recorder.record("release_failed", "the fence could not be released (\(problem)); it ends by itself")
        }
    }

    // MARK: The look

    func examine(_ progress: inout Progress) async -> Rejoin.Event {
        async let ours = PromotionLoop.read(old)
        async let theirs = PromotionLoop.read(new)
        let (old, new) = await (ours, theirs)
        switch (old, new) {
        case (.failure(let trouble), _): return .unreachable(.old, reason: "\(trouble)")
        case (_, .failure(let trouble)): return .unreachable(.new, reason: "\(trouble)")
        case (.success(let old), .success(let new)):
            if let ending = obstacle(decide(old.info, new.info)) {
                progress.ending = ending
                return .aborted
            }
            progress.lookedAtOn = await self.old.connectionCount
            let reading = Rejoin.Reading(
                old: old.info, new: new.info, snapshotBytes: old.info.usedMemory,
                freeBytes: progress.writer.freeBytes)
            progress.reading = reading
            return .examined(reading)
        }
    }

    /// What it holds beyond the new master is the rejoin's own question.
    private func obstacle(_ decision: Demotion.Decision) -> Ending? {
        switch decision {
        case .follow, .refuse(.wouldDiscard(.bytes)), .refuse(.peerOlder): nil
        case .alreadyFollows: .overtaken
        case .swapRoles: .refused(.fenceFailed("the peer follows the local server now"))
        case .refuse(let reason): .refused(reason)
        }
    }

    // MARK: What is kept

    /// Fenced as a master is, so that nobody writes when it is one.
    func detach(fencedFor duration: Duration, _ progress: Progress) async -> Rejoin.Event {
        guard let info = progress.reading?.old else { return .stepFailed(.detach("it was not looked at")) }
        switch await fence.raise(for: duration, on: info) {
        case .raised(_, let kind, let until):
            do throws(ServerTrouble) {
                try await ServerOrders.promote(old)
                recorder.record("detached", "a master again, fenced, so that its backlog can be read")
                return .detached(kind, until: until)
            } catch {
                return .stepFailed(.detach("\(error)"))
            }
        case .failed(let reason), .lockedOut(let reason): return .stepFailed(.detach(reason))
        case .lost(let trouble): return .unreachable(.old, reason: "\(trouble)")
        }
    }

    func read(_ span: StreamSpan, _ lead: Int64, _ progress: inout Progress) async -> [Rejoin.Event] {
        guard let reading = progress.reading else { return [] }
        recorder.record(
            "reading_backlog",
            "\(span.count) bytes beyond \(newURL), from offset \(span.from), are read from the backlog")
        let endpoint = await old.endpoint
        let timeout = old.timeout
        let received = Received()
        var events = await whileFenced(&progress) {
            do throws(StreamReadError) {
                let bytes = try await StreamConnection.read(
                    from: endpoint.url, tls: endpoint.tls, id: span.psyncID, at: span.from - lead,
                    count: span.count + lead, timeout: timeout)
                received.reading.withLock {
                    $0 = BacklogReading.result(bytes, of: span, lead: lead, old: reading.old, new: reading.new)
                }
                return []
            } catch {
                return [.stepFailed(.read("\(error)"))]
            }
        }
        switch received.reading.withLock(\.self) {
        case .success(let backlog)?:
            progress.backlog = backlog
            events.append(.read(backlog.tally))
        case .failure(let failure)?: events.append(.stepFailed(failure))
        case nil: break
        }
        return events
    }

    func write(_ span: StreamSpan, _ tally: StreamTally, _ progress: Progress) -> Rejoin.Event {
        guard let payload = progress.backlog?.payload else { return .stepFailed(.file("nothing was read")) }
        let origin = progress.reading.flatMap {
            SalvageHeader.Origin(of: span, old: $0.old, new: $0.new, promotion: options.promotion)
        }
        var header = SalvageHeader(
            tally, of: span, origin: origin, node: options.node, time: WallClock.now, transition: options.transition)
        (header.epoch, header.writtenAfter) = (options.epoch, options.writtenAfter)
        return step(.written) { () throws(FileTrouble) in try progress.writer.write(header, payload) }
    }

    func rename(_ progress: Progress) -> Rejoin.Event {
        do throws(FileTrouble) {
            let name = try progress.writer.finish()
            let tally = progress.backlog?.tally
            let unplaced = tally.map { $0.firstDatabase == nil } ?? false ? "; \(SalvageHeader.unplacedWords)" : ""
            recorder.record(
                "salvaged",
                "\(tally?.writes ?? 0) commands (\(tally?.bytes ?? 0) bytes) are safe in \(folder)/\(name)\(unplaced)")
            return .renamed(name)
        } catch {
            return .stepFailed(.file("\(error)"))
        }
    }

    func step(_ event: Rejoin.Event, _ body: () throws(FileTrouble) -> Void) -> Rejoin.Event {
        do throws(FileTrouble) {
            try body()
            return event
        } catch {
            return .stepFailed(.file("\(error)"))
        }
    }

    func keepSnapshot(_ reason: SnapshotReason, _ progress: inout Progress) async -> [Rejoin.Event] {
        guard let reading = progress.reading else { return [] }
        recorder.record("saving", "a snapshot of its data set is kept: \(reason)")
        let name = snapshotName(reading)
        let (old, new, folder, isStopping) = (old, new, folder, isStopping)
        let events = await whileFenced(&progress) {
            let run = SnapshotRun(server: old, writer: SalvageWriter(folder: folder)) {
                if isStopping() { return .stopped }
                if case .failure(let trouble) = await PromotionLoop.read(new, isBrief: true) {
                    return .newMasterLost("\(trouble)")
                }
                return nil
            }
            switch await run.run(as: name) {
            case .kept(let name): return [.snapshotKept(name)]
            case .failed(let words): return [.stepFailed(.snapshot(words))]
            case .interrupted(.stopped): return [.aborted]
            case .interrupted(.newMasterLost(let words)): return [.unreachable(.new, reason: words)]
            }
        }
        if events.contains(.snapshotKept(name)) {
            recorder.record("salvaged", "the data set as it was is safe in \(folder)/\(name)")
        }
        return events
    }

    private func snapshotName(_ reading: Rejoin.Reading) -> String {
        let range = SalvageRange(old: reading.old, new: reading.new, promotion: options.promotion)
        let from: Int64 =
            switch range {
            case .backlog(let span, _), .notCovered(let span, _): span.from
            case .none, .unrelated, .unknown: 0
            }
        let id = reading.old.identity?.id ?? reading.old.server?.runID ?? "unknown"
        var header = SalvageHeader(
            node: options.node, time: WallClock.now, replicationID: id, from: from,
            to: max(reading.old.dataOffset + 1, from), commands: 0, database: nil, transition: options.transition)
        header.epoch = options.epoch
        return SalvageFileName(header).snapshot
    }

    // MARK: The end

    /// `INFO` and `SLAVEOF` in one write, on the connection that it was looked at on: a process that was restarted since has no
    /// fence, and is not told.
    func follow(_ account: Rejoin.Account, _ until: Instant?, _ progress: inout Progress) async -> Rejoin.Event {
        announceResync(account, progress.reading)
        let isLost = await old.isLost
        guard !isLost, await old.connectionCount == progress.lookedAtOn else {
            return .followFailed("its connection was lost after the last look: it may have been restarted")
        }
        if let until, ContinuousClock.now >= until { return .followFailed("its fence has ended") }
        do throws(ServerTrouble) {
            let outcomes = try await old.perform([
                ["INFO", "replication"], ["SLAVEOF", target.host, String(target.port)],
            ])
            if case .failure(let error) = outcomes[1] { return .followFailed("SLAVEOF: \(error)") }
            recorder.record("following", "SLAVEOF \(target.host) \(target.port)")
            let before = try Server.observation(outcomes[0], at: .now).info
            await disconnectClients()
            return .followed(offset: before.masterLink == nil ? before.masterReplicationOffset : nil)
        } catch {
            return await lookAgain(after: error, until, progress)
        }
    }

    /// For how long a server that does not answer any more is asked whether it was told.
    private static let longestStall = Duration.seconds(3)

    /// The answer was lost: it may have been told all the same, now or when it goes on.
    private func lookAgain(
        after trouble: ServerTrouble, _ until: Instant?, _ progress: Progress
    ) async -> Rejoin.Event {
        var found: ReplicationInfo?
        let end = ContinuousClock.now + Self.longestStall
        while found == nil {
            do throws(ServerTrouble) { found = try await old.observePatiently().info } catch {
                guard case .silent = error, ContinuousClock.now < end else {
                    return .followFailed("\(trouble); whether it was told is not known: \(error)")
                }
            }
        }
        guard let link = found?.masterLink, link.host == target.host, link.port == target.port else {
            return .followFailed("\(trouble)")
        }
        recorder.record(
            "following", "it follows \(target.host) \(target.port), although its answer was lost (\(trouble))")
        guard let last = progress.reading?.old, last.masterLink == nil else { return .followed(offset: nil) }
        // Behind a fence that still holds, nothing was written since the last look.
        if let until, ContinuousClock.now < until {
            await disconnectClients()
            return .followed(offset: last.masterReplicationOffset)
        }
        await restore("it was told to follow after its fence had ended")
        return .followFailed("\(trouble)")
    }

    private func disconnectClients() async {
        do throws(ServerTrouble) { _ = try await ServerOrders.disconnectClients(of: old) } catch {
            recorder.record("disconnect_failed", "its clients could not be disconnected: \(error)")
        }
    }

    private func announceResync(_ account: Rejoin.Account, _ reading: Rejoin.Reading?) {
        guard let reading,
            let words = FullResync.words(
                for: reading.old, from: reading.new, at: newURL, isAhead: account.missing.map { $0.bytes > 0 } ?? true)
        else { return }
        recorder.record(FullResync.step, words)
    }

    func park() async {
        do throws(ServerTrouble) { try await ServerOrders.park(old) } catch {
            recorder.record("park_failed", "it could not be made read-only again: \(error)")
        }
    }
}

/// What one task reads for another.
private final class Received: Sendable {
    let reading = Mutex<Result<BacklogReading, SalvageFailure>?>(nil)
}
