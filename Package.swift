// swift-tools-version: 6.2
import PackageDescription

// `SYNCGATE_STRICT=1` (set by scripts/check and scripts/test) turns every warning of our own targets into an
// error. It is off for users, so that a newer compiler with a new warning still builds SyncGate.
let strict = Context.environment["SYNCGATE_STRICT"] == "1"
let settings: [SwiftSetting] =
    [.swiftLanguageMode(.v6), .enableUpcomingFeature("InternalImportsByDefault")]
    + (strict ? [.treatAllWarnings(as: .error)] : [])

// The simulation's world is shared by the jobs of one thread. In a release build the run-time checks of exclusive access to it
// are a sixth of its ten thousand seeds; the tests' debug build has them.
let unchecked: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")

let package = Package(
    name: "syncgate",
    products: [.executable(name: "syncgate", targets: ["syncgate"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CHiredis", path: "CHiredis"),
        .target(name: "Replication", swiftSettings: settings),
        .target(name: "Salvage", dependencies: ["Replication"], swiftSettings: settings),
        .target(name: "VRRP", swiftSettings: settings),
        .target(name: "CLinuxNet", publicHeadersPath: "."),
        .target(name: "LinuxNet", dependencies: ["CLinuxNet", "VRRP"], swiftSettings: settings),
        .target(
            name: "RedisClient",
            dependencies: [
                "CHiredis", "Replication", nio, nioPosix, .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: settings
        ),
        .target(name: "Failover", dependencies: ["Replication", "Salvage", "VRRP"], swiftSettings: settings),
        .target(
            name: "FailoverSimulation", dependencies: ["Failover", "Replication", "Salvage", "VRRP"],
            swiftSettings: settings + unchecked),
        .target(
            name: "Operations", dependencies: ["RedisClient", "Replication", "Salvage"], swiftSettings: settings),
        .target(
            name: "Daemon",
            dependencies: [
                "Failover", "LinuxNet", "Operations", "RedisClient", "Replication", "Salvage", "VRRP", nio, nioPosix,
                .product(name: "Logging", package: "swift-log"),
                .product(name: "TOMLKit", package: "TOMLKit"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "syncgate",
            dependencies: [
                "Daemon", "Failover", "LinuxNet", "Operations", "RedisClient", "Replication", "Salvage", "VRRP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .target(name: "SeededNumbers", path: "Tests/SeededNumbers", swiftSettings: settings),
        .target(
            name: "RedisLab", dependencies: ["RedisClient", nio, nioPosix], path: "Tests/RedisLab",
            swiftSettings: settings),
        .executableTarget(
            name: "syncgate-bench",
            dependencies: [
                "LinuxNet", "LossOracle", "NetworkLab", "RedisClient", "RedisLab", "VRRP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Bench", swiftSettings: settings),
        .executableTarget(name: "syncgate-lab-client", path: "Tests/LabClient", swiftSettings: settings),
        .testTarget(
            name: "ReplicationTests", dependencies: ["Replication", "SeededNumbers"],
            resources: [.copy("Captures")], swiftSettings: settings),
        .testTarget(
            name: "SalvageTests", dependencies: ["Replication", "Salvage", "SeededNumbers"], swiftSettings: settings),
        .testTarget(
            name: "RedisClientTests", dependencies: ["RedisClient", "RedisLab", "SeededNumbers", nio, nioPosix],
            swiftSettings: settings),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["Replication", "RedisClient", "RedisLab", "Operations", "Salvage"],
            swiftSettings: settings),
        .target(
            name: "NetworkLab", dependencies: ["RedisClient", "RedisLab", "VRRP"], path: "Tests/NetworkLab",
            swiftSettings: settings),
        .target(
            name: "LossOracle", dependencies: ["NetworkLab", "RedisClient", "RedisLab", "Salvage"],
            path: "Tests/LossOracle", swiftSettings: settings),
        .testTarget(
            name: "LossOracleTests", dependencies: ["LossOracle", "NetworkLab", "RedisLab"], swiftSettings: settings),
        .testTarget(name: "VRRPTests", dependencies: ["VRRP"], swiftSettings: settings),
        .testTarget(
            name: "LinuxNetTests", dependencies: ["LinuxNet", "NetworkLab", "RedisLab", "VRRP"], swiftSettings: settings
        ),
        .testTarget(
            name: "VRRPIntegrationTests", dependencies: ["LinuxNet", "NetworkLab", "RedisLab", "VRRP"],
            swiftSettings: settings),
        .testTarget(
            name: "FailoverTests", dependencies: ["Failover", "Replication", "Salvage", "VRRP"], swiftSettings: settings
        ),
        .testTarget(
            name: "FailoverSimulationTests", dependencies: ["Failover", "FailoverSimulation", "Replication", "VRRP"],
            swiftSettings: settings),
        .executableTarget(
            name: "syncgate-simulation", dependencies: ["FailoverSimulation"], path: "Tests/Simulation",
            swiftSettings: settings),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "Daemon", "Failover", "LinuxNet", "NetworkLab", "Operations", "RedisClient", "RedisLab", "Replication",
                "Salvage", "VRRP", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "FailoverIntegrationTests",
            dependencies: ["LossOracle", "NetworkLab", "RedisClient", "RedisLab", "VRRP"], swiftSettings: settings),
        .testTarget(name: "TidyTests", swiftSettings: settings),
    ]
)
