/// What went wrong with the lab, not with what it tests.
public enum LabError: Error, CustomStringConvertible {
    /// A program is not on this machine.
    case noProgram(String)
    /// A command failed; with what it printed.
    case command(String, output: String)
    /// A condition did not come true in time.
    case timedOut(String, within: Duration)
    /// A file does not hold what it should.
    case malformed(String)

    public var description: String {
        switch self {
        case .noProgram(let name): "\(name) is not on this machine; scripts/setup test installs it"
        case .command(let command, let output): "\(command): \(output)"
        case .timedOut(let what, let limit): "not within \(limit): \(what)"
        case .malformed(let what): what
        }
    }
}

/// Waits until `condition` holds, looking at it every `pause`.
///
/// Throws: `LabError.timedOut` after `limit`, or what the condition throws.
public func waitUntil(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(10), pause: Duration = .milliseconds(5),
    isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        if ContinuousClock.now > end { throw LabError.timedOut(what(), within: limit) }
        try await Task.sleep(for: pause)
    }
}

/// Waits until `value` gives one, and returns that.
public func waitFor<Value>(
    _ what: @autoclosure () -> String, within limit: Duration = .seconds(10), pause: Duration = .milliseconds(5),
    isolation: isolated (any Actor)? = #isolation, _ value: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + limit
    while true {
        if let found = try await value() { return found }
        if ContinuousClock.now > end { throw LabError.timedOut(what(), within: limit) }
        try await Task.sleep(for: pause)
    }
}
