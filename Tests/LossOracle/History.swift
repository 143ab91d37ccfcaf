import Foundation
public import NetworkLab

/// What a daemon says of its promotions, by `syncgate history`.
public enum History {
    /// Entries with a loss, later than the one with this number; oldest first.
    public static func promotions(of node: PairLab.Node, after number: Int) async throws -> [PromotionRecord] {
        try await entries(of: node).compactMap { entry in
            guard entry.number > number, let loss = entry.loss else { return nil }
            return PromotionRecord(
                node: node.leaf.number, number: entry.number, cause: entry.cause, loss: loss.kind, bytes: loss.bytes,
                amendment: entry.amendment.map {
                    .init(bytes: $0.bytes, commands: $0.commands, kept: $0.kept)
                })
        }
    }

    /// The last entry's number; 0 where there is none.
    public static func last(of node: PairLab.Node) async throws -> Int {
        try await entries(of: node).map(\.number).max() ?? 0
    }

    private static func entries(of node: PairLab.Node) async throws -> [Entry] {
        let outcome = try await node.daemon.command(["history", "--format", "json", "--limit", "1000"])
        guard outcome.exitCode == 0 else { throw LabError.command("syncgate history", output: outcome.errors) }
        let decoder = JSONDecoder()
        return try decoder.decode([Entry].self, from: Data(outcome.output.utf8))
    }

    private struct Entry: Decodable {
        struct Loss: Decodable {
            var kind: String
            var bytes: Int64?
        }
        struct Amendment: Decodable {
            var bytes: Int64?
            var commands: Int64?
            var kept: [String]
        }

        var number: Int
        var cause: String
        var loss: Loss?
        var amendment: Amendment?
    }
}
