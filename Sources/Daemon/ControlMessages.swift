/// What is asked through the control socket: one JSON object on a line.
package struct ControlRequest: Codable, Sendable, Equatable {
    /// `status`, `history`, `switchover`, `pause`, `resume`.
    package var command: String
    /// Which virtual router; not needed where there is just one, and `status` answers for all without.
    package var virtualRouter: String?
    /// `history`: at most so many of the last entries.
    package var limit: Int?

    /// Makes one.
    package init(command: String, virtualRouter: String? = nil, limit: Int? = nil) {
        self.command = command
        self.virtualRouter = virtualRouter
        self.limit = limit
    }
}

/// What is answered: one JSON object on a line. `error` is nil, or all else is.
package struct ControlAnswer: Codable, Sendable, Equatable {
    /// Why the request could not be dealt with.
    @OrNull package var error: Failure?
    /// The answer to `status`.
    @OrNull package var status: StatusReport?
    /// The answer to `history`, the oldest first.
    @OrNull package var history: [HistoryEntry]?
    /// The answer to an order.
    @OrNull package var order: Order?

    /// Why a request could not be dealt with.
    package struct Failure: Codable, Sendable, Equatable {
        /// A stable word: `bad_request`, `unknown_command`, `unknown_virtual_router`, `no_answer`, …
        package var code: String
        /// One sentence.
        package var text: String
    }

    /// What came of an order.
    package struct Order: Codable, Sendable, Equatable {
        /// Whether it was carried out.
        package var done: Bool
        /// One sentence.
        package var text: String
        /// What it lost.
        package var loss: HistoryEntry.LossText
        /// From the fence to the promotion.
        @OrNull package var writeGapMs: Double?
    }

    static func failure(_ code: String, _ text: String) -> ControlAnswer {
        ControlAnswer(error: Failure(code: code, text: text), status: nil, history: nil, order: nil)
    }
}
