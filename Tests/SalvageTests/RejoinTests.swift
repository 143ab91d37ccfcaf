import Testing

@testable import Replication
@testable import Salvage

/// A rejoining that is told what happens, and compared with what it does.
private struct Story {
    var rejoin = Rejoin()
    var now = at(0)

    mutating func after(_ event: Rejoin.Event, at milliseconds: Int = 0) -> [Rejoin.Action] {
        now = max(now, at(milliseconds))
        return rejoin.handle(event, now: now)
    }

    /// Requested and fenced for 5 s.
    init(_ policy: DivergencePolicy = .salvage, saved: [Rejoin.SavedFile] = [], allowsDetaching: Bool = true) {
        let request = Rejoin.Request(policy: policy, saved: saved, allowsDetaching: allowsDetaching)
        #expect(after(.requested(request)) == [.fence(for: .seconds(5))])
        #expect(after(.fenced(.clientPause, until: at(5000), runID: oldRunID)) == [.examine])
    }

    mutating func look(
        _ old: ReplicationInfo, _ new: ReplicationInfo = promoted(at: 100), free: Int64? = nil, at milliseconds: Int = 0
    ) -> [Rejoin.Action] {
        after(
            .examined(.init(old: old, new: new, snapshotBytes: 1000, freeBytes: free)), at: milliseconds)
    }
}

private let tally310 = StreamTally(from: 101, to: 411, writes: 10, bookkeeping: 2, firstDatabase: 3)
private let file310 = Rejoin.SavedFile(name: "f.resp", span: span(101, 411), writes: 10)
private let exact310 = LossAmendment(bytes: 310, commands: 10)
private let nothing = LossAmendment(bytes: 0, commands: 0)

