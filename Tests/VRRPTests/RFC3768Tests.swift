import Testing

@testable import VRRP

// Where version 2 differs. An interval of 3 s, so that its skew of whole seconds shows: priority 100 has a Skew Time of
// 0.609375 s at any interval, and a Master_Down_Interval of 9.609375 s.
@Suite("RFC 3768")
struct RFC3768Tests {
    private let parameters = VirtualRouterParameters.test(.v2, interval: .seconds(3))

    private func v2(_ priority: UInt8) -> Advertisement { advertisement(priority, .v2, interval: .seconds(3)) }

    @Test("§6.1: Skew_Time is that part of a second, whatever the interval")
    func skewTime() {
        let router = VirtualRouter.initialized(parameters)
        #expect(router.skewTime(.seconds(3)) == .microseconds(609_375))
        #expect(router.skewTime(.seconds(255)) == .microseconds(609_375))
    }

    @Test("§6.1: Master_Down_Interval is three intervals and the skew")
    func masterDownInterval() {
        #expect(VirtualRouter.initialized(parameters).activeDownInterval(.seconds(3)) == .microseconds(9_609_375))
        #expect(VirtualRouter.initialized(parameters).activeDownInterval(.seconds(1)) == .microseconds(3_609_375))
    }

    @Test("§6.4.1: the owner starts as Master, any other router as Backup")
    func startup() {
        #expect(VirtualRouter.backup(parameters).state == .backup(.microseconds(9_609_375), interval: .seconds(3)))
        var router = VirtualRouter.initialized(.test(.v2, priority: 255, interval: .seconds(3)))
        #expect(router.handle(.startup, now: at(.zero)) == [.send(v2(255)), .becomeActive(.owner)])
        #expect(router.state == .active(.seconds(3), answersAfter: .zero))
    }

    @Test("§6.4.2: Shutdown")
    func backupShutdown() {
        var router = VirtualRouter.backup(parameters)
        #expect(router.handle(.shutdown, now: at(.zero)) == [.initialize(.shutdown)])
    }

    @Test("§6.4.2: Master_Down_Timer fires: advertise, announce, be Master")
    func masterDown() {
        var router = VirtualRouter.backup(parameters)
        _ = router.hear(200, .seconds(1), interval: .seconds(3))
        #expect(
            router.fire(.microseconds(10_609_375)) == [
                .send(v2(100)),
                .becomeActive(.activeDown(last: Segment.higher, silence: .microseconds(9_609_375))),
            ])
        #expect(router.state == .active(.microseconds(13_609_375), answersAfter: .microseconds(10_609_375)))
    }

    @Test("§6.4.2: priority 0 sets Master_Down_Timer to Skew_Time")
    func backupPriorityZero() {
        var router = VirtualRouter.backup(parameters)
        #expect(router.hear(0, .seconds(1)) == [])
        #expect(router.state == .backup(.microseconds(1_609_375), interval: .seconds(3)))
    }

    @Test("§6.4.2: a priority at least ours, or any without Preempt_Mode, resets the timer")
    func backupFollows() {
        var router = VirtualRouter.backup(parameters)
        #expect(router.hear(100, .seconds(1)) == [])
        #expect(router.state == .backup(.microseconds(10_609_375), interval: .seconds(3)))
        router = .backup(.test(.v2, interval: .seconds(3), preempts: false))
        #expect(router.hear(1, .seconds(1)) == [])
        #expect(router.state == .backup(.microseconds(10_609_375), interval: .seconds(3)))
    }

    @Test("§6.4.2: a lower one is discarded")
    func backupDiscards() {
        var router = VirtualRouter.backup(parameters)
        #expect(router.hear(99, .seconds(1)) == [])
        #expect(router.state == .backup(.microseconds(9_609_375), interval: .seconds(3)))
    }

    @Test("version 2 learns no interval: all routers have the same")
    func learnsNothing() {
        var router = VirtualRouter.backup(parameters)
        _ = router.hear(200, .seconds(1), interval: .seconds(255))
        #expect(router.state == .backup(.microseconds(10_609_375), interval: .seconds(3)))
        router = .active(parameters)
        _ = router.hear(200, .seconds(11), interval: .seconds(255))
        #expect(router.state == .backup(.microseconds(20_609_375), interval: .seconds(3)))
    }

    @Test("§6.4.3: Shutdown sends priority 0")
    func masterShutdown() {
        var router = VirtualRouter.active(parameters)
        #expect(router.handle(.shutdown, now: at(.seconds(10))) == [.initialize(.shutdown), .send(v2(0))])
    }

    @Test("§6.4.3: Adver_Timer fires")
    func advertisementTimer() {
        var router = VirtualRouter.active(parameters)
        #expect(router.fire(.seconds(13)) == [.send(v2(100))])
        #expect(router.state == .active(.seconds(16)))
    }

    @Test("§6.4.3: priority 0: advertise, reset Adver_Timer")
    func masterPriorityZero() {
        var router = VirtualRouter.active(parameters)
        #expect(router.hear(0, .seconds(11)) == [.send(v2(100)), .reaffirm])
        #expect(router.state == .active(.seconds(14), answersAfter: .milliseconds(11_750)))
    }

    @Test("§6.4.3: a higher priority, or an equal one with a higher address, wins")
    func masterYields() {
        var router = VirtualRouter.active(parameters)
        #expect(
            router.hear(101, from: Segment.lower, .seconds(11)) == [
                .becomeBackup(.higherPriority(Priority(101), from: Segment.lower)), .send(v2(100)),
            ])
        #expect(router.state == .backup(.microseconds(20_609_375), interval: .seconds(3)))
        router = .active(parameters)
        #expect(
            router.hear(100, from: Segment.higher, .seconds(11)) == [
                .becomeBackup(.higherAddress(from: Segment.higher)), .send(v2(100)),
            ])
    }

    @Test("§6.4.3: any other is discarded; as keepalived does, and beyond the RFC, it is answered")
    func masterAsserts() {
        var router = VirtualRouter.active(parameters)
        #expect(router.hear(99, .seconds(11)) == [.send(v2(100)), .reaffirm])
        #expect(router.state == .active(.seconds(13), answersAfter: .milliseconds(11_750)))
    }

    @Test("the password goes with every advertisement")
    func password() {
        var parameters = parameters
        parameters.authentication = .password([0x73, 0x65, 0x63])
        var router = VirtualRouter.active(parameters)
        var expected = v2(100)
        expected.authentication = .password([0x73, 0x65, 0x63])
        #expect(router.fire(.seconds(13)) == [.send(expected)])
        expected.priority = Priority(0)
        #expect(router.handle(.shutdown, now: at(.seconds(13))) == [.initialize(.shutdown), .send(expected)])
    }
}
