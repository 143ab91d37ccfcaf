import Testing

@testable import VRRP

@Suite("VirtualRouter: active")
struct VirtualRouterActiveTests {
    @Test("starting again, or another address, changes nothing")
    func nothing() {
        var router = VirtualRouter.active()
        #expect(router.handle(.startup, now: at(.seconds(10))) == [])
        #expect(router.handle(.primaryAddressChanged(Segment.higher), now: at(.seconds(10))) == [])
        #expect(router.state == .active(.seconds(11)))
        #expect(router.primaryAddress == Segment.higher)
    }

    @Test("advertises in step: lateness does not add up")
    func inStep() {
        var router = VirtualRouter.active()
        #expect(router.fire(.milliseconds(10_999)) == [])
        #expect(router.fire(.microseconds(11_000_300)) == [.send(advertisement(100))])
        #expect(router.state == .active(.seconds(12)))
        #expect(router.fire(.microseconds(12_900_000)) == [.send(advertisement(100))])
        #expect(router.state == .active(.seconds(13)))
    }

    @Test("more than an interval late: one advertisement, not all that were missed")
    func late() {
        var router = VirtualRouter.active()
        #expect(router.fire(.seconds(12)) == [.send(advertisement(100))])
        #expect(router.state == .active(.seconds(13)))
        #expect(router.fire(.milliseconds(99_500)) == [.send(advertisement(100))])
        #expect(router.state == .active(.milliseconds(100_500)))
    }

