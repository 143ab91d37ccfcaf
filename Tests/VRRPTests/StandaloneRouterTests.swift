import Testing

@testable import VRRP

private let address = VirtualAddress(Segment.virtual, prefixLength: 24)
private let lifetime = Duration.seconds(3)

extension StandaloneRouter {
    fileprivate static func stopped(
        _ parameters: VirtualRouterParameters = .test(), peers: [IPAddress] = []
    ) -> StandaloneRouter {
        StandaloneRouter(parameters, virtualAddresses: [address], peers: peers)
    }

    /// Started at 0, with its interface up.
    fileprivate static func backup(
        _ parameters: VirtualRouterParameters = .test(), peers: [IPAddress] = []
    ) -> StandaloneRouter {
        var router = stopped(parameters, peers: peers)
        _ = router.handle(.link(.init(isUp: true, primaryAddress: Segment.own)), now: at(.zero))
        _ = router.handle(.start, now: at(.zero))
        return router
    }

    /// Active since 3.609375 s.
    fileprivate static func active(_ parameters: VirtualRouterParameters = .test()) -> StandaloneRouter {
        var router = backup(parameters)
        _ = router.handle(.deadlineReached, now: at(.microseconds(3_609_375)))
        return router
    }

    fileprivate mutating func handle(_ event: Event, _ time: Duration) -> [Action] { handle(event, now: at(time)) }

    fileprivate mutating func hear(
        _ priority: UInt8, from sender: IPAddress = Segment.higher, _ time: Duration, interval: Duration = .seconds(1)
    ) -> [Action] {
        handle(.packet(.success(advertisement(priority, interval: interval)), from: sender), now: at(time))
    }

    fileprivate mutating func reject(
        _ rejection: PacketRejection, from sender: IPAddress = Segment.higher, _ time: Duration
    ) -> [Action] {
        handle(.packet(.failure(rejection), from: sender), now: at(time))
    }
}

@Suite("StandaloneRouter: start, stop, interface")
struct StandaloneRouterLinkTests {
    private let up = StandaloneRouter.LinkState(isUp: true, primaryAddress: Segment.own)
    private let down = StandaloneRouter.LinkState(isUp: false, primaryAddress: Segment.own)
    private let bare = StandaloneRouter.LinkState(isUp: true, primaryAddress: nil)

