import Testing

@testable import VRRP

private let first = VirtualAddress(.v4(0xc633_6464), prefixLength: 24)  // 198.51.100.100/24
private let second = VirtualAddress(.v4(0xc633_6465), prefixLength: 24, interface: "eth1")
private let both = [first, second]
private let lifetime = Duration.seconds(3)

/// Standard settings: a lifetime of 3 s, five extra rounds after 5 s, a refresh every 60 s.
private func active(_ settings: AddressUpkeep.Settings = .init()) -> AddressUpkeep {
    var upkeep = AddressUpkeep(both, settings: settings)
    _ = upkeep.handle(.activated, now: at(.zero))
    return upkeep
}

/// Renewals alone.
private let quiet = AddressUpkeep.Settings(announceRepeat: 0, announceRefresh: nil)

@Suite("AddressUpkeep: standby")
struct AddressUpkeepStandbyTests {
    @Test("activated: added and announced at once")
    func activated() {
        var upkeep = AddressUpkeep(both)
        #expect(upkeep.handle(.activated, now: at(.zero)) == [.add(both, lifetime: .seconds(3)), .announce(both)])
        #expect(upkeep.deadline == at(.seconds(1)))
        #expect(
            upkeep.state
                == .active(
                    .init(
                        renewal: at(.seconds(1)), extra: .init(next: at(.seconds(5)), left: 5),
                        refresh: at(.seconds(60)))))
    }

    @Test("deactivated: what a crash may have left is removed")
    func deactivated() {
        var upkeep = AddressUpkeep(both)
        #expect(upkeep.handle(.deactivated, now: at(.zero)) == [.remove(both)])
        #expect(upkeep.state == .standby)
    }

    @Test(
        "nothing else means anything",
        arguments: [
            .reaffirmed, .removed(first), .added(first), .addFailed(first), .interfaceReturned, .deadlineReached,
        ] as [AddressUpkeep.Event])
    func nothing(event: AddressUpkeep.Event) {
        var upkeep = AddressUpkeep(both)
        #expect(upkeep.handle(event, now: at(.zero)) == [])
        #expect(upkeep.state == .standby)
        #expect(upkeep.deadline == nil)
    }
}

@Suite("AddressUpkeep: active")
struct AddressUpkeepActiveTests {
    @Test("activated again: nothing")
    func again() {
        var upkeep = active()
        let before = upkeep
        #expect(upkeep.handle(.activated, now: at(.milliseconds(500))) == [])
        #expect(upkeep == before)
    }

    @Test("deactivated: removed, and nothing is due any more")
    func deactivated() {
        var upkeep = active()
        #expect(upkeep.handle(.deactivated, now: at(.milliseconds(500))) == [.remove(both)])
        #expect(upkeep.state == .standby)
        #expect(upkeep.deadline == nil)
    }

    @Test("the first 70 seconds, turn by turn")
    func turns() {
        var upkeep = active()
        var announcements: [Duration] = []
        for second in 1...70 {
            #expect(upkeep.deadline == at(.seconds(second)))
            let actions = upkeep.handle(.deadlineReached, now: at(.seconds(second)))
            #expect(actions.first == .add(both, lifetime: .seconds(3)))
            if actions.count > 1 { announcements.append(.seconds(second)) }
            #expect(actions.dropFirst().allSatisfy { $0 == .announce(both) } && actions.count <= 2)
        }
        #expect(announcements == [5, 6, 7, 8, 9, 60].map { .seconds($0) })
    }

    @Test("renewed every third of the lifetime, in step; a missed turn is not made up for")
    func renewal() {
        var settings = quiet
        settings.lifetime = .seconds(6)
        var upkeep = active(settings)
        #expect(upkeep.deadline == at(.seconds(2)))
        #expect(upkeep.handle(.deadlineReached, now: at(.milliseconds(1999))) == [])
        #expect(upkeep.handle(.deadlineReached, now: at(.milliseconds(2500))) == [.add(both, lifetime: .seconds(6))])
        #expect(upkeep.deadline == at(.seconds(4)))
        #expect(upkeep.handle(.deadlineReached, now: at(.milliseconds(5500))) == [.add(both, lifetime: .seconds(6))])
        #expect(upkeep.deadline == at(.seconds(6)))
        #expect(upkeep.handle(.deadlineReached, now: at(.seconds(9))) == [.add(both, lifetime: .seconds(6))])
        #expect(upkeep.deadline == at(.seconds(11)))
    }

