import TestSupport
import Testing

/// Everything that one server with default limits can answer for; the suites below it run in parallel.
@Suite("One-shot API", .server())
struct OneShot {}