    @Test("starts: what a crash may have left is removed")
    func start() {
        var router = StandaloneRouter.stopped()
        #expect(router.handle(.link(up), .zero) == [])
        #expect(
            router.handle(.start, .zero) == [
                .remove([address]), .report(.transition(from: .initialize, to: .backup, cause: .startup)),
            ])
        #expect(router.state == .backup(.microseconds(3_609_375)))
        #expect(router.router.primaryAddress == Segment.own)
        #expect(router.deadline == at(.microseconds(3_609_375)))
        #expect(router.handle(.start, .seconds(1)) == [])
    }

    @Test("starts as the owner: Active at once")
    func owner() {
        var router = StandaloneRouter.stopped(.test(priority: 255))
        _ = router.handle(.link(up), .zero)
        #expect(
            router.handle(.start, .zero) == [
                .send(advertisement(255)), .add([address], lifetime: lifetime), .announce([address]),
                .report(.transition(from: .initialize, to: .active, cause: .owner)),
            ])
    }

    @Test("starts without an interface, and says what it waits for")
    func waits() {
        var router = StandaloneRouter.stopped()
        #expect(
            router.handle(.start, .zero) == [
                .remove([address]), .report(.link(.init(isUp: false, primaryAddress: nil))),
            ])
        #expect(router.deadline == nil)
        #expect(router.handle(.link(bare), .seconds(1)) == [.report(.link(bare))])
        #expect(
            router.handle(.link(up), .seconds(2)) == [
                .remove([address]), .report(.link(up)),
                .report(.transition(from: .initialize, to: .backup, cause: .startup)),
            ])
        #expect(router.state == .backup(.microseconds(5_609_375)))
    }

    @Test("stops while Active: the addresses go, then the resignation, then the report")
    func stopActive() {
        var router = StandaloneRouter.active()
        #expect(
            router.handle(.stop, .seconds(4)) == [
                .remove([address]), .send(advertisement(0)),
                .report(.transition(from: .active, to: .initialize, cause: .shutdown)),
            ])
        #expect(router.deadline == nil)
        #expect(router.handle(.stop, .seconds(5)) == [])
        #expect(router.handle(.deadlineReached, .seconds(5)) == [])
        #expect(router.handle(.link(down), .seconds(5)) == [])
    }

    @Test("stops while Backup, and starts again")
    func stopBackup() {
        var router = StandaloneRouter.backup()
        #expect(
            router.handle(.stop, .seconds(1)) == [
                .remove([address]), .report(.transition(from: .backup, to: .initialize, cause: .shutdown)),
            ])
        _ = router.handle(.start, .seconds(2))
        #expect(router.state == .backup(.microseconds(5_609_375)))
    }

    @Test("the interface goes down while Active, and comes back: Backup")
    func linkDown() {
        var router = StandaloneRouter.active()
        #expect(
            router.handle(.link(down), .seconds(4)) == [
                .remove([address]), .report(.link(down)),
                .report(.transition(from: .active, to: .initialize, cause: .interfaceDown)),
            ])
        #expect(router.deadline == nil)
        #expect(router.handle(.link(down), .seconds(5)) == [])
        #expect(
            router.handle(.link(up), .seconds(6)) == [
                .remove([address]), .report(.link(up)),
                .report(.transition(from: .initialize, to: .backup, cause: .startup)),
            ])
        #expect(router.state == .backup(.microseconds(9_609_375)))
    }

    @Test("its address goes: the same as down")
    func addressGone() {
        var router = StandaloneRouter.backup()
        #expect(
            router.handle(.link(bare), .seconds(1)) == [
                .remove([address]), .report(.link(bare)),
                .report(.transition(from: .backup, to: .initialize, cause: .interfaceDown)),
            ])
    }

    @Test("its address changes while Active: it stays, and equal priorities are decided by the new one")
    func addressChanged() {
        var router = StandaloneRouter.active()
        let changed = StandaloneRouter.LinkState(isUp: true, primaryAddress: .v4(0xc633_6404))
        #expect(router.handle(.link(changed), .seconds(4)) == [.report(.link(changed))])
        #expect(router.state.name == .active)
        let actions = router.hear(100, .seconds(4))
        #expect(actions.prefix(2) == [.send(advertisement(100)), .announce([address])])
    }

    @Test("before the start nothing is heard, and nothing is said")
    func notStarted() {
        var router = StandaloneRouter.stopped()
        #expect(router.reject(.hopLimit(64), .zero) == [])
        #expect(router.hear(200, .zero) == [])
        #expect(router.handle(.link(up), .zero) == [])
        #expect(router.handle(.removed(address), .zero) == [])
        #expect(router.counts.total == 0)
        #expect(router.accepted == 0)
    }
}

