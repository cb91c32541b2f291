/// What a container is made from.
///
/// The defaults are walls: no network, a root that cannot be written, no capability, no new privileges.
package struct ContainerSpecification: Sendable, Equatable {
    package var image: String
    /// Chosen by the daemon when nil.
    package var name: String?
    /// "linux/arm64"; the daemon's own when nil.
    package var platform: String?
    /// In place of the image's entrypoint when not nil; empty: none.
    package var entrypoint: [String]?
    package var command: [String] = []
    /// "NAME=value".
    package var environment: [String] = []
    package var labels: [String: String] = [:]
    /// "user", "uid", "uid:gid"; the image's when empty.
    package var user = ""
    /// The image's when empty.
    package var workingDirectory = ""
    /// The beginning of its id when empty.
    package var hostname = ""
    package var networkMode = "none"
    package var isRootReadOnly = true
    /// Paths and the options of what is mounted there. Where the image has a folder, runc 1.1 gives the mount that folder's mode, whatever
    /// the options say.
    package var temporaryFileSystems: [String: String] = [:]
    /// Of /dev/shm.
    package var sharedMemoryBytes: Int?
    /// Memory; swap is none on top of it.
    package var memoryBytes: Int?
    package var memoryReservationBytes: Int?
    /// Billionths of a processor.
    package var nanoCPUs: Int?
    package var cpuShares: Int?
    package var cpusetCPUs: String?
    package var cpusetMemory: String?
    package var pidsLimit: Int?
    /// All others are dropped.
    package var addedCapabilities: [String] = []
    /// The text of a profile; the daemon's default when nil.
    package var seccompProfile: String?
    package var noNewPrivileges = true
    /// What nobody in the container sees, in place of the engine's own list; that one when empty.
    package var maskedPaths: [String] = []
    /// Further ones, as `--security-opt` has them: "apparmor=name", "label=type:name".
    package var securityOptions: [String] = []
    /// The daemon's default when nil.
    package var runtime: String?
    package var ulimits: [Ulimit] = []
    package var oomScoreAdjustment: Int?
    /// Whether the daemon removes it when it ends.
    package var autoRemove = false
    /// Seconds between SIGTERM and SIGKILL when others stop it.
    package var stopTimeoutSeconds = 0
    /// "source:path:options", as `--volume` has them.
    package var binds: [String] = []
    package var mounts: [Mount] = []
    package var dns: [String] = []
    package var dnsSearch: [String] = []
    /// "name:address".
    package var extraHosts: [String] = []
    package var addedGroups: [String] = []
    package var deviceRequests: [DeviceRequest] = []
    /// 10 to 1000.
    package var blockIOWeight: Int?
    package var storageOptions: [String: String] = [:]

    package struct Ulimit: Sendable, Equatable {
        package var name: String
        package var soft: Int
        package var hard: Int

        package init(name: String, soft: Int, hard: Int) {
            self.name = name
            self.soft = soft
            self.hard = hard
        }
    }

    package struct Mount: Sendable, Equatable {
        package enum Kind: String, Sendable, Equatable {
            case bind
            case volume
            case tmpfs
        }

        package var kind: Kind
        package var source = ""
        package var target: String
        package var isReadOnly = false
        /// Of a tmpfs.
        package var sizeBytes: Int?
        /// Of a tmpfs: permissions.
        package var mode: Int?
        /// Of a bind: rprivate, private, rslave, slave.
        package var propagation: String?
    }

    /// Devices a driver of the daemon hands out, as `--gpus` does.
    package struct DeviceRequest: Sendable, Equatable {
        package var driver = ""
        /// -1: all.
        package var count = 0
        package var deviceIDs: [String] = []
        package var capabilities: [String] = ["gpu"]
        package var options: [String: String] = [:]
    }

    package init(image: String) { self.image = image }
}
