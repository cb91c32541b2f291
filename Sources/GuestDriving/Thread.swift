package import Execution
import Glibc

/// A thread of its own, for work that blocks for as long as the server lives.
package enum Thread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a detached thread.
    ///
    /// - Throws: ``SandboxError/unavailable(_:retryAfter:)`` where the host has none left; `body` is let go of.
    package static func start(_ body: @escaping @Sendable () -> Void) throws(SandboxError) {
        let argument = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                // Safety: retained above for this one call.
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            },
            argument.toOpaque()
        )
        guard result == 0 else {
            argument.release()
            throw .unavailable("no thread can be started: \(String(cString: strerror(result)))", retryAfter: nil)
        }
        pthread_detach(thread)
    }
}
