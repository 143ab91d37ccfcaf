import Testing

/// The suites that use sockets and processes run one after the other: several of them measure time, and others make
/// the machine busy on purpose.
@Suite("With servers", .serialized, .timeLimit(.minutes(2)))
enum ServerTests {}
