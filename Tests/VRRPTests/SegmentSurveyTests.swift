import Testing
import VRRP

/// What `syncgate vrrp watch` makes of packets.
struct SegmentSurveyTests {
    private let start = ContinuousClock.now
    private let one = IPAddress.v4(0xc633_6401)
    private let two = IPAddress.v4(0xc633_6402)

    private func advertisement(
        _ id: Int = 51, priority: UInt8 = 100, interval: Duration = .milliseconds(100), address: UInt32 = 0xc633_6464
    ) throws -> Advertisement {
        Advertisement(
            version: .v3, virtualRouterID: try #require(VirtualRouterID(id)), priority: Priority(priority),
            interval: interval, addresses: [.v4(address)])
    }

    @Test("the interval is measured, and how far packets are from it")
    func regularity() throws {
        var survey = SegmentSurvey()
        for milliseconds in [0, 100, 203, 300] {
            survey.record(.success(try advertisement()), from: one, now: start + .milliseconds(milliseconds))
        }
        let router = try #require(survey.routers.first)
        #expect(survey.routers.count == 1)
        #expect(router.packets == 4)
        #expect(router.regularity.meanInterval == .milliseconds(100))
        #expect(router.regularity.meanDeviation == .milliseconds(2))
        #expect(router.regularity.maxDeviation == .milliseconds(3))
        #expect(survey.problems(of: router, now: start + .milliseconds(310)) == [])
    }

    @Test("two senders of one virtual router are rivals, with what they differ in")
    func rivals() throws {
        var survey = SegmentSurvey()
        survey.record(.success(try advertisement()), from: one, now: start)
        survey.record(
            .success(try advertisement(interval: .seconds(1), address: 0xc633_6465)), from: two, now: start)
        survey.record(.success(try advertisement(52)), from: two, now: start)
        let routers = survey.routers
        #expect(routers.map(\.sender) == [one, two, two])
        let now = start + .milliseconds(50)
        #expect(
            survey.problems(of: routers[0], now: now)
                == [.rivals([two]), .otherAddresses(than: two), .otherInterval(than: two)])
        #expect(survey.problems(of: routers[2], now: now) == [])
        // The first one has fallen silent meanwhile.
        let later = start + .seconds(2)
        #expect(survey.problems(of: routers[0], now: later) == [.silent(for: .seconds(2))])
        #expect(survey.problems(of: routers[1], now: later) == [])
        #expect("\(SegmentSurvey.Problem.silent(for: .milliseconds(2500)))" == "silent for 2 s")
    }

    @Test("a router that gives up is not silent, and nobody's rival")
    func resignation() throws {
        var survey = SegmentSurvey()
        survey.record(.success(try advertisement()), from: one, now: start)
        survey.record(.success(try advertisement(priority: 0)), from: one, now: start + .milliseconds(20))
        survey.record(.success(try advertisement()), from: two, now: start + .milliseconds(30))
        let routers = survey.routers
        #expect(survey.problems(of: routers[0], now: start + .seconds(9)) == [.resigned])
        #expect(survey.problems(of: routers[1], now: start + .milliseconds(40)) == [])
        #expect(routers[0].regularity.meanInterval == nil)
    }

    @Test("rejected packets are counted with their sender, apart from what is in order")
    func rejections() throws {
        var survey = SegmentSurvey()
        survey.record(.failure(.hopLimit(64)), from: one, now: start)
        survey.record(.failure(.hopLimit(63)), from: one, now: start)
        survey.record(.success(try advertisement()), from: two, now: start)
        let routers = survey.routers
        #expect(routers.map(\.sender) == [two, one])
        #expect(routers[1].advertisement == nil)
        #expect(survey.problems(of: routers[1], now: start) == [.rejected(.hopLimit, count: 2)])
        #expect("\(SegmentSurvey.Problem.rejected(.hopLimit, count: 2))" == "hop_limit ×2")
    }

    @Test("a flood from invented senders does not grow it")
    func bounded() {
        var survey = SegmentSurvey()
        for sender in 0..<2000 { survey.record(.failure(.type(9)), from: .v4(UInt32(sender)), now: start) }
        #expect(survey.routers.count == 1024)
        #expect(survey.uncounted == 976)
    }
}
