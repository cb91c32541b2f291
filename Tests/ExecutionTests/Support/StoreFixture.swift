import Foundation
import Logging
import NIOCore
import Testing

@testable import Execution

/// A directory that is gone after the test.
func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "store-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try await body(directory.path)
}

/// A wall clock that a test sets.
typealias TestClock = Shared<Double>

func openStore(
    _ directory: String,
    maxFileBytes: Int = 1_000_000,
    timeToLive: Duration? = nil,
    clock: TestClock = TestClock(1_000),
    step: @escaping FileStore.StepHook = { _ in }
) async throws -> FileStore {
    try await FileStore(
        configuration: .init(directory: directory, maxFileBytes: maxFileBytes, timeToLive: timeToLive),
        logger: silentLogger,
        wallClock: { clock.current },
        step: step
    )
}

let silentLogger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

/// The bytes in chunks of this size.
func chunks(_ bytes: [UInt8], of size: Int = 1_000) -> AsyncThrowingStream<ByteBuffer, any Error> {
    AsyncThrowingStream { continuation in
        for start in stride(from: 0, to: bytes.count, by: size) {
            continuation.yield(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
        }
        continuation.finish()
    }
}

func collect(_ stream: AsyncThrowingStream<ByteBuffer, any Error>) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for try await chunk in stream { bytes += Array(buffer: chunk) }
    return bytes
}

extension FileStore {
    @discardableResult
    func add(_ filename: String, _ bytes: [UInt8] = Array("content".utf8), tenant: Tenant = .everyone) async throws
        -> StoredFile
    {
        try await add(filename: filename, tenant: tenant, content: chunks(bytes))
    }
}

/// Every blob, and whatever else lies among them.
func blobNames(_ directory: String) throws -> [String] {
    let blobs = URL(filePath: directory).appending(path: "blobs")
    let folders = try FileManager.default.contentsOfDirectory(atPath: blobs.path)
    return try folders.flatMap { try FileManager.default.contentsOfDirectory(atPath: blobs.appending(path: $0).path) }
        .sorted()
}

/// Copies as another process: in this one it would drop SQLite's locks.
func copyDirectory(_ source: String, to target: String) throws {
    let copy = Process()
    copy.executableURL = URL(filePath: "/bin/cp")
    copy.arguments = ["-a", source, target]
    try copy.run()
    copy.waitUntilExit()
    try #require(copy.terminationStatus == 0)
}
