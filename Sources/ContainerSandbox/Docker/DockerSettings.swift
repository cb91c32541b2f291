/// What an operator decides about Docker.
package struct DockerSettings: Sendable {
    /// Reference of the guest's image.
    package var image: String
    /// Whether an image that is absent is pulled.
    package var mayPull = true
    /// The network of containers; `none` is none.
    package var network = "none"
    /// `docker run` flags, as ``DockerRunArguments`` has them.
    package var runArguments: DockerRunArguments?
    /// Such as `runsc`; nil is the daemon's default.
    package var runtime: String?
    /// A container is removed when it has existed for so long, used or not.
    package var timeToLive: Duration = .seconds(86_400)
    /// Whether an engine or image that is not there is waited for; else it ends the backend.
    package var waitsForEngine = true
    /// Who we are to the daemon: the same at each start with the same storage folder, and nobody else's at the same time.
    package var owner: String

    package init(image: String, owner: String) {
        self.image = image
        self.owner = owner
    }
}
