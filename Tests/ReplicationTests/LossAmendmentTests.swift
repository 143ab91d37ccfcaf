import Testing

@testable import Replication

@Suite("LossAmendment: what corrects an account")
struct LossAmendmentTests {
    @Test("bytes without a write are no loss")
    func loss() {
        #expect(LossAmendment(bytes: 0, commands: 0).loss == .none)
        #expect(LossAmendment(bytes: 28, commands: 0).loss == .none)
        #expect(LossAmendment(bytes: 310, commands: 10).loss == .exact(bytes: 310))
        #expect(LossAmendment(bytes: 310, commands: nil).loss == .exact(bytes: 310))
        #expect(LossAmendment(bytes: 0, commands: nil).loss == .none)
    }

    @Test("an account that promised less was not true")
    func agreement() {
        let lost = LossAmendment(bytes: 310, commands: 10)
        let pings = LossAmendment(bytes: 28, commands: 0)
        #expect(!lost.agrees(with: .none) && pings.agrees(with: .none))
        #expect(lost.agrees(with: .exact(bytes: 310)) && !lost.agrees(with: .exact(bytes: 309)))
        #expect(pings.agrees(with: .exact(bytes: 310)))
        #expect(lost.agrees(with: .atMost(bytes: 1, sampleAge: .seconds(1))))
        #expect(lost.agrees(with: .unknown(.neverSampled)))
    }

    @Test("two pieces make one, and nothing overflows")
    func sum() {
        #expect(
            LossAmendment(bytes: 310, commands: 10) + LossAmendment(bytes: 14, commands: 0)
                == LossAmendment(bytes: 324, commands: 10))
        #expect(
            LossAmendment(bytes: 1, commands: nil) + LossAmendment(bytes: 2, commands: 3)
                == LossAmendment(bytes: 3, commands: nil))
        #expect(
            LossAmendment(bytes: .max, commands: .max) + LossAmendment(bytes: 1, commands: 1)
                == LossAmendment(bytes: .max, commands: .max))
    }

    @Test("what the operator reads")
    func text() {
        #expect("\(LossAmendment(bytes: 310, commands: 10))" == "exact: 310 bytes, 10 commands")
        #expect("\(LossAmendment(bytes: 31, commands: 1))" == "exact: 31 bytes, 1 command")
        #expect("\(LossAmendment(bytes: 31, commands: nil))" == "exact: 31 bytes, commands not counted")
    }
}
