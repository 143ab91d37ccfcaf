import Testing

@testable import VRRP

// One test per MUST of RFC 9568 §6.4 and §7 that concerns the machine, in our words. What §6.4.2 and §6.4.3 say of ARP,
// Neighbor Discovery and forwarding is done by the kernel, which answers for an address exactly as long as it is there: so
// the tests are that addresses come and go with the state. What §7.1 has a receiver verify of the bytes is tested with the
// codec.
@Suite("RFC 9568")
struct RFC9568Tests {
    // Priority 100, 100 ms: Skew Time 60.9375 ms, Active Down Interval 360.9375 ms.
    private let parameters = VirtualRouterParameters.test(interval: .milliseconds(100))
    private let own = advertisement(100, interval: .milliseconds(100))

    private func isAdding(_ actions: [VirtualRouter.Action]) -> Bool {
        actions.contains { if case .becomeActive = $0 { true } else { false } }
    }

    @Test("§6.1: Skew Time is the part of the Active interval that the priority lacks to 256")
    func skewTime() {
        let router = VirtualRouter.initialized(parameters)
        #expect(router.skewTime(.milliseconds(100)) == .nanoseconds(60_937_500))
        #expect(router.skewTime(.milliseconds(40_950)) == .nanoseconds(24_953_906_250))
        #expect(VirtualRouter.initialized(.test(priority: 255)).skewTime(.seconds(1)) == .nanoseconds(3_906_250))
        #expect(VirtualRouter.initialized(.test(priority: 1)).skewTime(.seconds(1)) == .nanoseconds(996_093_750))
    }

    @Test("§6.1: Active Down Interval is three Active intervals and the skew")
    func activeDownInterval() {
        let router = VirtualRouter.initialized(parameters)
        #expect(router.activeDownInterval(.milliseconds(100)) == .nanoseconds(360_937_500))
        #expect(router.activeDownInterval(.milliseconds(10)) == .nanoseconds(36_093_750))
        #expect(router.activeDownInterval(.seconds(1)) == .nanoseconds(3_609_375_000))
    }

