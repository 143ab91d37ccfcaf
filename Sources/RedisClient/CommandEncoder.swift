import CHiredis
package import NIOCore

/// Writes commands as RESP, through hiredis.
package enum CommandEncoder {
    /// Appends one command. Arguments may be empty and may hold any bytes; there must be at least one, because a
    /// server does not answer an empty command.
    package static func append(_ arguments: [[UInt8]], to buffer: inout ByteBuffer) {
        precondition(!arguments.isEmpty, "a command has a name")
        // All arguments in one block, so that one pointer is held and not one per argument. The extra byte keeps
        // the block from being empty, which would have no address.
        var block: [CChar] = []
        block.reserveCapacity(arguments.reduce(1) { $0 + $1.count })
        for argument in arguments { block.append(contentsOf: argument.lazy.map { CChar(bitPattern: $0) }) }
        block.append(0)
        let lengths = arguments.map(\.count)

        var target: UnsafeMutablePointer<CChar>?
        let count = block.withUnsafeBufferPointer { block in
            var start = block.baseAddress
            var pointers: [UnsafePointer<CChar>?] = []
            for length in lengths {
                pointers.append(start)
                start = start?.advanced(by: length)
            }
            // Int(…): the result is an int in hiredis 0.14 and a long long in 1.x.
            return Int(redisFormatCommandArgv(&target, CInt(lengths.count), &pointers, lengths))
        }
        guard count > 0, let target else { preconditionFailure("hiredis is out of memory") }
        buffer.writeBytes(UnsafeRawBufferPointer(start: target, count: count))
        redisFreeCommand(target)
    }

    /// Appends one command of text arguments, as UTF-8.
    package static func append(_ arguments: [String], to buffer: inout ByteBuffer) {
        append(arguments.map { Array($0.utf8) }, to: &buffer)
    }
}
