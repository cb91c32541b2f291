import TestSupport

/// Runs `body` with a new seed, which is printed when an expectation fails or something is thrown.
func withRandomSeed(_ body: (inout SeededGenerator) async throws -> Void) async rethrows {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    try await body(&generator)
}