    @Test("renewed after the lifetime was over: the kernel had dropped them, so they are announced as well")
    func expired() {
        var upkeep = active(quiet)
        #expect(upkeep.handle(.deadlineReached, now: at(.milliseconds(2999))) == [.add(both, lifetime: lifetime)])
        upkeep = active(quiet)
        #expect(
            upkeep.handle(.deadlineReached, now: at(.seconds(3))) == [.add(both, lifetime: lifetime), .announce(both)])
    }

    @Test("without extra rounds and refresh nothing is announced again")
    func quietly() {
        var upkeep = active(quiet)
        for second in 1...200 {
            #expect(upkeep.handle(.deadlineReached, now: at(.seconds(second))) == [.add(both, lifetime: lifetime)])
        }
    }

    @Test("no delay: the extra rounds begin with the next turn")
    func noDelay() {
        var upkeep = active(.init(announceRepeat: 2, announceDelay: .zero, announceRefresh: nil))
        #expect(upkeep.deadline == at(.zero))
        #expect(upkeep.handle(.deadlineReached, now: at(.milliseconds(1))) == [.announce(both)])
        #expect(
            upkeep.handle(.deadlineReached, now: at(.seconds(1))) == [.add(both, lifetime: lifetime), .announce(both)])
        #expect(upkeep.handle(.deadlineReached, now: at(.seconds(2))) == [.add(both, lifetime: lifetime)])
    }

    @Test("a second Active router gave way: announced at once, and the extra rounds start anew")
    func reaffirmed() {
        var upkeep = active()
        #expect(upkeep.handle(.reaffirmed, now: at(.milliseconds(30_500))) == [.announce(both)])
        #expect(
            upkeep.state
                == .active(
                    .init(
                        renewal: at(.seconds(1)), extra: .init(next: at(.milliseconds(35_500)), left: 5),
                        refresh: at(.milliseconds(90_500)))))
    }

    @Test("an interface came back: everything is added and announced again")
    func interfaceReturned() {
        var upkeep = active()
        #expect(
            upkeep.handle(.interfaceReturned, now: at(.milliseconds(30_500))) == [
                .add(both, lifetime: lifetime), .announce(both),
            ])
        #expect(
            upkeep.state
                == .active(
                    .init(
                        renewal: at(.milliseconds(31_500)), extra: .init(next: at(.milliseconds(35_500)), left: 5),
                        refresh: at(.milliseconds(90_500)))))
    }

    @Test("no addresses: nothing to do")
    func empty() {
        var upkeep = AddressUpkeep([])
        #expect(upkeep.handle(.activated, now: at(.zero)) == [])
        #expect(upkeep.handle(.reaffirmed, now: at(.zero)) == [])
    }
}

