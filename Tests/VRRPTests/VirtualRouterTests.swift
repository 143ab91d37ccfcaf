import Testing

@testable import VRRP

// Every state × event cell, by exact actions in order and exact times.
// Priority 100 and an interval of 1 s: Skew Time 0.609375 s, Active Down Interval 3.609375 s.

private let skewed = Duration.microseconds(3_609_375)

@Suite("VirtualRouter: initialize")
struct VirtualRouterInitializeTests {
    @Test("starts listening")
    func startup() {
        var router = VirtualRouter.initialized()
        #expect(router.handle(.startup, now: at(.zero)) == [.becomeBackup(.startup)])
        #expect(router.state == .backup(.microseconds(3_609_375)))
        #expect(router.deadline == at(.microseconds(3_609_375)))
    }

    @Test("the owner is Active at once")
    func owner() {
        var router = VirtualRouter.initialized(.test(priority: 255))
        #expect(router.handle(.startup, now: at(.seconds(10))) == [.send(advertisement(255)), .becomeActive(.owner)])
        #expect(router.state == .active(.seconds(11)))
        #expect(router.deadline == at(.seconds(11)))
    }

    @Test("the preempt delay counts from the start")
    func preemptDelay() {
        #expect(
            VirtualRouter.backup(.test(preemptDelay: .seconds(60))).state
                == .backup(.microseconds(3_609_375), preemptAfter: .seconds(60)))
        #expect(
            VirtualRouter.backup(.test(preempts: false, preemptDelay: .seconds(60))).state
                == .backup(.microseconds(3_609_375)))
    }

    @Test(
        "nothing else means anything",
        arguments: [
            .shutdown, .interfaceDown, .deadlineReached, .received(advertisement(200), from: Segment.higher),
            .received(advertisement(0), from: Segment.higher), .received(advertisement(1), from: Segment.lower),
            .priorityChanged(Priority(150)), .primaryAddressChanged(Segment.higher),
        ] as [VirtualRouter.Event])
    func nothing(event: VirtualRouter.Event) {
        var router = VirtualRouter.initialized()
        #expect(router.handle(event, now: at(.seconds(1))) == [])
        #expect(router.state == .initialize)
        #expect(router.deadline == nil)
        #expect(router.lastHeard == nil)
    }

    @Test("priority and address are remembered for the start")
    func remembered() {
        var router = VirtualRouter.initialized()
        _ = router.handle(.priorityChanged(Priority(254)), now: at(.zero))
        _ = router.handle(.primaryAddressChanged(Segment.higher), now: at(.zero))
        _ = router.handle(.startup, now: at(.zero))
        #expect(router.state == .backup(.nanoseconds(3_007_812_500)))
        #expect(router.primaryAddress == Segment.higher)
    }

    @Test("a router has no priority 0")
    func priorityZero() {
        var router = VirtualRouter.initialized()
        _ = router.handle(.priorityChanged(.resigning), now: at(.zero))
        #expect(router.parameters.priority == Priority(1))
        _ = router.handle(.startup, now: at(.zero))
        #expect(router.state == .backup(.microseconds(3_996_093) + .nanoseconds(750)))
    }
}

@Suite("VirtualRouter: backup")
struct VirtualRouterBackupTests {
    @Test("starting again, or another address, changes nothing")
    func nothing() {
        var router = VirtualRouter.backup()
        #expect(router.handle(.startup, now: at(.seconds(1))) == [])
        #expect(router.handle(.primaryAddressChanged(Segment.higher), now: at(.seconds(1))) == [])
        #expect(router.state == .backup(.microseconds(3_609_375)))
        #expect(router.primaryAddress == Segment.higher)
    }

    @Test("stops without a word")
    func shutdown() {
        var router = VirtualRouter.backup()
        #expect(router.handle(.shutdown, now: at(.seconds(1))) == [.initialize(.shutdown)])
        #expect(router.state == .initialize)
    }

    @Test("loses its interface")
    func interfaceDown() {
        var router = VirtualRouter.backup()
        _ = router.hear(200, .seconds(1))
        #expect(router.handle(.interfaceDown, now: at(.seconds(1))) == [.initialize(.interfaceDown)])
        #expect(router.state == .initialize)
        #expect(router.lastHeard == nil)
    }

    @Test("a timer that fires early does nothing: a packet moved it meanwhile")
    func early() {
        var router = VirtualRouter.backup()
        #expect(router.fire(.microseconds(3_609_374)) == [])
        #expect(router.state == .backup(.microseconds(3_609_375)))
    }