    @Test("§6.4.1: the owner advertises, announces, sets Adver_Timer and is Active")
    func ownerStarts() {
        var owner = parameters
        owner.priority = .owner
        var router = VirtualRouter.initialized(owner)
        #expect(
            router.handle(.startup, now: at(.zero)) == [
                .send(advertisement(255, interval: .milliseconds(100))), .becomeActive(.owner),
            ])
        #expect(router.state == .active(.milliseconds(100), answersAfter: .zero))
    }

    @Test("§6.4.1: any other router takes its own interval for the Active one, sets Active_Down_Timer and is Backup")
    func otherStarts() {
        var router = VirtualRouter.initialized(parameters)
        #expect(router.handle(.startup, now: at(.zero)) == [.becomeBackup(.startup)])
        #expect(router.state == .backup(.nanoseconds(360_937_500), interval: .milliseconds(100)))
    }

    @Test("§6.4.2: a Backup has no address to answer ARP or Neighbor Solicitations for, and to accept packets with")
    func backupHasNoAddress() {
        var router = VirtualRouter.initialized(parameters)
        var actions = router.handle(.startup, now: at(.zero))
        actions += router.hear(200, .milliseconds(100), interval: .milliseconds(100))
        actions += router.hear(99, .milliseconds(200), interval: .milliseconds(100))
        actions += router.hear(0, .milliseconds(300), interval: .milliseconds(100))
        #expect(!isAdding(actions))
    }

    @Test("§6.4.2: Shutdown cancels the timer")
    func backupShutdown() {
        var router = VirtualRouter.backup(parameters)
        #expect(router.handle(.shutdown, now: at(.zero)) == [.initialize(.shutdown)])
        #expect(router.state == .initialize)
        #expect(router.deadline == nil)
        #expect(router.fire(.seconds(9)) == [])
    }

    @Test("§6.4.2: Active_Down_Timer fires: advertise, announce, set Adver_Timer to the own interval, be Active")
    func activeDown() {
        var router = VirtualRouter.backup(parameters)
        _ = router.hear(200, .zero, interval: .seconds(2))
        #expect(
            router.fire(.nanoseconds(7_218_750_000)) == [
                .send(own), .becomeActive(.activeDown(last: Segment.higher, silence: .nanoseconds(7_218_750_000))),
            ])
        #expect(router.state == .active(.nanoseconds(7_318_750_000), answersAfter: .nanoseconds(7_218_750_000)))
    }

    @Test("§6.4.2: priority 0 sets Active_Down_Timer to Skew_Time")
    func backupPriorityZero() {
        var router = VirtualRouter.backup(parameters)
        #expect(router.hear(0, .milliseconds(50), interval: .milliseconds(100)) == [])
        #expect(router.state == .backup(.nanoseconds(110_937_500), interval: .milliseconds(100)))
    }

    @Test("§6.4.2: priority at least ours: learn the interval, recompute both times from it, reset the timer")
    func backupFollows() {
        for priority in [100, 101, 254, 255] as [UInt8] {
            var router = VirtualRouter.backup(parameters)
            #expect(router.hear(priority, from: Segment.lower, .milliseconds(50), interval: .milliseconds(200)) == [])
            #expect(router.state == .backup(.nanoseconds(771_875_000), interval: .milliseconds(200)))
        }
    }

    @Test("§6.4.2: without Preempt_Mode any priority does that")
    func backupWithoutPreemption() {
        var router = VirtualRouter.backup(.test(interval: .milliseconds(100), preempts: false))
        #expect(router.hear(1, .milliseconds(50), interval: .milliseconds(200)) == [])
        #expect(router.state == .backup(.nanoseconds(771_875_000), interval: .milliseconds(200)))
    }

    @Test("§6.4.2: with Preempt_Mode a lower priority is discarded")
    func backupDiscards() {
        var router = VirtualRouter.backup(parameters)
        #expect(router.hear(99, .milliseconds(50), interval: .milliseconds(200)) == [])
        #expect(router.state == .backup(.nanoseconds(360_937_500), interval: .milliseconds(100)))
    }

    @Test("§6.4.3: an Active router has the addresses as long as it is Active")
    func activeHasAddresses() {
        var router = VirtualRouter.backup(parameters)
        #expect(isAdding(router.fire(.nanoseconds(360_937_500))))
        #expect(!isAdding(router.fire(.nanoseconds(460_937_500))))
        #expect(
            router.hear(101, .milliseconds(500)) == [
                .becomeBackup(.higherPriority(Priority(101), from: Segment.higher)), .send(own),
            ])
    }

    @Test("§6.4.3: Shutdown cancels Adver_Timer and sends priority 0")
    func activeShutdown() {
        var router = VirtualRouter.active(parameters)
        #expect(
            router.handle(.shutdown, now: at(.seconds(10))) == [
                .initialize(.shutdown), .send(advertisement(0, interval: .milliseconds(100))),
            ])
        #expect(router.state == .initialize)
        #expect(router.deadline == nil)
        #expect(router.fire(.seconds(11)) == [])
    }

    @Test("§6.4.3: Adver_Timer fires: advertise, reset it")
    func advertisementTimer() {
        var router = VirtualRouter.active(parameters)
        #expect(router.fire(.milliseconds(10_100)) == [.send(own)])
        #expect(router.state == .active(.milliseconds(10_200)))
    }

    @Test("§6.4.3: priority 0: advertise, reset Adver_Timer")
    func activePriorityZero() {
        var router = VirtualRouter.active(parameters)
        #expect(router.hear(0, .milliseconds(10_030)) == [.send(own), .reaffirm])
        #expect(router.state == .active(.milliseconds(10_130), answersAfter: .milliseconds(10_055)))
    }

    @Test("§6.4.3: a higher priority: learn its interval, set Active_Down_Timer, be Backup")
    func activeYieldsToPriority() {
        var router = VirtualRouter.active(parameters)
        #expect(
            router.hear(101, from: Segment.lower, .milliseconds(10_030), interval: .milliseconds(200)) == [
                .becomeBackup(.higherPriority(Priority(101), from: Segment.lower)), .send(own),
            ])
        #expect(router.state == .backup(.nanoseconds(10_751_875_000), interval: .milliseconds(200)))
    }

    @Test("§6.4.3: the same for equal priorities and a higher address")
    func activeYieldsToAddress() {
        var router = VirtualRouter.active(parameters)
        #expect(
            router.hear(100, from: Segment.higher, .milliseconds(10_030), interval: .milliseconds(200)) == [
                .becomeBackup(.higherAddress(from: Segment.higher)), .send(own),
            ])
        #expect(router.state == .backup(.nanoseconds(10_751_875_000), interval: .milliseconds(200)))
    }

    @Test("§6.4.3: any other is discarded, and an advertisement sent at once asserts the Active router")
    func activeAsserts() {
        for (priority, sender) in [(99, Segment.higher), (100, Segment.lower)] as [(UInt8, IPAddress)] {
            var router = VirtualRouter.active(parameters)
            #expect(router.hear(priority, from: sender, .milliseconds(10_030)) == [.send(own), .reaffirm])
            #expect(router.state == .active(.milliseconds(10_100), answersAfter: .milliseconds(10_055)))
        }
    }

    @Test("§7.2: the fields of what is sent are the configured ones")
    func fields() {
        var parameters = VirtualRouterParameters.test(interval: .milliseconds(40_950), addresses: [Segment.own6])
        parameters.priority = .owner
        var router = VirtualRouter(parameters, primaryAddress: Segment.own6)
        let expected = Advertisement(
            version: .v3, virtualRouterID: .test, priority: Priority(255), interval: .milliseconds(40_950),
            addresses: [Segment.own6])
        #expect(router.handle(.startup, now: at(.zero)) == [.send(expected), .becomeActive(.owner)])
    }
}