    @Test("stops: the addresses go, then it says so")
    func shutdown() {
        var router = VirtualRouter.active()
        #expect(
            router.handle(.shutdown, now: at(.milliseconds(10_500))) == [
                .initialize(.shutdown), .send(advertisement(0)),
            ])
        #expect(router.state == .initialize)
        #expect(router.deadline == nil)
    }

    @Test("loses its interface: nothing can be said")
    func interfaceDown() {
        var router = VirtualRouter.active()
        #expect(router.handle(.interfaceDown, now: at(.seconds(10))) == [.initialize(.interfaceDown)])
        #expect(router.state == .initialize)
    }

    @Test("a higher priority wins")
    func higherPriority() {
        var router = VirtualRouter.active()
        #expect(
            router.hear(101, from: Segment.lower, .milliseconds(10_500), interval: .milliseconds(100)) == [
                .becomeBackup(.higherPriority(Priority(101), from: Segment.lower)), .send(advertisement(100)),
            ])
        #expect(router.state == .backup(.nanoseconds(10_860_937_500), interval: .milliseconds(100)))
        #expect(
            router.lastHeard
                == VirtualRouter.Sighting(
                    address: Segment.lower, priority: Priority(101), time: at(.milliseconds(10_500))))
    }

    @Test("of equal priorities the higher address wins")
    func higherAddress() {
        var router = VirtualRouter.active()
        #expect(
            router.hear(100, from: Segment.higher, .milliseconds(10_500)) == [
                .becomeBackup(.higherAddress(from: Segment.higher)), .send(advertisement(100)),
            ])
        #expect(router.state == .backup(.nanoseconds(14_109_375_000)))
    }

    @Test("the address that decides is the present one")
    func changedAddress() {
        var router = VirtualRouter.active()
        _ = router.handle(.primaryAddressChanged(.v4(0xc633_6404)), now: at(.seconds(10)))
        #expect(
            router.hear(100, from: Segment.higher, .milliseconds(10_500)) == [.send(advertisement(100)), .reaffirm])
    }

    @Test("IPv6 addresses are compared as unsigned numbers")
    func ipv6() {
        var router = VirtualRouter(.test(priority: 255), primaryAddress: Segment.own6)
        _ = router.handle(.startup, now: at(.seconds(10)))
        _ = router.handle(.priorityChanged(Priority(100)), now: at(.seconds(10)))
        #expect(router.hear(100, from: Segment.lower6, .seconds(10)) == [.send(advertisement(100)), .reaffirm])
        #expect(
            router.hear(100, from: Segment.higher6, .seconds(10)) == [
                .becomeBackup(.higherAddress(from: Segment.higher6)), .send(advertisement(100)),
            ])
    }

    @Test("a lower priority, or an equal one with a lower address, is answered at once; the timer runs on")
    func loser() {
        let losers: [(UInt8, IPAddress)] = [(99, Segment.higher), (1, Segment.lower), (100, Segment.lower)]
        for (priority, sender) in losers {
            var router = VirtualRouter.active()
            let actions = router.hear(priority, from: sender, .milliseconds(10_500))
            #expect(actions == [.send(advertisement(100)), .reaffirm])
            #expect(router.state == .active(.seconds(11), answersAfter: .milliseconds(10_750)))
        }
    }

    @Test("a second Active router that gives up is answered, and the timer starts anew")
    func resignation() {
        var router = VirtualRouter.active()
        #expect(router.hear(0, .milliseconds(10_500)) == [.send(advertisement(100)), .reaffirm])
        #expect(router.state == .active(.milliseconds(11_500), answersAfter: .milliseconds(10_750)))
    }

    @Test("a flood is answered four times in an interval, and stops no regular advertisement", arguments: [0, 99])
    func flood(priority: UInt8) {
        var router = VirtualRouter.active()
        var (answers, regular) = (0, 0)
        for millisecond in 10_000..<20_000 {
            if let deadline = router.deadline, at(.milliseconds(millisecond)) >= deadline {
                regular += router.fire(.milliseconds(millisecond)).count
            }
            for _ in 0..<10 where router.hear(priority, from: Segment.lower, .milliseconds(millisecond)) != [] {
                answers += 1
            }
        }
        #expect(answers == 40)
        // A resignation that is answered starts the timer anew: the answers are the advertisements then.
        #expect(regular == (priority == 0 ? 0 : 9))
    }

    @Test("a resignation that is not answered does not move the timer")
    func unanswered() {
        var router = VirtualRouter.active()
        _ = router.hear(99, .milliseconds(10_900))
        #expect(router.hear(0, .milliseconds(10_950)) == [])
        #expect(router.state == .active(.seconds(11), answersAfter: .milliseconds(11_150)))
    }

    @Test("its own advertisement, sent back, is not answered")
    func reflection() {
        var router = VirtualRouter.active()
        #expect(router.hear(100, from: Segment.own, .milliseconds(10_500)) == [])
        #expect(router.state == .active(.seconds(11)))
    }

    @Test("two owners: the higher address wins, and the other one stays Backup")
    func twoOwners() {
        var router = VirtualRouter.active(.test(priority: 255))
        #expect(
            router.hear(255, from: Segment.higher, .seconds(10)) == [
                .becomeBackup(.higherAddress(from: Segment.higher)), .send(advertisement(255)),
            ])
        #expect(router.state == .backup(.nanoseconds(13_003_906_250)))
        #expect(router.hear(255, from: Segment.higher, .seconds(11)) == [])
        #expect(router.state == .backup(.nanoseconds(14_003_906_250)))
    }
}

// A process that was stopped, or a machine that was paused, wakes with its timer overdue and packets waiting, which are
// handed in first.
@Suite("VirtualRouter: waking up late")
struct VirtualRouterWakingTests {
    @Test("a Backup follows what waited, and does not take over")
    func backup() {
        var router = VirtualRouter.backup()
        #expect(router.hear(200, .seconds(60)) == [])
        #expect(router.fire(.seconds(60)) == [])
        #expect(router.state == .backup(.microseconds(63_609_375)))
    }

    @Test("an Active router that heard nobody goes on")
    func alone() {
        var router = VirtualRouter.active()
        #expect(router.fire(.seconds(60)) == [.send(advertisement(100))])
        #expect(router.state == .active(.seconds(61)))
    }

    @Test("an Active router that preempts takes the addresses back from a lower one")
    func preempts() {
        var router = VirtualRouter.active()
        #expect(router.hear(90, .seconds(60)) == [.send(advertisement(100)), .reaffirm])
    }