    @Test("nobody was ever heard: Active")
    func alone() {
        var router = VirtualRouter.backup()
        #expect(
            router.fire(.microseconds(3_609_375)) == [
                .send(advertisement(100)),
                .becomeActive(.activeDown(last: nil, silence: .microseconds(3_609_375))),
            ])
        #expect(router.state == .active(.microseconds(4_609_375), answersAfter: .microseconds(3_609_375)))
    }

    @Test("fires late: the advertisement interval counts from then")
    func late() {
        var router = VirtualRouter.backup()
        #expect(
            router.fire(.seconds(7)) == [
                .send(advertisement(100)), .becomeActive(.activeDown(last: nil, silence: .seconds(7))),
            ])
        #expect(router.state == .active(.seconds(8), answersAfter: .seconds(7)))
    }

    @Test("follows an Active router of at least its own priority", arguments: [100, 101, 255] as [UInt8])
    func follow(priority: UInt8) {
        for sender in [Segment.lower, Segment.higher] {
            var router = VirtualRouter.backup()
            #expect(router.hear(priority, from: sender, .seconds(3)) == [])
            #expect(router.state == .backup(.microseconds(6_609_375)))
            #expect(
                router.lastHeard
                    == VirtualRouter.Sighting(address: sender, priority: Priority(priority), time: at(.seconds(3))))
        }
    }

    @Test("the Active router dies: the silence is counted from its last advertisement")
    func death() {
        var router = VirtualRouter.backup()
        _ = router.hear(200, .seconds(3))
        #expect(
            router.fire(.microseconds(6_609_375)) == [
                .send(advertisement(100)),
                .becomeActive(.activeDown(last: Segment.higher, silence: .microseconds(3_609_375))),
            ])
    }

    @Test("learns the Active router's interval, and what follows from it")
    func learnt() {
        var router = VirtualRouter.backup()
        _ = router.hear(200, .seconds(1), interval: .milliseconds(10))
        #expect(router.state == .backup(.nanoseconds(1_036_093_750), interval: .milliseconds(10)))
        _ = router.hear(200, .seconds(1), interval: .milliseconds(40_950))
        #expect(router.state == .backup(.nanoseconds(148_803_906_250), interval: .milliseconds(40_950)))
        _ = router.hear(0, .seconds(2))
        #expect(router.state == .backup(.nanoseconds(26_953_906_250), interval: .milliseconds(40_950)))
    }

    @Test("an Active router of lower priority does not stop the timer, and teaches nothing")
    func preempt() {
        var router = VirtualRouter.backup()
        for time in [1, 2, 3] {
            #expect(router.hear(99, .seconds(time), interval: .milliseconds(500)) == [])
            #expect(router.state == .backup(.microseconds(3_609_375)))
        }
        #expect(
            router.fire(.microseconds(3_609_375)) == [
                .send(advertisement(100)), .becomeActive(.preempting(Priority(99), from: Segment.higher)),
            ])
        // Its last word, and one that does not give way.
        #expect(router.hear(99, .microseconds(3_610_000)) == [])
        #expect(router.hear(99, .microseconds(3_859_375)) == [.send(advertisement(100)), .reaffirm])
    }

    @Test("without preemption it is followed, until it dies")
    func noPreemption() {
        var router = VirtualRouter.backup(.test(preempts: false))
        _ = router.hear(1, .seconds(3), interval: .milliseconds(500))
        #expect(router.state == .backup(.nanoseconds(4_804_687_500), interval: .milliseconds(500)))
        #expect(
            router.fire(.nanoseconds(4_804_687_500)) == [
                .send(advertisement(100)),
                .becomeActive(.activeDown(last: Segment.higher, silence: .nanoseconds(1_804_687_500))),
            ])
    }

    @Test("an Active router gives up: only the Skew Time is waited for")
    func resignation() {
        var router = VirtualRouter.backup()
        _ = router.hear(200, .seconds(3))
        #expect(router.hear(0, .seconds(4)) == [])
        #expect(router.state == .backup(.microseconds(4_609_375)))
        #expect(
            router.fire(.microseconds(4_609_375)) == [
                .send(advertisement(100)), .becomeActive(.resigned(from: Segment.higher)),
            ])
    }

    @Test("somebody else was quicker after a resignation")
    func quicker() {
        var router = VirtualRouter.backup()
        _ = router.hear(0, .seconds(1))
        _ = router.hear(150, from: Segment.lower, .milliseconds(1400))
        #expect(router.state == .backup(.microseconds(5_009_375)))
    }
}

@Suite("VirtualRouter: a Backup's priority changes")
struct VirtualRouterPriorityTests {
    @Test("higher: the timer moves with the skew, and not backwards in time")
    func higher() {
        var router = VirtualRouter.backup()
        _ = router.hear(200, .seconds(3))
        #expect(router.handle(.priorityChanged(Priority(228)), now: at(.seconds(4))) == [])
        #expect(router.state == .backup(.microseconds(6_109_375)))
    }

