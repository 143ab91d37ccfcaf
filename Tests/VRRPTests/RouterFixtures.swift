import VRRP

// Routers in each of their states, driven there by events. Times are counted from the same arbitrary start.

let start = ContinuousClock.now

func at(_ time: Duration) -> Instant { start + time }

/// The segment that the tests live on.
enum Segment {
    static let virtual = IPAddress.v4(0xc633_6464)  // 198.51.100.100
    static let lower = IPAddress.v4(0xc633_6401)  // 198.51.100.1
    static let own = IPAddress.v4(0xc633_6402)  // 198.51.100.2
    static let higher = IPAddress.v4(0xc633_6403)  // 198.51.100.3
    static let lower6 = IPAddress.v6(0xfe80 << 48, 1)
    static let own6 = IPAddress.v6(0xfe80 << 48, 2)
    static let higher6 = IPAddress.v6(0xfe80 << 48, 0x8000_0000_0000_0000)
}

extension VirtualRouterID {
    static let test: VirtualRouterID = {
        guard let id = VirtualRouterID(51) else { preconditionFailure("51 is a virtual router ID") }
        return id
    }()
}

extension VirtualRouterParameters {
    /// Version 3, priority 100, 1 s.
    static func test(
        _ version: ProtocolVersion = .v3, priority: UInt8 = 100, interval: Duration = .seconds(1),
        preempts: Bool = true, preemptDelay: Duration = .zero, addresses: [IPAddress] = [Segment.virtual]
    ) -> VirtualRouterParameters {
        VirtualRouterParameters(
            version: version, virtualRouterID: .test, priority: Priority(priority), advertisementInterval: interval,
            preempts: preempts, preemptDelay: preemptDelay, addresses: addresses)
    }
}

/// An advertisement as another router, or ours, sends it.
func advertisement(
    _ priority: UInt8, _ version: ProtocolVersion = .v3, interval: Duration = .seconds(1)
) -> Advertisement {
    Advertisement(
        version: version, virtualRouterID: .test, priority: Priority(priority), interval: interval,
        addresses: [Segment.virtual])
}

extension VirtualRouter {
    static func initialized(_ parameters: VirtualRouterParameters = .test()) -> VirtualRouter {
        VirtualRouter(parameters, primaryAddress: Segment.own)
    }

    /// Started at 0.
    static func backup(_ parameters: VirtualRouterParameters = .test()) -> VirtualRouter {
        var router = initialized(parameters)
        _ = router.handle(.startup, now: at(.zero))
        return router
    }

    /// Active since 10 s, and so with a first timer of 10 s and an interval: priority raised to 255, and set again.
    static func active(_ parameters: VirtualRouterParameters = .test()) -> VirtualRouter {
        var owner = parameters
        owner.priority = .owner
        var router = initialized(owner)
        _ = router.handle(.startup, now: at(.seconds(10)))
        _ = router.handle(.priorityChanged(parameters.priority), now: at(.seconds(10)))
        return router
    }

    /// Hears an advertisement.
    mutating func hear(
        _ priority: UInt8, from sender: IPAddress = Segment.higher, _ time: Duration, interval: Duration = .seconds(1)
    ) -> [Action] {
        handle(
            .received(advertisement(priority, parameters.version, interval: interval), from: sender), now: at(time))
    }

    /// Its timer fires.
    mutating func fire(_ time: Duration) -> [Action] { handle(.deadlineReached, now: at(time)) }
}

extension VirtualRouter.State {
    static func backup(
        _ timer: Duration, interval: Duration = .seconds(1), preemptAfter: Duration? = nil
    ) -> VirtualRouter.State {
        .backup(
            activeDownTimer: at(timer), activeAdvertisementInterval: interval, preemptAfter: preemptAfter.map(at))
    }

    static func active(_ timer: Duration, answersAfter: Duration = .seconds(10)) -> VirtualRouter.State {
        .active(advertisementTimer: at(timer), answersAfter: at(answersAfter))
    }
}
