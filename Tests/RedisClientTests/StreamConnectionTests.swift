import Foundation
import RedisClient
import Synchronization
import Testing

extension ServerTests {
    @Suite("A stretch of a replication stream: no full resync is begun on its account", .serialized)
    struct StreamConnectionTests {
        private static let history = "aaaa000000000000000000000000000000000000"

        /// INFO of a master at offset 1000 with these backlog fields, as it is replied.
        private static func info(first: Int, length: Int, size: Int, id: String = history) -> [UInt8] {
            let text = """
                # Replication\r
                role:master\r
                connected_slaves:0\r
                master_replid:\(id)\r
                master_replid2:0000000000000000000000000000000000000000\r
                master_repl_offset:1000\r
                second_repl_offset:-1\r
                repl_backlog_active:1\r
                repl_backlog_size:\(size)\r
                repl_backlog_first_byte_offset:\(first)\r
                repl_backlog_histlen:\(length)\r

                """
            return Array("$\(text.utf8.count)\r\n\(text)\r\n".utf8)
        }

        /// What reading 10 bytes comes to, and what the server got.
        private func read(
            at offset: Int64, slack: Int64 = 0, _ answers: [[UInt8]]
        ) async throws -> (Result<[UInt8], StreamReadError>, FakeServer.Log) {
            let log = FakeServer.Log()
            let outcome = try await FakeServer.with(.answers(answers, log)) { port in
                let url = RedisURL(address: .tcp(host: "127.0.0.1", port: port))
                let outcome: Result<[UInt8], StreamReadError>
                do throws(StreamReadError) {
                    outcome = .success(
                        try await StreamConnection.read(
                            from: url, tls: TLSFiles(), id: Self.history, at: offset, count: 10, slack: slack,
                            timeout: .seconds(5)))
                } catch {
                    outcome = .failure(error)
                }
                for _ in 0..<500 where !log.hasEnded { try await Task.sleep(for: .milliseconds(10)) }
                return outcome
            }
            return (outcome, log)
        }

        @Test("the bytes that were asked for, and not one of the live stream behind them")
        func exactly() async throws {
            let answers = [Self.info(first: 1, length: 1000, size: 2000), Array("+CONTINUE\r\n0123456789more".utf8)]
            let (outcome, log) = try await read(at: 991, answers)
            #expect(outcome == .success(Array("0123456789".utf8)))
            #expect(log.received.hasSuffix("PSYNC\r\n$40\r\n\(Self.history)\r\n$3\r\n991\r\n"))
        }

        @Test("a full resync that begins all the same is cut off, with nothing more said")
        func fullResync() async throws {
            let resync =
                "+FULLRESYNC \(Self.history) 1000\r\n$999999\r\nREDIS0009" + String(repeating: "x", count: 5000)
            let (outcome, log) = try await read(
                at: 991, [Self.info(first: 1, length: 1000, size: 2000), Array(resync.utf8)])
            #expect(outcome == .failure(.fullResync))
            #expect("\(StreamReadError.fullResync)".contains("full resync, which was cut off"))
            #expect(log.hasEnded)
            #expect(log.received.hasSuffix("PSYNC\r\n$40\r\n\(Self.history)\r\n$3\r\n991\r\n"))
        }

        @Test(
            "PSYNC is not sent where the backlog has moved, may move too far, or is of another history",
            arguments: [
                (991, 0, info(first: 992, length: 9, size: 2000), 992),
                (100, 0, info(first: 101, length: 900, size: 900), 101),
                (100, 1, info(first: 100, length: 901, size: 900), 102),
                (100, 50, info(first: 51, length: 950, size: 950), 101),
                (1002, 0, info(first: 1, length: 1000, size: 2000), nil),
                (991, 0, info(first: 1, length: 1000, size: 2000, id: String(repeating: "b", count: 40)), nil),
            ] as [(Int64, Int64, [UInt8], Int64?)])
        func notCovered(offset: Int64, slack: Int64, info: [UInt8], first: Int64?) async throws {
            let (outcome, log) = try await read(at: offset, slack: slack, [info, Array("+FULLRESYNC x 1\r\n".utf8)])
            #expect(outcome == .failure(.notCovered(beginsAt: first)))
            #expect(!log.received.contains("PSYNC") && log.hasEnded)
        }
    }
}