@Suite("StandaloneRouter: election and addresses")
struct StandaloneRouterElectionTests {
    @Test("takes over: advertises, adds, announces, reports")
    func takeover() {
        var router = StandaloneRouter.backup()
        _ = router.hear(200, .seconds(1))
        #expect(
            router.handle(.deadlineReached, .microseconds(4_609_375)) == [
                .send(advertisement(100)), .add([address], lifetime: lifetime), .announce([address]),
                .report(
                    .transition(
                        from: .backup, to: .active,
                        cause: .activeDown(last: Segment.higher, silence: .microseconds(3_609_375)))),
            ])
        #expect(router.accepted == 1)
    }

    @Test("yields: the addresses go, and then the last advertisement")
    func yields() {
        var router = StandaloneRouter.active()
        #expect(
            router.hear(200, .seconds(4)) == [
                .remove([address]), .send(advertisement(100)),
                .report(
                    .transition(
                        from: .active, to: .backup, cause: .higherPriority(Priority(200), from: Segment.higher))),
            ])
        #expect(router.state == .backup(.microseconds(7_609_375)))
        #expect(router.deadline == at(.microseconds(7_609_375)))
    }

    @Test("the next thing to do is an advertisement or the addresses' turn, whatever comes first")
    func deadline() {
        var router = StandaloneRouter.active()
        #expect(router.deadline == at(.microseconds(4_609_375)))
        #expect(
            router.handle(.deadlineReached, .microseconds(4_609_375)) == [
                .send(advertisement(100)), .add([address], lifetime: lifetime),
            ])
        #expect(router.handle(.deadlineReached, .microseconds(4_609_376)) == [])
    }

    @Test("the addresses' turn comes between advertisements, too")
    func upkeep() {
        var router = StandaloneRouter.stopped(.test(priority: 255, interval: .seconds(40)))
        _ = router.handle(.link(.init(isUp: true, primaryAddress: Segment.own)), .zero)
        _ = router.handle(.start, .zero)
        #expect(router.deadline == at(.seconds(1)))
        #expect(router.handle(.deadlineReached, .seconds(1)) == [.add([address], lifetime: lifetime)])
    }

    @Test("a second Active router: answered each time, told once, and again after ten quiet seconds")
    func secondActive() {
        var router = StandaloneRouter.active()
        let answer: [StandaloneRouter.Action] = [.send(advertisement(100)), .announce([address])]
        let report = StandaloneRouter.Action.report(.secondActive(Priority(90), from: Segment.higher))
        #expect(router.hear(90, .seconds(4)) == answer + [report])
        #expect(router.hear(90, .milliseconds(4100)) == [])
        #expect(router.hear(90, .seconds(5)) == answer)
        #expect(router.hear(90, .milliseconds(14_900)) == answer)
        #expect(router.hear(90, .milliseconds(24_900)) == answer + [report])
    }

    @Test("an advertisement from our own address is told, and not answered")
    func ownAddress() {
        var router = StandaloneRouter.active()
        #expect(router.hear(100, from: Segment.own, .seconds(4)) == [.report(.ownAddress(Segment.own))])
        #expect(router.hear(100, from: Segment.own, .seconds(5)) == [])
    }

    @Test("a priority set at run time")
    func priority() {
        var router = StandaloneRouter.backup()
        #expect(router.handle(.priorityChanged(Priority(164)), .seconds(1)) == [])
        #expect(router.state == .backup(.microseconds(3_359_375)))
        #expect(router.router.parameters.priority == Priority(164))
    }

    @Test("an interface of virtual addresses came back")
    func interfaceReturned() {
        var router = StandaloneRouter.active()
        #expect(
            router.handle(.interfaceReturned, .seconds(4)) == [
                .add([address], lifetime: lifetime), .announce([address]),
            ])
    }

    @Test("frozen: packets first, so that a Backup that was elected meanwhile keeps the addresses")
    func frozen() {
        var router = StandaloneRouter.active(.test(preempts: false))
        #expect(
            router.hear(90, .microseconds(63_609_375)) == [
                .remove([address]),
                .report(
                    .transition(
                        from: .active, to: .backup, cause: .overslept(.seconds(60), from: Segment.higher))),
            ])
        #expect(router.handle(.deadlineReached, .microseconds(63_609_375)) == [])
    }

    @Test("frozen alone: the kernel dropped the addresses; they come back, announced")
    func frozenAlone() {
        var router = StandaloneRouter.active()
        #expect(
            router.handle(.deadlineReached, .seconds(60)) == [
                .send(advertisement(100)), .add([address], lifetime: lifetime), .announce([address]),
            ])
    }
}

