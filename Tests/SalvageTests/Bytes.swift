@testable import Salvage

/// The bytes of a text.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A command as a master sends it: `resp("SET", "k", "v")`.
func resp(_ arguments: String...) -> [UInt8] {
    bytes("*\(arguments.count)\r\n" + arguments.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined())
}

/// All commands of a stream, and the error that ended it.
struct Reading: Equatable {
    var commands: [StreamCommand] = []
    var failure: ReplicationStreamError?
    var tally: StreamTally

    init(_ pieces: [[UInt8]], at offset: Int64 = 1, database: Int? = nil) {
        var stream = ReplicationStream(at: offset, database: database)
        do throws(ReplicationStreamError) {
            for piece in pieces {
                stream.append(piece)
                while let command = try stream.next() { commands.append(command) }
            }
        } catch {
            failure = error
        }
        tally = stream.tally
    }
}
