/// What an operator decides about sandboxes that are containers, whatever runs them.
package struct ContainerSettings: Sendable, Equatable {
    /// For all processes of a container, what they write to file systems in memory included.
    package var memoryLimitMB = 256
    /// Processes and threads of a program, the guest not counted.
    package var maxProcesses = 64
    /// As ``memoryLimitMB``, for a container that holds contexts, all of them together.
    package var contextMemoryLimitMB = 2048
    /// As ``maxProcesses``, for a container that holds contexts.
    package var contextMaxProcesses = 512
    /// Open files of one process.
    package var maxOpenFiles = 1024
    package var workspaceSizeMB = 256
    /// Files, directories and links of a workspace.
    package var workspaceInodes = 16384
    /// /tmp
    package var temporarySizeMB = 64
    /// /dev/shm
    package var sharedMemorySizeMB = 64
    /// Of one execution, all its processes together: watched by the guest.
    package var cpuTime: Duration = .seconds(5)
    /// How long a cell may go on after an interrupt before its interpreter is killed.
    package var interruptGrace: Duration = .seconds(5)
    /// Modules that guests import before they are used, those of kind `bare` excepted.
    package var warmImports: [String] = []

    /// How long a process in a container may take until it is ready.
    package var startTime: Duration = .seconds(30)
    /// How long a guest may take to kill what it started, before its container is removed.
    package var killTime: Duration = .seconds(3)

    package init() {}
}

/// The container or pod behind a sandbox.
protocol ContainerHandle: Sendable {
    /// Removes it with all that is in it, running or not; returns when it is gone, or when it cannot be done now. May be repeated.
    func remove() async

    /// Stops every process in it where it stands, or lets them run again. Does nothing where that cannot be done.
    func setPaused(_ isPaused: Bool)
}