@Suite("StandaloneRouter: packets that are not for us")
struct StandaloneRouterRejectionTests {
    @Test("all are counted; the first of each kind and sender is told, and again after ten quiet minutes")
    func once() {
        var router = StandaloneRouter.backup()
        let report = StandaloneRouter.Action.report(.rejected(.hopLimit(64), from: Segment.higher))
        #expect(router.reject(.hopLimit(64), .seconds(1)) == [report])
        #expect(router.reject(.hopLimit(63), .seconds(2)) == [])
        #expect(
            router.reject(.hopLimit(64), from: Segment.lower, .seconds(2)) == [
                .report(.rejected(.hopLimit(64), from: Segment.lower))
            ])
        #expect(router.reject(.password, .seconds(3)) == [.report(.rejected(.password, from: Segment.higher))])
        #expect(router.reject(.hopLimit(64), .seconds(601)) == [])
        #expect(router.reject(.hopLimit(64), .seconds(1201)) == [report])
        #expect(router.counts[.hopLimit] == 5)
        #expect(router.counts[.password] == 1)
        #expect(router.counts.total == 6)
        #expect(router.accepted == 0)
        #expect(router.state == .backup(.microseconds(3_609_375)))
    }

    @Test("what is well-formed and not ours is rejected as well, and moves nothing")
    func checked() {
        var router = StandaloneRouter.backup(peers: [Segment.lower])
        #expect(
            router.hear(200, from: Segment.higher, .seconds(1)) == [
                .report(.rejected(.unknownSender(Segment.higher), from: Segment.higher))
            ])
        #expect(router.state == .backup(.microseconds(3_609_375)))
        #expect(router.hear(200, from: Segment.lower, .seconds(1)) == [])
        #expect(router.state == .backup(.microseconds(4_609_375)))
        #expect((router.counts[.unknownSender], router.accepted) == (1, 1))
    }

    @Test("the check is made with the present priority")
    func presentPriority() {
        var router = StandaloneRouter.backup()
        _ = router.handle(.priorityChanged(.owner), .seconds(1))
        #expect(
            router.hear(200, .seconds(2)) == [.report(.rejected(.owner, from: Segment.higher))])
    }

    @Test("a difference in configuration is told once, and the advertisement counts")
    func discrepancy() {
        var router = StandaloneRouter.backup()
        let discrepancy = Discrepancy.interval(received: .seconds(2), configured: .seconds(1))
        #expect(
            router.hear(200, .seconds(1), interval: .seconds(2)) == [
                .report(.discrepancy(discrepancy, from: Segment.higher))
            ])
        #expect(router.hear(200, .seconds(3), interval: .seconds(2)) == [])
        #expect(router.state == .backup(.nanoseconds(10_218_750_000), interval: .seconds(2)))
    }

    @Test("a flood from 200,000 invented senders: no memory, no transition, no advertisement, few reports")
    func flood() {
        var router = StandaloneRouter.active()
        var reports: [StandaloneRouter.Action] = []
        for sender in 0..<200_000 as Range<UInt32> {
            reports += router.reject(
                .unknownSender(.v4(sender)), from: .v4(sender), .milliseconds(3700 + Int64(sender / 500)))
        }
        #expect(reports.count == 65)
        #expect(reports.last == .report(.manyRemarks))
        #expect(router.counts[.unknownSender] == 200_000)
        #expect(router.state == .active(.microseconds(4_609_375), answersAfter: .microseconds(3_609_375)))
    }

    @Test("what is remembered is bounded, and forgotten after ten quiet minutes")
    func remarks() {
        var remarks = Remarks()
        func key(_ sender: UInt32) -> Remarks.Key { .rejected(.checksum, .v4(sender)) }
        for sender in 0..<64 as Range<UInt32> { #expect(remarks.note(key(sender), now: at(.seconds(1))) == .new) }
        #expect(remarks.note(key(64), now: at(.seconds(1))) == .full)
        #expect(remarks.note(key(65), now: at(.seconds(2))) == .known)
        #expect(remarks.note(key(63), now: at(.seconds(300))) == .known)
        #expect(remarks.note(key(66), now: at(.milliseconds(600_999))) == .known)
        #expect(remarks.count == 64)
        #expect(remarks.note(key(66), now: at(.seconds(602))) == .new)
        #expect(remarks.count == 2)
        #expect(remarks.note(key(63), now: at(.seconds(602))) == .known)
        #expect(remarks.note(key(0), now: at(.seconds(602))) == .new)
    }

    @Test("full again ten minutes later: told again")
    func fullAgain() {
        var remarks = Remarks()
        for sender in 0..<64 as Range<UInt32> {
            _ = remarks.note(.secondActive(.v4(sender)), now: at(.zero))
        }
        #expect(remarks.note(.ownAddress, now: at(.zero)) == .full)
        for sender in 0..<64 as Range<UInt32> {
            #expect(remarks.note(.secondActive(.v4(sender)), now: at(.seconds(599))) == .new)
        }
        #expect(remarks.note(.ownAddress, now: at(.milliseconds(599_900))) == .known)
        #expect(remarks.note(.ownAddress, now: at(.seconds(600))) == .full)
    }
}

