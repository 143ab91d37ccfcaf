import CHiredis

/// How much one reply may hold before it counts as nonsense.
package struct ReplyLimits: Sendable {
    /// Bytes of one whole reply on the wire. A full `INFO` has about 10 KiB; 64 MiB leaves room for salvage.
    package var bytes = 64 << 20
    /// Elements of all arrays of one reply together. hiredis allocates a whole array when its header arrives, so
    /// without this limit 13 bytes from the network cost 16 GiB.
    package var elements = 1 << 20
    /// Bytes of one line (status, error, number, header): a line is searched anew for its end on every read.
    package var line = 64 << 10

    /// The limits as used for servers; tests lower them.
    package init() {}
}

/// Reads replies from a stream of bytes, through hiredis.
///
/// Whatever the bytes are, the outcome is replies or a violation, never a trap, and memory stays within the limits.
/// Owned by one channel handler; not for sharing.
package struct RESPReader: ~Copyable {
    private let reader: UnsafeMutablePointer<redisReader>
    private let functions: UnsafeMutablePointer<redisReplyObjectFunctions>
    private let budget: UnsafeMutablePointer<ArrayBudget>
    private let limits: ReplyLimits
    /// Bytes of the reply that is still incomplete, as far as they have been fed.
    private var unfinished = 0

    /// hiredis is fed in slices of this size, so that its buffer stays small between replies.
    private static let sliceSize = 16 << 10

    /// A reader at the start of a stream.
    package init(limits: ReplyLimits = ReplyLimits()) {
        guard let reader = redisReaderCreate(), let defaults = reader.pointee.fn else {
            preconditionFailure("hiredis is out of memory")
        }
        self.reader = reader
        self.limits = limits
        budget = .allocate(capacity: 1)
        budget.initialize(to: ArrayBudget(defaults: defaults.pointee, limit: limits.elements))
        functions = .allocate(capacity: 1)
        functions.initialize(to: defaults.pointee)
        // The type of `count` is int in hiredis 0.14 and size_t in 1.x: the closure takes it from the field.
        functions.pointee.createArray = { task, count in
            guard let task, let data = task.pointee.privdata else { return nil }
            let budget = data.assumingMemoryBound(to: ArrayBudget.self)
            guard budget.pointee.admits(Int(count), at: task) else { return nil }
            return budget.pointee.defaults.createArray?(task, count)
        }
        reader.pointee.fn = functions
        reader.pointee.privdata = UnsafeMutableRawPointer(budget)
    }

    deinit {
        // First: it frees a half-read reply by `functions`.
        redisReaderFree(reader)
        functions.deallocate()
        budget.deallocate()
    }

    /// Feeds bytes, and appends the replies they complete to `replies`, in order.
    ///
    /// Returns nil, or `.protocolViolation`; the replies before it are delivered nevertheless. After a violation the
    /// reader must not be used again.
    package mutating func read(
        _ bytes: UnsafeRawBufferPointer, into replies: inout [RedisReply]
    ) -> RedisError? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let slice = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.sliceSize))
            rest = rest.dropFirst(Self.sliceSize)
            guard
                redisReaderFeed(reader, slice.baseAddress?.assumingMemoryBound(to: CChar.self), slice.count) == REDIS_OK
            else { return violation(at: slice) }
            unfinished += slice.count
            while true {
                var object: UnsafeMutableRawPointer?
                guard redisReaderGetReply(reader, &object) == REDIS_OK else { return violation(at: slice) }
                guard let object else { break }
                defer { freeReplyObject(object) }
                guard let reply = RedisReply(object.assumingMemoryBound(to: redisReply.self).pointee) else {
                    return .protocolViolation("a RESP3 reply that was not asked for")
                }
                replies.append(reply)
                unfinished = waiting.count
                budget.pointee.refill()
            }
            if let excess = excess() { return .protocolViolation(excess) }
        }
        return nil
    }

    /// What hiredis holds and has not consumed.
    private var waiting: UnsafeRawBufferPointer {
        guard let buffer = reader.pointee.buf else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let (start, end) = (Int(reader.pointee.pos), Int(reader.pointee.len))
        return UnsafeRawBufferPointer(start: buffer + start, count: max(end - start, 0))
    }

    /// Says what is too large in the reply that is being read, or nil.
    private func excess() -> String? {
        if unfinished > limits.bytes { return "a reply of more than \(limits.bytes) bytes" }
        let waiting = waiting
        let line = waiting.prefix(limits.line)
        guard let end = line.firstIndex(of: UInt8(ascii: "\r")) else {
            return waiting.count > limits.line ? "a line of more than \(limits.line) bytes" : nil
        }
        // A complete line of digits that waits is the header of a string whose bytes are missing: a number or an
        // array header would have been consumed. There is no point in reading 2 GB to find out that it is too much.
        guard end + 1 < line.endIndex, line[end + 1] == UInt8(ascii: "\n"),
            let announced = Int(String(decoding: line[..<end], as: UTF8.self)), announced > limits.bytes
        else { return nil }
        return "a string of \(announced) bytes, more than \(limits.bytes)"
    }

    private func violation(at slice: UnsafeRawBufferPointer) -> RedisError {
        if let refusal = budget.pointee.refusal { return .protocolViolation(refusal) }
        let text = withUnsafeBytes(of: reader.pointee.errstr) { bytes in
            EscapedText.of(bytes.prefix { $0 != 0 }, limit: 60)
        }
        return .protocolViolation("\(text), near \"\(EscapedText.of(slice, limit: 60))\"")
    }
}

