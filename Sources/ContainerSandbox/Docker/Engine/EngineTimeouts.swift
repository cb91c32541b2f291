/// How long a daemon may take. Streams that last, events and the progress of a pull, are limited in connecting only.
package struct EngineTimeouts: Sendable, Equatable {
    /// Until a connection stands.
    package var connect: Duration = .seconds(5)
    /// For what a daemon answers from memory: ping, version, inspect, list.
    package var query: Duration = .seconds(15)
    /// For what it does to a container: create, start, kill, pause, remove, and the handshake of attach. Seconds are usual while many start at once.
    package var change: Duration = .seconds(60)

    package init() {}
}