    @Test("lower")
    func lower() {
        var router = VirtualRouter.backup()
        _ = router.handle(.priorityChanged(Priority(36)), now: at(.seconds(1)))
        #expect(router.state == .backup(.microseconds(3_859_375)))
    }

    @Test("after a resignation: the skew that is waited for")
    func resigned() {
        var router = VirtualRouter.backup()
        _ = router.hear(0, .seconds(1))
        _ = router.handle(.priorityChanged(Priority(228)), now: at(.seconds(1)))
        #expect(router.state == .backup(.microseconds(1_109_375)))
    }

    @Test("now higher than the Active router's: it is no longer followed")
    func overtakes() {
        var router = VirtualRouter.backup()
        _ = router.hear(120, .seconds(1))
        _ = router.handle(.priorityChanged(Priority(164)), now: at(.seconds(1)))
        #expect(router.state == .backup(.microseconds(4_359_375)))
        _ = router.hear(120, .seconds(2))
        #expect(router.state == .backup(.microseconds(4_359_375)))
    }

    @Test("255: Active at once, as an owner that starts")
    func owner() {
        var router = VirtualRouter.backup()
        #expect(
            router.handle(.priorityChanged(.owner), now: at(.seconds(2))) == [
                .send(advertisement(255)), .becomeActive(.owner),
            ])
        #expect(router.state == .active(.seconds(3), answersAfter: .seconds(2)))
    }

    @Test("0 counts as 1")
    func zero() {
        var router = VirtualRouter.backup()
        #expect(router.handle(.priorityChanged(.resigning), now: at(.seconds(1))) == [])
        #expect(router.parameters.priority == Priority(1))
        #expect(router.state == .backup(.nanoseconds(3_996_093_750)))
    }

    @Test("in active only the next advertisement shows it")
    func active() {
        var router = VirtualRouter.active()
        #expect(router.handle(.priorityChanged(Priority(150)), now: at(.milliseconds(10_500))) == [])
        #expect(router.state == .active(.seconds(11)))
        #expect(router.fire(.seconds(11)) == [.send(advertisement(150))])
        #expect(router.handle(.priorityChanged(.resigning), now: at(.milliseconds(11_500))) == [])
        #expect(router.fire(.seconds(12)) == [.send(advertisement(1))])
    }
}

@Suite("VirtualRouter: preempt delay")
struct VirtualRouterPreemptDelayTests {
    private let delayed = VirtualRouterParameters.test(preemptDelay: .seconds(5))

    @Test("from the start: heard out until the delay is over, then the timer runs out")
    func fromStart() {
        var router = VirtualRouter.backup(delayed)
        for time in [1, 2, 3, 4] {
            _ = router.hear(90, .seconds(time))
            #expect(router.state == .backup(.seconds(time) + skewed, preemptAfter: .seconds(5)))
        }
        for time in [5, 6, 7] {
            _ = router.hear(90, .seconds(time))
            #expect(router.state == .backup(.microseconds(7_609_375), preemptAfter: .seconds(5)))
        }
        #expect(
            router.fire(.microseconds(7_609_375)) == [
                .send(advertisement(100)), .becomeActive(.preempting(Priority(90), from: Segment.higher)),
            ])
    }

    @Test("a better router ends the delay, and it starts anew with the next lower one")
    func anew() {
        var router = VirtualRouter.backup(delayed)
        _ = router.hear(200, .seconds(1))
        #expect(router.state == .backup(.microseconds(4_609_375)))
        _ = router.hear(90, from: Segment.lower, .seconds(4))
        #expect(router.state == .backup(.microseconds(7_609_375), preemptAfter: .seconds(9)))
    }

    @Test("a dead Active router is not heard out")
    func dead() {
        var router = VirtualRouter.backup(delayed)
        _ = router.hear(90, .seconds(1))
        #expect(
            router.fire(.microseconds(4_609_375)) == [
                .send(advertisement(100)),
                .becomeActive(.activeDown(last: Segment.higher, silence: .microseconds(3_609_375))),
            ])
    }

    @Test("nor is one that gives up")
    func resigned() {
        var router = VirtualRouter.backup(delayed)
        _ = router.hear(90, .seconds(1))
        _ = router.hear(0, .seconds(2))
        #expect(router.state == .backup(.microseconds(2_609_375), preemptAfter: .seconds(5)))
    }

    @Test("while it is heard out, its interval is learnt")
    func learns() {
        var router = VirtualRouter.backup(delayed)
        _ = router.hear(90, .seconds(1), interval: .milliseconds(100))
        #expect(
            router.state
                == .backup(.nanoseconds(1_360_937_500), interval: .milliseconds(100), preemptAfter: .seconds(5)))
    }
}