/// What `createArray` may still allocate for the reply that is being read. hiredis hands it to the callback as
/// `privdata`.
private struct ArrayBudget {
    /// hiredis' own functions, which do the work.
    let defaults: redisReplyObjectFunctions
    private let limit: Int
    private var used = 0
    /// Why an array was refused; nil while none was.
    private(set) var refusal: String?

    /// As hiredis 0.14; 1.x has no limit of its own, and frees nested replies recursively.
    private static let maximumDepth = 7

    init(defaults: redisReplyObjectFunctions, limit: Int) {
        self.defaults = defaults
        self.limit = limit
    }

    mutating func admits(_ count: Int, at task: UnsafePointer<redisReadTask>) -> Bool {
        guard count >= 0, count <= limit - used else {
            refusal = "an array of \(count) elements, more than \(limit) in one reply"
            return false
        }
        var depth = 1
        var parent = task.pointee.parent
        while let task = parent {
            depth += 1
            parent = task.pointee.parent
        }
        guard depth <= Self.maximumDepth else {
            refusal = "arrays nested deeper than \(Self.maximumDepth)"
            return false
        }
        used += count
        return true
    }

    mutating func refill() { used = 0 }
}

extension RedisReply {
    /// Copies a reply out of hiredis. nil for the types of RESP3, which hiredis 1.x reads as well.
    fileprivate init?(_ reply: redisReply) {
        switch reply.type {
        case REDIS_REPLY_STRING: self = .bulk(Array(reply.bytes))
        case REDIS_REPLY_STATUS: self = .simpleString(String(decoding: reply.bytes, as: UTF8.self))
        case REDIS_REPLY_ERROR:
            self = .error(RedisServerError(message: String(decoding: reply.bytes, as: UTF8.self)))
        case REDIS_REPLY_INTEGER: self = .integer(reply.integer)
        case REDIS_REPLY_NIL: self = .null
        case REDIS_REPLY_ARRAY:
            var elements: [RedisReply] = []
            elements.reserveCapacity(Int(reply.elements))
            for index in 0..<Int(reply.elements) {
                guard let element = reply.element?[index], let copy = RedisReply(element.pointee) else { return nil }
                elements.append(copy)
            }
            self = .array(elements)
        default: return nil
        }
    }
}

extension redisReply {
    fileprivate var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: str, count: Int(len)) }
}