@Suite("AddressUpkeep: addresses that go")
struct AddressUpkeepRemovalTests {
    @Test("removed by somebody else: back and announced at once")
    func restored() {
        var upkeep = active(quiet)
        #expect(
            upkeep.handle(.removed(second), now: at(.milliseconds(200))) == [
                .add([second], lifetime: lifetime), .announce([second]),
            ])
        #expect(upkeep.deadline == at(.seconds(1)))
    }

    @Test("an address that is not ours: nothing")
    func stranger() {
        var upkeep = active(quiet)
        let before = upkeep
        #expect(upkeep.handle(.removed(VirtualAddress(.v4(1))), now: at(.milliseconds(200))) == [])
        #expect(upkeep.handle(.addFailed(VirtualAddress(.v4(1))), now: at(.milliseconds(200))) == [])
        #expect(upkeep == before)
    }

    @Test("removed again and again: ten times a second at most, and announced when it is back")
    func war() {
        var upkeep = active(quiet)
        _ = upkeep.handle(.removed(first), now: at(.milliseconds(200)))
        #expect(upkeep.handle(.removed(first), now: at(.milliseconds(299))) == [])
        #expect(upkeep.deadline == at(.milliseconds(300)))
        #expect(upkeep.handle(.deadlineReached, now: at(.milliseconds(300))) == [.add(both, lifetime: lifetime)])
        #expect(upkeep.handle(.added(first), now: at(.milliseconds(300))) == [.announce([first])])
        #expect(upkeep.handle(.added(second), now: at(.milliseconds(300))) == [])
        #expect(upkeep.handle(.removed(first), now: at(.milliseconds(399))) == [])
        #expect(upkeep.deadline == at(.milliseconds(400)))
        #expect(
            upkeep.handle(.removed(second), now: at(.milliseconds(399))) == [
                .add([second], lifetime: lifetime), .announce([second]),
            ])
    }

    @Test("one that cannot be added is not announced until it can; it is tried again with each renewal")
    func failure() {
        var upkeep = active(.init(announceRepeat: 1, announceDelay: .milliseconds(1500), announceRefresh: nil))
        #expect(upkeep.handle(.addFailed(second), now: at(.zero)) == [])
        #expect(upkeep.handle(.added(first), now: at(.zero)) == [])
        #expect(upkeep.handle(.reaffirmed, now: at(.zero)) == [.announce([first])])
        #expect(upkeep.handle(.deadlineReached, now: at(.seconds(1))) == [.add(both, lifetime: lifetime)])
        #expect(upkeep.handle(.addFailed(second), now: at(.seconds(1))) == [])
        #expect(upkeep.handle(.deadlineReached, now: at(.milliseconds(1500))) == [.announce([first])])
        #expect(upkeep.handle(.deadlineReached, now: at(.seconds(2))) == [.add(both, lifetime: lifetime)])
        #expect(upkeep.handle(.added(second), now: at(.seconds(2))) == [.announce([second])])
        #expect(upkeep.handle(.added(second), now: at(.seconds(3))) == [])
    }

    @Test("none can be added: nothing is announced")
    func allFail() {
        var upkeep = active(quiet)
        _ = upkeep.handle(.addFailed(first), now: at(.zero))
        _ = upkeep.handle(.addFailed(second), now: at(.zero))
        #expect(upkeep.handle(.reaffirmed, now: at(.zero)) == [])
    }
}

@Suite("AddressUpkeep: settings")
struct AddressUpkeepSettingsTests {
    @Test("the standard ones can be used, and so can the extremes")
    func usable() {
        #expect(AddressUpkeep.Settings().problem == nil)
        #expect(quiet.problem == nil)
        #expect(
            AddressUpkeep.Settings(
                lifetime: .seconds(1), announceRepeat: 100, announceDelay: .zero, announceRefresh: .seconds(1)
            ).problem == nil)
    }

    @Test("what cannot be used names the value and what can")
    func problems() {
        #expect(
            AddressUpkeep.Settings(lifetime: .milliseconds(1500)).problem
                == "a lifetime of 1.5 s is not possible: whole seconds, 1 s to 86400 s")
        #expect(AddressUpkeep.Settings(lifetime: .zero).problem != nil)
        #expect(AddressUpkeep.Settings(lifetime: .seconds(86_401)).problem != nil)
        #expect(
            AddressUpkeep.Settings(announceRepeat: 101).problem
                == "101 extra announcements are not possible: 0 to 100")
        #expect(
            AddressUpkeep.Settings(announceDelay: .seconds(-1)).problem
                == "a delay of -1 s before extra announcements is not possible: 0 s to 3600 s")
        #expect(
            AddressUpkeep.Settings(announceRefresh: .milliseconds(10)).problem
                == "announcing every 10 ms is not possible: 1 s to 86400 s, or never")
    }
}
