// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// Sanitizers cannot be linked into a static executable; `SANITIZE=1 swift build --sanitize address` leaves the static flags out.
let isSanitizing = ProcessInfo.processInfo.environment["SANITIZE"] != nil

/// Upcoming features that are on in every Swift target.
let swiftSettings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
]

let cSettings: [CSetting] = [
    .define("_GNU_SOURCE"),
    .unsafeFlags(["-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"]),
]

/// The launcher is static and free of the Swift runtime: it starts in under a millisecond and needs no library.
let launcherLinkerSettings: [LinkerSetting] =
    isSanitizing ? [] : [.unsafeFlags(["-nostartfiles", "-static-executable", "-Xlinker", "-s"])]

/// The entry library is loaded by the interpreter inside every sandbox, so it may need nothing but libc. It has no line of Swift; that it
/// were embedded is the one way to keep the driver from linking libswiftCore, which `--as-needed` comes too late for.
let entryLinkerSettings: [LinkerSetting] = [
    .unsafeFlags(["-nostartfiles", "-enable-experimental-feature", "Embedded", "-Xlinker", "-s"])
]

let package = Package(
    name: "code-interpreter",
    products: [
        .executable(name: "code-interpreter", targets: ["code-interpreter"]),
        .executable(name: "sandbox-launcher", targets: ["sandbox-launcher"]),
        .library(name: "SandboxEntry", type: .dynamic, targets: ["SandboxEntry"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.29.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
    ],
    targets: [
        // The domain: no HTTP, no kernel.
        .target(
            name: "Execution",
            dependencies: [
                .product(name: "Logging", package: "swift-log"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "_NIOFileSystem", package: "swift-nio"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: swiftSettings
        ),
        // JSON as clients and guests write it: knows nobody.
        .target(
            name: "JSON",
            dependencies: [.product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: swiftSettings
        ),
        // What the processes inside sandboxes and the server say to each other; every backend carries it.
        .target(
            name: "GuestProtocol",
            dependencies: ["Execution", "JSON", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: swiftSettings
        ),
        // What a process of a sandbox is driven by, whatever carries its bytes; every backend brings its own port.
        .target(
            name: "GuestDriving",
            dependencies: ["Execution", "GuestProtocol", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: swiftSettings
        ),
        // The wire formats: knows no backend.
        .target(
            name: "HTTPAPI",
            dependencies: [
                "Execution", "JSON",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings
        ),
        // Which system calls programs may make: data, for every backend.
        .target(name: "SeccompPolicy", swiftSettings: swiftSettings),
        // The native backend: namespaces, cgroups, seccomp; knows no HTTP.
        .target(
            name: "NativeSandbox",
            dependencies: [
                "Execution", "GuestDriving", "GuestProtocol", "JSON", "CLinux", "LauncherProtocol", "RuntimeFiles",
                "CSeccomp", "SeccompPolicy",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: swiftSettings
        ),
        // Sandboxes in containers of others: an engine's API, streams; knows no HTTP of ours.
        .target(
            name: "ContainerSandbox",
            dependencies: [
                "Execution", "GuestDriving", "GuestProtocol", "JSON", "SeccompPolicy", "Settings",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: swiftSettings
        ),
        // What operators can set: knows nobody.
        .target(name: "Settings", swiftSettings: swiftSettings),
        .executableTarget(
            name: "code-interpreter",
            dependencies: [
                "Execution", "HTTPAPI", "NativeSandbox", "ContainerSandbox", "CLinux", "Settings",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: swiftSettings
        ),

        // C: system calls Swift cannot reach, and all that runs between clone and exec.
        .target(name: "CLinux", cSettings: cSettings),
        .target(name: "LauncherProtocol", cSettings: cSettings),
        .target(name: "RuntimeFiles", cSettings: cSettings),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .executableTarget(
            name: "sandbox-launcher",
            dependencies: ["LauncherProtocol"],
            cSettings: cSettings,
            linkerSettings: launcherLinkerSettings
        ),
        .target(name: "SandboxEntry", dependencies: [], cSettings: cSettings, linkerSettings: entryLinkerSettings),

        // Tests.
        .target(
            name: "TestSupport",
            dependencies: [
                "CLinux", "Execution",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: ["Settings", "code-interpreter"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "ExecutionTests",
            dependencies: ["Execution", "TestSupport"],
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "TestSupport"], swiftSettings: swiftSettings),
        .testTarget(
            name: "GuestProtocolTests",
            dependencies: ["GuestProtocol", "Execution", "TestSupport"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "HTTPAPITests",
            dependencies: ["HTTPAPI", "Execution", "JSON", "TestSupport"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "NativeSandboxTests",
            dependencies: [
                "NativeSandbox", "Execution", "GuestDriving", "GuestProtocol", "SeccompPolicy", "TestSupport",
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SeccompPolicyTests",
            dependencies: ["SeccompPolicy", "CSeccomp"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "ContainerSandboxTests",
            dependencies: [
                "ContainerSandbox", "Execution", "GuestDriving", "GuestProtocol", "JSON", "SeccompPolicy",
                "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "BehaviorTests",
            dependencies: ["TestSupport", "code-interpreter", "sandbox-launcher"],
            exclude: ["notebook_client.py"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SecurityTests",
            dependencies: ["TestSupport", "code-interpreter", "sandbox-launcher"],
            exclude: [
                "Attacks", "context_actions.py", "context_client.py", "context_processes.py", "endurance.py",
                "endurance_contexts.py", "without_system_call.py", "workspace_race.py",
            ],
            swiftSettings: swiftSettings
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c2x
)
