extension DockerRunFlag {
    static let refusedWithValue = refusals(
        takingValue: true,
        [
            "cap-add": "a capability takes a wall away",
            "pid": "another process namespace takes a wall away",
            "ipc": "another namespace for shared memory takes a wall away",
            "userns": "the host's user namespace takes a wall away",
            "uts": "the host's name is not the container's to change",
            "cgroupns": "another control group namespace takes a wall away",
            "cgroup-parent": "the daemon decides where control groups stand",
            "device": "a device of the host takes a wall away. GPUs: --gpus",
            "device-cgroup-rule": "a device of the host takes a wall away",
            "device-read-bps": "it names a device of the host", "device-read-iops": "it names a device of the host",
            "device-write-bps": "it names a device of the host", "device-write-iops": "it names a device of the host",
            "blkio-weight-device": "it names a device of the host",
            "sysctl": "settings of the kernel are not the container's",
            "volumes-from": "other containers share nothing with a sandbox",
            "volume-driver": "name a volume that exists: --mount type=volume,source=name,target=/path",
            "runtime": "use the setting DOCKER_RUNTIME",
            "network": "use the setting PYTHON_EXECUTOR_DOCKER_NETWORK",
            "net": "use the setting PYTHON_EXECUTOR_DOCKER_NETWORK",
            "network-alias": networks, "net-alias": networks, "ip": networks, "ip6": networks, "link": networks,
            "link-local-ip": networks, "mac-address": networks,
            "publish": "nothing listens in a container that others could reach",
            "expose": "nothing listens in a container",
            "memory-swap": "there is no swap beyond the memory; use --memory",
            "memory-swappiness": "there is no swap", "kernel-memory": "kernels no longer have it; use --memory",
            "cpu-period": "use --cpus", "cpu-quota": "use --cpus", "cpu-rt-period": realTime,
            "cpu-rt-runtime": realTime,
            "user": "the guest decides as whom programs run", "workdir": "the workspace is where programs run",
            "name": "every container needs a name of its own", "cidfile": server, "env-file": "use --env NAME=value",
            "label-file": "use --label name=value", "entrypoint": guest, "attach": server, "detach-keys": server,
            "log-driver": "nothing a container says is kept", "log-opt": "nothing a container says is kept",
            "restart": "a sandbox that ended is replaced, never used again", "stop-signal": "containers are killed",
            "pull": "use the settings of the image", "health-cmd": health, "health-interval": health,
            "health-retries": health, "health-start-period": health, "health-timeout": health,
            "isolation": "it is for Windows",
            "domainname": "use --hostname", "annotation": "no engine this server supports needs it; use --label",
            "cap-drop": "every capability is dropped already", "dns-option": networks, "dns-opt": networks,
        ]
    )

    static let refusedWithoutValue = refusals(
        takingValue: false,
        [
            "privileged": "it takes every wall away",
            "oom-kill-disable": "a container beyond its memory must end, or it stands still for ever",
            "publish-all": "nothing listens in a container that others could reach",
            "init": guest, "interactive": "standard input is open already",
            "tty": "a terminal would change what goes through the stream", "detach": server,
            "rm": "containers are removed by the server", "sig-proxy": server, "no-healthcheck": health,
            "disable-content-trust": "no image is signed or checked here", "quiet": server,
            "help": "see docs/CONFIGURATION.md",
        ]
    )

    private static let networks = "sandboxes have no network of their own to set up"
    private static let realTime = "real-time scheduling keeps the host's own processes from running"
    private static let server = "the server starts and attaches to containers itself"
    private static let guest = "the guest must be the first process of its container"
    private static let health = "the server looks after its containers itself"

    private static func refusals(takingValue: Bool, _ reasons: [String: String]) -> [String: DockerRunFlag] {
        reasons.mapValues { refused($0, takesValue: takingValue) }
    }
}
