import RedisClient
import Testing

@Suite("Error replies: literal texts of servers and their codes")
struct RedisServerErrorTests {
    static let texts: [(text: String, code: RedisServerError.Code)] = [
        ("LOADING Redis is loading the dataset in memory", .loading),
        ("NOAUTH Authentication required.", .noAuth),
        ("ERR operation not permitted", .noAuth),
        ("WRONGPASS invalid username-password pair or user is disabled.", .wrongPass),
        ("ERR invalid password", .wrongPass),
        ("NOPERM this user has no permissions to run the 'get' command", .noPerm),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", .busy),
        ("BUSYKEY Target key name already exists.", .other("BUSYKEY")),
        (
            "MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.",
            .misconf
        ),
        ("READONLY You can't write against a read only replica.", .readOnly),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", .masterDown),
        ("NOREPLICAS Not enough good slaves to write.", .noReplicas),
        ("ERR max number of clients reached", .maxClients),
        ("ERR max number of clients + cluster connections reached", .maxClients),
        ("OOM command not allowed when used memory > 'maxmemory'.", .outOfMemory),
        ("EXECABORT Transaction discarded because of previous errors.", .execAbort),
        ("NOMASTERLINK Can't SYNC while not connected with my master", .noMasterLink),
        ("ERR unknown command 'FOO'", .unknownCommand),
        ("ERR unknown command `FOO`, with args beginning with: ", .unknownCommand),
        ("ERR syntax error", .err),
        ("ERR", .err),
        ("ERR Client sent AUTH, but no password is set", .err),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", .other("WRONGTYPE")),
        ("", .other("")),
        ("DENIED Redis is running in protected mode", .other("DENIED")),
    ]

    @Test("code and whole text", arguments: texts)
    func code(text: String, code: RedisServerError.Code) {
        let error = RedisServerError(message: text)
        #expect(error.code == code)
        #expect(error.message == text)
    }

    @Test("a server without a password is recognized by what it says to AUTH")
    func noPassword() {
        let old = "ERR Client sent AUTH, but no password is set"
        let new =
            "ERR AUTH <password> called without any password configured for the default user. "
            + "Are you sure your configuration is correct?"
        #expect(RedisServerError(message: old).saysNoPasswordIsSet)
        #expect(RedisServerError(message: new).saysNoPasswordIsSet)
        #expect(!RedisServerError(message: "ERR invalid password").saysNoPasswordIsSet)
        #expect(!RedisServerError(message: "ERR wrong number of arguments for 'auth' command").saysNoPasswordIsSet)
    }

    @Test("descriptions are one line of printable ASCII, cut")
    func descriptions() {
        #expect(RedisServerError(message: "ERR a\r\n\u{1b}[31m").description == "ERR a\\r\\n\\x1b[31m")
        let long = RedisServerError(message: String(repeating: "x", count: 1000))
        #expect(long.description.count == 201)
        #expect(long.code == .other(String(repeating: "x", count: 32)))
    }
}