@Suite("StandaloneRouter: what fails")
struct StandaloneRouterTroubleTests {
    @Test("an address that somebody else removed comes back, and is told")
    func restored() {
        var router = StandaloneRouter.active()
        #expect(
            router.handle(.removed(address), .milliseconds(3700)) == [
                .add([address], lifetime: lifetime), .announce([address]), .report(.addressRestored(address)),
            ])
        #expect(
            router.handle(.removed(address), .milliseconds(3900)) == [
                .add([address], lifetime: lifetime), .announce([address]),
            ])
    }

    @Test("sending fails: told once, and once for another reason; so is its end, after a second without failure")
    func sending() {
        var router = StandaloneRouter.active()
        #expect(
            router.handle(.failed(.send, reason: "EPERM"), .seconds(4)) == [.report(.trouble(.send, reason: "EPERM"))])
        #expect(router.handle(.failed(.send, reason: "EPERM"), .seconds(5)) == [])
        #expect(
            router.handle(.failed(.send, reason: "ENOBUFS"), .seconds(6)) == [
                .report(.trouble(.send, reason: "ENOBUFS"))
            ])
        #expect(router.handle(.failed(.send, reason: "EPERM"), .milliseconds(6999)) == [])
        #expect(router.handle(.worked(.announce), .seconds(8)) == [])
        #expect(router.handle(.worked(.send), .milliseconds(7998)) == [])
        #expect(router.handle(.worked(.send), .milliseconds(7999)) == [.report(.recovered(.send, failures: 4))])
        #expect(router.handle(.worked(.send), .seconds(9)) == [])
    }

    @Test("what comes and goes a hundred times a second is told once")
    func flapping() {
        var router = StandaloneRouter.active()
        var reports: [StandaloneRouter.Action] = []
        for turn in 0..<1000 {
            let time = Duration.milliseconds(4000 + turn * 10)
            reports += router.handle(turn % 2 == 0 ? .failed(.send, reason: "ENOBUFS") : .worked(.send), time)
        }
        #expect(reports == [.report(.trouble(.send, reason: "ENOBUFS"))])
    }

    @Test("an address cannot be added: told, tried again, announced when it is there")
    func adding() {
        var router = StandaloneRouter.active()
        #expect(
            router.handle(.failed(.add(address), reason: "EPERM"), .microseconds(3_609_400)) == [
                .report(.trouble(.add(address), reason: "EPERM"))
            ])
        #expect(
            router.handle(.deadlineReached, .microseconds(4_609_375)) == [
                .send(advertisement(100)), .add([address], lifetime: lifetime),
            ])
        #expect(
            router.handle(.worked(.add(address)), .microseconds(4_609_500)) == [
                .announce([address]), .report(.recovered(.add(address), failures: 1)),
            ])
        #expect(router.handle(.worked(.add(address)), .microseconds(5_609_500)) == [])
    }

    @Test("an address cannot be removed: told, also after the stop")
    func removing() {
        var router = StandaloneRouter.active()
        _ = router.handle(.stop, .seconds(4))
        #expect(
            router.handle(.failed(.remove(address), reason: "EPERM"), .seconds(4)) == [
                .report(.trouble(.remove(address), reason: "EPERM"))
            ])
    }

    @Test(
        "what an operator reads",
        arguments: [
            (
                .transition(
                    from: .backup, to: .active,
                    cause: .activeDown(last: Segment.higher, silence: .microseconds(3_609_375))),
                "backup → active: no advertisement from 198.51.100.3 for 3.61 s", "transition"
            ),
            (.link(.init(isUp: false, primaryAddress: Segment.own)), "the interface is down", "link"),
            (.link(.init(isUp: true, primaryAddress: nil)), "the interface has no address to send from", "link"),
            (
                .link(.init(isUp: true, primaryAddress: Segment.own)), "the interface is up, with 198.51.100.2", "link"
            ),
            (
                .rejected(.password, from: Segment.higher),
                "packet from 198.51.100.3 rejected: its password is not ours", "rejected"
            ),
            (
                .discrepancy(.interval(received: .seconds(2), configured: .seconds(1)), from: Segment.higher),
                "advertisement from 198.51.100.3: its advertisement interval is 2 s, and 1 s is configured here",
                "discrepancy"
            ),
            (
                .secondActive(Priority(90), from: Segment.higher),
                "198.51.100.3 is Active as well, with priority 90, and loses; addresses announced again",
                "second_active"
            ),
            (
                .secondActive(.resigning, from: Segment.higher),
                "198.51.100.3 was Active as well, and gave up; addresses announced again", "second_active"
            ),
            (
                .ownAddress(Segment.own),
                "an advertisement came from our own address 198.51.100.2: "
                    + "a second machine has it, or the segment sends packets back", "own_address"
            ),
            (
                .manyRemarks,
                "too many senders with something to remark: from now on only those known are, the others are counted",
                "many_remarks"
            ),
            (
                .addressRestored(address), "198.51.100.100/24 was removed, not by this router; added again",
                "address_restored"
            ),
            (.trouble(.send, reason: "X"), "X; the others take over if they hear nothing", "trouble"),
            (
                .trouble(.announce, reason: "X"), "X; hosts may go on sending to the former Active router", "trouble"
            ),
            (.trouble(.add(address), reason: "X"), "X; this router is Active without it, and tries again", "trouble"),
            (.trouble(.remove(address), reason: "X"), "X; the kernel drops it when its lifetime ends", "trouble"),
            (.recovered(.send, failures: 12), "advertisements leave again, after 12 failures", "recovered"),
            (.recovered(.announce, failures: 1), "announcements leave again, after 1 failure", "recovered"),
            (.recovered(.add(address), failures: 2), "198.51.100.100/24 is there, after 2 failures", "recovered"),
            (.recovered(.remove(address), failures: 2), "198.51.100.100/24 is gone, after 2 failures", "recovered"),
        ] as [(StandaloneRouter.Report, String, String)])
    func texts(report: StandaloneRouter.Report, text: String, code: String) {
        #expect(report.description == text)
        #expect(report.code == code)
    }
}