@Suite("Rejoin: the order of the steps")
struct RejoinTests {
    @Test("nothing beyond the new master: it follows at once")
    func nothingToSave() {
        var story = Story()
        #expect(story.look(master(oldID, at: 100)) == [.follow(.init(missing: nothing), before: at(5000))])
        #expect(
            story.after(.followed(offset: 114)) == [
                .releaseFence, .finish(.followed(.init(missing: nothing), leaked: nil)),
            ])
        #expect(story.after(.aborted) == [])
    }

    @Test("310 bytes: read, write, sync, rename, look again, follow")
    func salvage() {
        var story = Story()
        #expect(story.look(master(oldID, at: 410)) == [.readBacklog(span(101, 411), lead: 100)])
        #expect(story.after(.read(tally310)) == [.writeFile(span(101, 411), tally310)])
        #expect(story.after(.written) == [.syncFile])
        #expect(story.after(.synced) == [.renameFile])
        #expect(story.after(.renamed("f.resp")) == [.examine])
        let account = Rejoin.Account(missing: exact310, kept: [.file(file310)])
        #expect(story.look(master(oldID, at: 410)) == [.follow(account, before: at(5000))])
        #expect(
            story.after(.followed(offset: 410)) == [.releaseFence, .finish(.followed(account, leaked: nil))])
    }

    @Test("what it wrote meanwhile is read as well; PINGs need no file")
    func rest() {
        var story = saved310()
        #expect(story.look(master(oldID, at: 438)) == [.readBacklog(span(411, 439), lead: 410)])
        #expect(story.after(.read(.init(from: 411, to: 439, writes: 0, bookkeeping: 2))) == [.examine])
        let account = Rejoin.Account(missing: .init(bytes: 338, commands: 10), kept: [.file(file310)])
        #expect(story.look(master(oldID, at: 438)) == [.follow(account, before: at(5000))])
    }

    @Test(
        "what is not whole is not kept",
        arguments: [
            StreamTally(from: 101, to: 410, writes: 10),
            StreamTally(from: 101, to: 412, writes: 10),
            StreamTally(from: 0, to: 411, writes: 10),
            StreamTally(from: 102, to: 411, writes: 10),
            StreamTally(from: 101, to: 411, writes: 9, ending: .midCommand(at: 400, bytes: 11)),
            StreamTally(from: 101, to: 411, writes: 9, ending: .midTransaction(at: 400, bytes: 11, writes: 1)),
            StreamTally(from: 101, to: 410, writes: 0),
        ])
    func notWhole(tally: StreamTally) {
        var story = Story()
        _ = story.look(master(oldID, at: 410))
        let failure = SalvageFailure.notWhole(asked: span(101, 411), got: tally)
        #expect(story.after(.read(tally)) == [.snapshot(.salvageFailed(failure))])
    }

    @Test("a file may begin with the command that the new master got a part of")
    func lead() {
        var story = Story()
        _ = story.look(master(oldID, at: 410))
        let tally = StreamTally(from: 90, to: 411, writes: 11)
        #expect(story.after(.read(tally)) == [.writeFile(span(101, 411), tally)])
        for event in [Rejoin.Event.written, .synced] { _ = story.after(event) }
        _ = story.after(.renamed("f.resp"))
        let file = Rejoin.SavedFile(name: "f.resp", span: span(90, 411), writes: 11, isPlaced: false)
        let account = Rejoin.Account(missing: .init(bytes: 310, commands: 11), kept: [.file(file)])
        #expect(story.look(master(oldID, at: 410)) == [.follow(account, before: at(5000))])
    }

    @Test(
        "the lead is what the backlog has before, 64 KiB at most; before Redis 4 all of it",
        arguments: [
            (oldID, 1_000_000, 1, 65_536), (oldID, 1_000_000, 999_000, 1001), (oldID, 1_000_000, 1_000_001, 0),
            (nil, 1_000_000, 1, 1_000_000),
            // 1 MiB is full: what comes until it is read, pushes out its beginning.
            (nil, 2_000_000, 951_475, 1_015_758), (oldID, 2_000_000, 951_475, 65_536),
            (oldID, 2_000_000, 1_950_000, 50_001),
        ] as [(String?, Int64, Int64, Int64)])
    func leads(id: String?, offset: Int64, first: Int64, lead: Int64) {
        var rejoin = Rejoin()
        let promotion = RememberedPromotion(masterRunID: oldRunID, replicationID: id ?? oldRunID, offset: offset)
        let request = Rejoin.Request(policy: .salvage, promotion: promotion, allowsDetaching: false)
        _ = rejoin.handle(.requested(request), now: start)
        _ = rejoin.handle(.fenced(.clientPause, until: at(5000), runID: oldRunID), now: start)
        let reading = Rejoin.Reading(
            old: master(id, at: offset + 50, first: first), new: master(nil, at: 1, runID: newRunID),
            snapshotBytes: nil, freeBytes: nil)
        #expect(
            rejoin.handle(.examined(reading), now: start)
                == [.readBacklog(span(offset + 1, offset + 51, id ?? oldRunID), lead: lead)])
    }

    @Test(
        "nothing is read from the first 32 KiB of a full backlog but what is missing there",
        arguments: [(951_424, 0), (984_192, 0), (984_202, 10)] as [(Int64, Int64)])
    func fullBacklog(promotion: Int64, lead: Int64) {
        var story = Story()
        // 1 MiB, from 951,425 on.
        #expect(
            story.look(master(oldID, at: 2_000_000, first: 951_425), promoted(at: promotion))
                == [.readBacklog(span(promotion + 1, 2_000_001), lead: lead)])
    }

    @Test("where 64 KiB do not tell the database, all of the backlog is read before what is missing, once")
    func database() {
        let old = master(oldID, at: 900_310)
        let missing = span(900_001, 900_311)
        let unplaced = StreamTally(from: 900_001, to: 900_311, writes: 10)
        let placed = StreamTally(from: 900_001, to: 900_311, writes: 10, firstDatabase: 3)
        func asked() -> Story {
            var story = Story()
            #expect(story.look(old, promoted(at: 900_000)) == [.readBacklog(missing, lead: 65_536)])
            #expect(story.after(.read(unplaced)) == [.readBacklog(missing, lead: 900_000)])
            return story
        }
        func kept(_ story: Story) -> [Rejoin.Action] {
            var story = story
            for event in [Rejoin.Event.written, .synced] { _ = story.after(event) }
            _ = story.after(.renamed("f.resp"))
            return story.look(old, promoted(at: 900_000))
        }
        func account(isPlaced: Bool) -> [Rejoin.Action] {
            let file = Rejoin.SavedFile(name: "f.resp", span: missing, writes: 10, isPlaced: isPlaced)
            return [.follow(.init(missing: exact310, kept: [.file(file)]), before: at(5000))]
        }
        var story = asked()
        #expect(story.after(.read(placed)) == [.writeFile(missing, placed)])
        #expect(kept(story) == account(isPlaced: true))
        story = asked()
        #expect(story.after(.read(unplaced)) == [.writeFile(missing, unplaced)])
        #expect(kept(story) == account(isPlaced: false))
        // What was read first is as good as it was.
        story = asked()
        #expect(story.after(.stepFailed(.read("no"))) == [.writeFile(missing, unplaced)])
    }

    @Test("keys that expire behind a password fence do not hold it up, and are no writes that are lost")
    func expiry() {
        var expired = StreamTally(from: 411, to: 461, writes: 2, firstDatabase: 0)
        expired.deletions = 2
        func look(_ fence: Fence, at milliseconds: Int = 0) -> Story {
            var story = saved310(behind: fence)
            #expect(
                story.look(master(oldID, at: 460), at: milliseconds) == [.readBacklog(span(411, 461), lead: 410)])
            return story
        }
        var story = look(.password)
        let account = Rejoin.Account(missing: .init(bytes: 360, commands: 10), kept: [.file(file310)])
        #expect(story.after(.read(expired)) == [.follow(account, before: at(5000))])
        // Too late for this look: the next one tells.
        story = look(.password, at: 4400)
        #expect(story.after(.read(expired), at: 4600) == [.examine])
        // The other fence stops expiry; and what else was written is kept.
        story = look(.clientPause)
        #expect(story.after(.read(expired)) == [.writeFile(span(411, 461), expired)])
        var written = expired
        written.writes = 3
        story = look(.password)
        #expect(story.after(.read(written)) == [.writeFile(span(411, 461), written)])
    }

    @Test("what was deleted before the fence, or after it had ended, is kept")
    func deletions() {
        var first = StreamTally(from: 101, to: 411, writes: 10, firstDatabase: 0)
        first.deletions = 10
        var story = Story()
        _ = story.after(.fenced(.password, until: at(5000), runID: oldRunID))
        _ = story.look(master(oldID, at: 410))
        #expect(story.after(.read(first)) == [.writeFile(span(101, 411), first)])
        var second = StreamTally(from: 411, to: 461, writes: 2, firstDatabase: 0)
        second.deletions = 2
        story = saved310(behind: .password)
        _ = story.after(.fenced(.password, until: at(10_000), runID: oldRunID), at: 5000)
        _ = story.look(master(oldID, at: 460), at: 5100)
        #expect(story.after(.read(second), at: 5100) == [.writeFile(span(411, 461), second)])
    }

    @Test(
        "a snapshot of what nobody can count covers what expires after it", arguments: [Fence.password, .clientPause])
    func expiryAfterSnapshot(fence: Fence) {
        var story = Story()
        _ = story.after(.fenced(fence, until: at(5000), runID: oldRunID))
        let new = master(nil, at: 9000, runID: newRunID)
        #expect(story.look(master(nil, at: 410), new) == [.snapshot(.unknown(.noPromotionKnown))])
        _ = story.after(.snapshotKept("s.rdb"))
        let account = Rejoin.Account(missing: nil, kept: [.snapshot(name: "s.rdb", offset: 410)])
        #expect(
            story.look(master(nil, at: 450), new)
                == (fence == .password
                    ? [.follow(account, before: at(5000))] : [.snapshot(.unknown(.noPromotionKnown))]))
    }

    @Test("each step of the file that fails leads to a snapshot, and that to a refusal", arguments: 0..<3)
    func fileFails(step: Int) {
        var story = Story()
        _ = story.look(master(oldID, at: 410))
        _ = story.after(.read(tally310))
        for event in [Rejoin.Event.written, .synced].prefix(step) { _ = story.after(event) }
        let failure = SalvageFailure.file("no space left on device")
        #expect(
            story.after(.stepFailed(failure)) == [.discardPartialFile, .snapshot(.salvageFailed(failure))])
        let last = SalvageFailure.snapshot("fork failed")
        #expect(
            story.after(.stepFailed(last)) == [.releaseFence, .finish(.refused(.failed(last)))])
    }

    @Test("a snapshot, and what is written after it is read from the backlog")
    func snapshot() {
        var story = Story(.snapshot)
        #expect(story.look(master(oldID, at: 410)) == [.readBacklog(span(101, 411), lead: 100)])
        #expect(story.after(.read(tally310)) == [.snapshot(.byPolicy(bytes: 310))])
        #expect(story.after(.snapshotKept("s.rdb")) == [.examine])
        #expect(story.look(master(oldID, at: 424)) == [.readBacklog(span(411, 425), lead: 410)])
        #expect(story.after(.read(.init(from: 411, to: 425, writes: 0, bookkeeping: 1))) == [.examine])
        let account = Rejoin.Account(
            missing: .init(bytes: 324, commands: 10), kept: [.snapshot(name: "s.rdb", offset: 410)])
        #expect(story.look(master(oldID, at: 424)) == [.follow(account, before: at(5000))])
    }

    @Test("of an unrelated data set nobody can tell what is missing")
    func unrelated() {
        var story = Story()
        #expect(story.look(master(otherID, at: 410)) == [.snapshot(.unrelated)])
        _ = story.after(.snapshotKept("s.rdb"))
        let account = Rejoin.Account(missing: nil, kept: [.snapshot(name: "s.rdb", offset: 410)])
        #expect(story.look(master(otherID, at: 410)) == [.follow(account, before: at(5000))])
    }

    @Test(
        "a master that does not count: the fence must have held since the snapshot was ordered",
        arguments: [true, false])
    func uncounted(isRenewedInTime: Bool) {
        var story = Story()
        let old = master(oldID, at: 410, first: nil)
        #expect(story.look(old) == [.snapshot(.unknown(.notCounting))])
        #expect(story.rejoin.deadline == at(2500))
        #expect(story.after(.deadlineReached, at: 2499) == [])
        #expect(story.after(.deadlineReached, at: 2500) == [.fence(for: .seconds(5))])
        #expect(story.rejoin.deadline == nil)
        // Once it does not work, and is tried again.
        #expect(story.after(.fenceFailed("no"), at: 3000) == [])
        #expect(story.rejoin.deadline == at(3500))
        #expect(story.after(.deadlineReached, at: 3500) == [.fence(for: .seconds(5))])
        #expect(
            story.after(.fenced(.clientPause, until: at(9000), runID: oldRunID), at: isRenewedInTime ? 4999 : 5000)
                == [])
        _ = story.after(.snapshotKept("s.rdb"), at: 6000)
        let actions = story.look(old, at: 6000)
        let account = Rejoin.Account(missing: nil, kept: [.snapshot(name: "s.rdb", offset: 410)])
        #expect(
            actions
                == (isRenewedInTime ? [.follow(account, before: at(9000))] : [.snapshot(.unknown(.notCounting))]))
    }

    @Test(
        "nothing follows behind a fence that is about to end, or that the process does not know",
        arguments: [
            (4499, oldRunID, false), (4500, oldRunID, true), (4499, otherID, true),
        ])
    func fenceEnds(milliseconds: Int, runID: String, isFencedAgain: Bool) {
        var story = saved310()
        let actions = story.look(master(oldID, at: 410, runID: runID), at: milliseconds)
        if isFencedAgain {
            #expect(actions == [.fence(for: .seconds(5))])
            #expect(story.after(.fenced(.clientPause, until: at(9500), runID: runID)) == [.examine])
        } else {
            #expect(actions == [.follow(.init(missing: exact310, kept: [.file(file310)]), before: at(5000))])
        }
    }

    @Test("a replica needs no fence, a master does, whatever was said before")
    func replicas() {
        var story = Story()
        let parked = parked(master(oldID, at: 100))
        #expect(story.look(parked, at: 60_000) == [.follow(.init(missing: nothing), before: nil)])
        var other = Rejoin()
        _ = other.handle(.requested(.init(policy: .salvage, allowsDetaching: true)), now: start)
        _ = other.handle(.fenced(.readOnlyReplica, until: nil, runID: oldRunID), now: start)
        let reading = Rejoin.Reading(
            old: master(oldID, at: 100), new: promoted(at: 100), snapshotBytes: nil, freeBytes: nil)
        #expect(other.handle(.examined(reading), now: start) == [.fence(for: .seconds(5))])
    }

    @Test("a parked old master is detached behind a fence, read, and follows; or goes back")
    func detaching() {
        var story = Story()
        #expect(story.look(parked(master(oldID, at: 410))) == [.detach(fencedFor: .seconds(5))])
        #expect(story.after(.detached(.clientPause, until: at(5000))) == [.examine])
        let detached = master(otherID, at: 410, previous: oldID, secondOffset: 411)
        #expect(story.look(detached) == [.readBacklog(span(101, 411, otherID), lead: 100)])
        #expect(
            story.after(.unreachable(.new, reason: "refused")) == [
                .park, .releaseFence, .finish(.refused(.unreachable(.new, reason: "refused"))),
            ])
        var other = Story()
        _ = other.look(parked(master(oldID, at: 410)))
        #expect(
            other.after(.stepFailed(.detach("no"))) == [.snapshot(.salvageFailed(.detach("no")))])
    }

    @Test(
        "what an interrupted run saved is not saved again, where it fits",
        arguments: [
            (file310, [.follow(.init(missing: exact310, kept: [.file(file310)]), before: at(5000))]),
            (.init(name: "f.resp", span: span(101, 300), writes: 4), [.readBacklog(span(300, 411), lead: 299)]),
            (.init(name: "f.resp", span: span(102, 411), writes: 4), [.readBacklog(span(101, 411), lead: 100)]),
            (
                .init(name: "f.resp", span: span(100, 411), writes: 4),
                [
                    .follow(
                        .init(
                            missing: .init(bytes: 310, commands: nil),
                            kept: [.file(.init(name: "f.resp", span: span(100, 411), writes: 4))]), before: at(5000))
                ]
            ),
            (.init(name: "f.resp", span: span(101, 412), writes: 4), [.readBacklog(span(101, 411), lead: 100)]),
            (
                .init(name: "f.resp", span: span(101, 411, otherID), writes: 4),
                [.readBacklog(span(101, 411), lead: 100)]
            ),
        ] as [(Rejoin.SavedFile, [Rejoin.Action])])
    func adopted(file: Rejoin.SavedFile, expected: [Rejoin.Action]) {
        var story = Story(saved: [file])
        #expect(story.look(master(oldID, at: 410)) == expected)
    }

    @Test("discard lets go, says how much, and does not insist on a fence")
    func discard() {
        var story = Story(.discard)
        let account = Rejoin.Account(missing: .init(bytes: 310, commands: nil), isDiscarded: true)
        #expect(story.look(master(oldID, at: 410)) == [.follow(account, before: at(5000))])
        var unfenced = Rejoin()
        _ = unfenced.handle(.requested(.init(policy: .discard, allowsDetaching: false)), now: start)
        #expect(unfenced.handle(.fenceFailed("no"), now: start) == [.examine])
    }

    @Test("refusals change nothing")
    func refusals() {
        var much = Story(.refuse)
        #expect(
            much.look(master(oldID, at: 6000)) == [.releaseFence, .finish(.refused(.byPolicy(bytes: 5900)))])
        var few = Story(.refuse)
        #expect(few.look(master(oldID, at: 410)) == [.readBacklog(span(101, 411), lead: 100)])
        #expect(few.after(.read(tally310)) == [.releaseFence, .finish(.refused(.byPolicy(bytes: 310)))])
        var pings = Story(.refuse)
        #expect(pings.look(master(oldID, at: 128)) == [.readBacklog(span(101, 129), lead: 100)])
        #expect(pings.after(.read(.init(from: 101, to: 129, writes: 0, bookkeeping: 2))) == [.examine])
        let pingsOnly = Rejoin.Account(missing: .init(bytes: 28, commands: 0))
        #expect(pings.look(master(oldID, at: 128)) == [.follow(pingsOnly, before: at(5000))])
        var full = Story()
        #expect(
            full.look(master(oldID, at: 410), free: 10) == [
                .releaseFence, .finish(.refused(.diskFull(needed: 1_049_576, free: 10))),
            ])
        var unfenced = Rejoin()
        _ = unfenced.handle(.requested(.init(policy: .salvage, allowsDetaching: false)), now: start)
        #expect(
            unfenced.handle(.fenceFailed("no"), now: start) == [
                .releaseFence, .finish(.refused(.fenceFailed("no"))),
            ])
        var aborted = Story()
        _ = aborted.look(master(oldID, at: 410))
        _ = aborted.after(.read(tally310))
        #expect(aborted.rejoin.canBeAborted)
        #expect(aborted.after(.aborted) == [.discardPartialFile, .releaseFence, .finish(.aborted)])
        // A server that is being told to follow may follow: its answer counts.
        var told = saved310()
        _ = told.look(master(oldID, at: 410))
        #expect(!told.rejoin.canBeAborted)
        #expect(told.after(.aborted) == [])
    }

    @Test("one that never stands still is given up")
    func moving() {
        var story = Story()
        var offset: Int64 = 100
        for _ in 0..<6 {
            let from = offset + 1
            offset += 14
            #expect(story.look(master(oldID, at: offset)) == [.readBacklog(span(from, offset + 1), lead: from - 1)])
            #expect(story.after(.read(.init(from: from, to: offset + 1, writes: 0))) == [.examine])
        }
        #expect(
            story.look(master(oldID, at: offset + 14)) == [
                .releaseFence, .finish(.refused(.keepsMoving(bytes: 14))),
            ])
    }

    @Test("what leaked behind the fence is said")
    func leak() {
        var story = saved310()
        _ = story.look(master(oldID, at: 410))
        let actions = story.after(.followed(offset: 441), at: 100)
        guard case .finish(.followed(_, leaked: let leaked))? = actions.last else {
            Issue.record("\(actions)")
            return
        }
        #expect(leaked == 31)
    }

    private func saved310(behind fence: Fence = .clientPause) -> Story {
        var story = Story()
        #expect(story.after(.fenced(fence, until: at(5000), runID: oldRunID)) == [])
        _ = story.look(master(oldID, at: 410))
        for event in [Rejoin.Event.read(tally310), .written, .synced] { _ = story.after(event) }
        #expect(story.after(.renamed("f.resp")) == [.examine])
        return story
    }
}
