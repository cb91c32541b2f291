package import NIOCore

/// What carries bytes to a guest and back. Whoever makes it hands what arrives to ``GuestConnection/receive(_:)`` and its end to ``GuestConnection/end(_:)``.
package protocol GuestTransport: Sendable {
    /// Sends bytes after those of earlier calls; from any thread, does not wait, and calls nobody.
    func write(_ bytes: ByteBuffer)

    /// Ends it in both directions.
    func close()
}
