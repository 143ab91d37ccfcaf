import Glibc

/// The Redis versions that the tests run against, oldest first. `scripts/` fetches and builds them.
public enum RedisVersion: String, CaseIterable, Sendable, Comparable, CustomStringConvertible {
    case v2_8 = "2.8.17"
    case v3_2 = "3.2.6"
    case v5_0 = "5.0.6"
    case v6_2 = "6.2.14"
    case v7_0 = "7.0.15"
    case v8_2 = "8.2.3"

    /// The path of `redis-server`; nil where it has not been built on this machine.
    public var serverPath: String? {
        let path = "\(Self.packageRoot)/.cache/redis/\(rawValue)/bin/redis-server"
        return access(path, X_OK) == 0 ? path : nil
    }

    /// The versions that exist on this machine, oldest first.
    public static var available: [RedisVersion] { allCases.filter { $0.serverPath != nil } }

    /// The newest version that exists on this machine.
    public static var newest: RedisVersion? { available.last }

    /// The folder of Package.swift.
    public static var packageRoot: String {
        // …/Tests/RedisLab/RedisVersion.swift
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    }

    public var description: String { rawValue }

    public static func < (left: RedisVersion, right: RedisVersion) -> Bool { left.age < right.age }

    private var age: Int { Self.allCases.firstIndex(of: self)! }
}