    @Test("one that does not preempt leaves them where they are, as soon as it was silent for four intervals")
    func noPreemption() {
        var router = VirtualRouter.active(.test(preempts: false))
        #expect(router.hear(90, .milliseconds(13_999)) == [.send(advertisement(100)), .reaffirm])
        router = .active(.test(preempts: false))
        #expect(
            router.hear(90, .seconds(14), interval: .milliseconds(100)) == [
                .becomeBackup(.overslept(.seconds(4), from: Segment.higher))
            ])
        #expect(router.state == .backup(.nanoseconds(14_360_937_500), interval: .milliseconds(100)))
    }

    @Test("one with a preempt delay hears the new one out")
    func preemptDelay() {
        var router = VirtualRouter.active(.test(preemptDelay: .seconds(30)))
        #expect(router.hear(90, .seconds(60)) == [.becomeBackup(.overslept(.seconds(50), from: Segment.higher))])
        #expect(router.state == .backup(.microseconds(63_609_375), preemptAfter: .seconds(90)))
    }

    @Test("its own advertisement, sent back, or a resignation is no new Active router")
    func nobody() {
        var router = VirtualRouter.active(.test(preempts: false))
        #expect(router.hear(100, from: Segment.own, .seconds(60)) == [])
        #expect(router.hear(0, .seconds(60)) == [.send(advertisement(100)), .reaffirm])
    }
}

@Suite("VirtualRouter: what an operator reads")
struct VirtualRouterTextTests {
    @Test(
        "causes",
        arguments: [
            (.startup, "listening for an Active router", "startup"),
            (.owner, "priority 255, it owns the addresses", "owner"),
            (
                .activeDown(last: Segment.higher, silence: .microseconds(3_609_375)),
                "no advertisement from 198.51.100.3 for 3.61 s", "active_down"
            ),
            (
                .activeDown(last: nil, silence: .nanoseconds(36_093_750)),
                "no advertisement from anybody for 36.1 ms", "active_down"
            ),
            (.resigned(from: Segment.higher), "198.51.100.3 gave up (priority 0)", "resigned"),
            (
                .preempting(Priority(90), from: Segment.higher),
                "preempts 198.51.100.3, which has the lower priority 90", "preempting"
            ),
            (
                .higherPriority(Priority(150), from: Segment.higher),
                "198.51.100.3 is Active with the higher priority 150", "higher_priority"
            ),
            (
                .higherAddress(from: Segment.higher),
                "198.51.100.3 is Active with the same priority, and a higher address", "higher_address"
            ),
            (
                .overslept(.seconds(61), from: Segment.higher),
                "sent nothing for 61 s (frozen?), and 198.51.100.3 has taken over", "overslept"
            ),
            (.shutdown, "told to stop", "shutdown"),
            (.interfaceDown, "the interface is down or has no address", "interface_down"),
        ] as [(VirtualRouter.Cause, String, String)])
    func causes(cause: VirtualRouter.Cause, text: String, code: String) {
        #expect(cause.description == text)
        #expect(cause.code == code)
        #expect((cause.other == nil) == !text.contains("198.51.100.3"))
    }

    @Test(
        "durations",
        arguments: [
            (.zero, "0 ms"), (.nanoseconds(36_093_750), "36.1 ms"), (.milliseconds(250), "250 ms"),
            (.microseconds(40), "0 ms"), (.microseconds(60), "0.1 ms"), (.microseconds(999_949), "999.9 ms"),
            (.microseconds(999_950), "1 s"), (.microseconds(3_609_375), "3.61 s"), (.seconds(3), "3 s"),
            (.milliseconds(10_050), "10.05 s"), (.milliseconds(99_994), "99.99 s"), (.milliseconds(99_995), "100 s"),
            (.milliseconds(121_800), "122 s"), (.milliseconds(-1500), "-1.5 s"),
        ] as [(Duration, String)])
    func durations(duration: Duration, text: String) {
        #expect(duration.shortText == text)
    }

    @Test("state names")
    func names() {
        #expect(VirtualRouter.initialized().state.name.description == "initialize")
        #expect(VirtualRouter.backup().state.name.description == "backup")
        #expect(VirtualRouter.active().state.name.description == "active")
    }
}
