import Foundation
import Replication
import Testing

/// INFO texts as real servers sent them (`scripts/capture-info`).
enum Capture {
    static let versions = ["2.8.17", "3.2.6", "5.0.6", "6.2.14", "7.0.15", "8.2.3"]
    /// Versions without and with replication ids.
    static let withoutIDs = ["2.8.17", "3.2.6"]
    static let withIDs = ["5.0.6", "6.2.14", "7.0.15", "8.2.3"]

    static func states(of version: String) throws -> [String] {
        let names = try FileManager.default.contentsOfDirectory(
            at: try folder(version), includingPropertiesForKeys: nil)
        return names.filter { $0.pathExtension == "txt" }.map { $0.deletingPathExtension().lastPathComponent }.sorted()
    }

    static func text(_ version: String, _ state: String) throws -> String {
        let file = try folder(version).appendingPathComponent("\(state).txt")
        return try #require(String(data: Data(contentsOf: file), encoding: .utf8), "\(file.path) is not UTF-8")
    }

    static func info(_ version: String, _ state: String) throws -> ReplicationInfo {
        try ReplicationInfo(parsing: try text(version, state))
    }

    private static func folder(_ version: String) throws -> URL {
        try #require(Bundle.module.resourceURL).appendingPathComponent("Captures/\(version)")
    }
}
