import Testing

@testable import Salvage

/// What real servers answered to `PSYNC`, byte for byte, after these commands: in database 3 `SET k v` and a transaction of
/// `INCR n` and `DEL k`; in database 0 a script of a `SET` and an `RPUSH`, `SETEX t 1 x`, `PUBLISH ch m`; then two seconds, in
/// which the master sent PINGs and the key `t` expired.
private let captures: [(version: String, stream: String, writes: Int64, bookkeeping: Int64)] = [
    (
        "2.8.17",
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$5\r\nMULTI\r\n"
            + "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
            + "*3\r\n$4\r\nEVAL\r\n$57\r\nredis.call('SET','a','1') redis.call('RPUSH','l','x','y')\r\n$1\r\n0\r\n"
            + "*4\r\n$5\r\nSETEX\r\n$1\r\nt\r\n$1\r\n1\r\n$1\r\nx\r\n"
            + "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$1\r\nm\r\n*1\r\n$4\r\nPING\r\n"
            + "*2\r\n$3\r\nDEL\r\n$1\r\nt\r\n*1\r\n$4\r\nPING\r\n",
        7, 6
    ),
    (
        "3.2.6",
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$5\r\nMULTI\r\n"
            + "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
            + "*3\r\n$4\r\nEVAL\r\n$57\r\nredis.call('SET','a','1') redis.call('RPUSH','l','x','y')\r\n$1\r\n0\r\n"
            + "*4\r\n$5\r\nSETEX\r\n$1\r\nt\r\n$1\r\n1\r\n$1\r\nx\r\n"
            + "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$1\r\nm\r\n*1\r\n$4\r\nPING\r\n"
            + "*2\r\n$3\r\nDEL\r\n$1\r\nt\r\n*1\r\n$4\r\nPING\r\n",
        7, 6
    ),
    (
        "5.0.6",
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$5\r\nMULTI\r\n"
            + "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
            + "*4\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\nx\r\n$1\r\ny\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*4\r\n$5\r\nSETEX\r\n$1\r\nt\r\n$1\r\n1\r\n$1\r\nx\r\n"
            + "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$1\r\nm\r\n*1\r\n$4\r\nPING\r\n"
            + "*2\r\n$3\r\nDEL\r\n$1\r\nt\r\n*1\r\n$4\r\nPING\r\n",
        8, 8
    ),
    (
        "6.2.14",
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$5\r\nMULTI\r\n"
            + "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
            + "*4\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\nx\r\n$1\r\ny\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*5\r\n$3\r\nSET\r\n$1\r\nt\r\n$1\r\nx\r\n$2\r\nPX\r\n$4\r\n1000\r\n"
            + "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$1\r\nm\r\n*1\r\n$4\r\nping\r\n"
            + "*2\r\n$3\r\nDEL\r\n$1\r\nt\r\n*1\r\n$4\r\nping\r\n*1\r\n$4\r\nping\r\n",
        8, 9
    ),
    (
        "7.0.15",
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$5\r\nMULTI\r\n"
            + "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
            + "*4\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\nx\r\n$1\r\ny\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*5\r\n$3\r\nSET\r\n$1\r\nt\r\n$1\r\nx\r\n$4\r\nPXAT\r\n$13\r\n1795396886335\r\n"
            + "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$1\r\nm\r\n*1\r\n$4\r\nping\r\n"
            + "*2\r\n$3\r\nDEL\r\n$1\r\nt\r\n*1\r\n$4\r\nping\r\n*1\r\n$4\r\nping\r\n",
        8, 9
    ),
    (
        "8.2.3",
        "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$5\r\nMULTI\r\n"
            + "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*1\r\n$5\r\nMULTI\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
            + "*4\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\nx\r\n$1\r\ny\r\n*1\r\n$4\r\nEXEC\r\n"
            + "*5\r\n$3\r\nSET\r\n$1\r\nt\r\n$1\r\nx\r\n$4\r\nPXAT\r\n$13\r\n1795396900676\r\n"
            + "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$1\r\nm\r\n*1\r\n$4\r\nping\r\n"
            + "*2\r\n$3\r\nDEL\r\n$1\r\nt\r\n*1\r\n$4\r\nping\r\n",
        8, 8
    ),
]

@Suite("ReplicationStream: what real servers send")
struct StreamCaptureTests {
    @Test("every version, from PING to transactions", arguments: captures)
    func capture(version: String, stream: String, writes: Int64, bookkeeping: Int64) {
        let reading = Reading([bytes(stream)], at: 15)
        #expect(reading.failure == nil)
        var expected = StreamTally(
            from: 15, to: 15 + Int64(stream.utf8.count), writes: writes, bookkeeping: bookkeeping, firstDatabase: 3)
        // The key that expired; the other DEL is in a transaction.
        expected.deletions = 1
        #expect(reading.tally == expected)
        let names = reading.commands.filter(\.isWrite).map(\.name)
        #expect(names.starts(with: ["SET", "INCR", "DEL"]) && names.suffix(2) == ["PUBLISH", "DEL"])
        // Everything after the first transaction is meant for database 0.
        let databases = reading.commands.filter(\.isWrite).map(\.database)
        #expect(databases.prefix(3) == [3, 3, 3] && databases.dropFirst(3).allSatisfy { $0 == 0 })
        #expect(Reading(bytes(stream).map { [$0] }, at: 15) == reading)
    }

    @Test("each of their commands is found again from any byte of it", arguments: captures)
    func lead(version: String, stream: String, writes: Int64, bookkeeping: Int64) {
        let commands = Reading([bytes(stream)], at: 15).commands
        for command in commands where !command.isInTransaction && command.kind != .exec {
            for target in [command.offset, command.offset + 1, command.offset + command.length - 1] {
                #expect(StreamLead(bytes(stream), at: 15, target: target)?.start == command.offset)
            }
        }
    }
}
