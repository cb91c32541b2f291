package import Execution

/// What an operator decides about native sandboxes.
package struct NativeSettings: Sendable, Equatable {
    /// Absolute path of the virtual environment whose interpreter and packages the programs see.
    package var pythonEnvironment: String
    /// Absolute path of `sandbox-launcher`; nil = beside the executable.
    package var launcherPath: String?
    /// Absolute path of `libSandboxEntry.so`; nil = beside the executable.
    package var entryLibraryPath: String?

    /// For all processes of a sandbox, what they write to file systems in memory included.
    package var memoryLimitMB = 256
    /// Processes and threads of a program, itself included.
    package var maxProcesses = 64
    /// Open files of one process.
    package var maxOpenFiles = 1024
    package var workspaceSizeMB = 256
    /// Files, directories and links of a workspace.
    package var workspaceInodes = 16384
    /// /tmp
    package var temporarySizeMB = 64
    /// /dev/shm
    package var sharedMemorySizeMB = 64
    /// The kernel's limit for each single process where no cgroup counts for all; with cgroups a second line of defence
    /// a little above.
    package var cpuTimeLimitSeconds = 5

    /// Which kinds of sandboxes can be made: each has a zygote of its own.
    package var kinds: [SandboxKind] = SandboxKind.allCases
    /// As ``memoryLimitMB``, for a sandbox that holds contexts, all of them together.
    package var contextMemoryLimitMB = 2048
    /// As ``maxProcesses``, for a sandbox that holds contexts, all of them together.
    package var contextMaxProcesses = 512
    /// How long a cell may go on after an interrupt before its interpreter is killed.
    package var interruptGrace: Duration = .seconds(5)

    /// Modules the full zygote imports before it is forked.
    package var warmImports: [String] = ["numpy", "pandas", "matplotlib.pyplot"]

    /// As root: sandbox n runs as user and group `sandboxUIDBase + n` of the host.
    package var sandboxUIDBase = 100_000
    /// Most sandboxes at once.
    package var sandboxSlots = 4096

    /// As root: the user and group the server has after ``Privileges/drop(toUser:group:)``; they own the workspaces on
    /// the server's side.
    package var serverUID: UInt32
    package var serverGID: UInt32

    /// Accept a host on which memory, processes and CPU time are limited for each process only, not for a sandbox as a
    /// whole.
    package var allowWithoutCgroups = false
    /// Accept a kernel without Landlock, the second wall around files, signals and abstract sockets.
    package var allowWithoutLandlock = false

    package init(pythonEnvironment: String, serverUID: UInt32, serverGID: UInt32) {
        self.pythonEnvironment = pythonEnvironment
        self.serverUID = serverUID
        self.serverGID = serverGID
    }
}
