import JSON
package import NIOCore

extension ContainerSpecification {
    /// The body of a request to make the container: its standard streams are open for one who attaches, and kept nowhere.
    package func json() -> ByteBuffer {
        var object = JSONMembers()
        object.add("Image", image)
        if let entrypoint { object.add("Entrypoint", entrypoint) }
        object.add("Cmd", command)
        object.add("Env", environment)
        object.add("Labels", labels)
        object.add("User", user)
        object.add("WorkingDir", workingDirectory)
        object.add("Hostname", hostname)
        for name in ["OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"] { object.add(name, true) }
        object.add("Tty", false)
        object.add("StopTimeout", stopTimeoutSeconds)
        object.add("HostConfig", hostConfiguration)
        var writer = JSONWriter(capacity: 4096)
        writer.value(object.value)
        return writer.buffer
    }

    private var hostConfiguration: JSONValue {
        var object = JSONMembers()
        object.add("NetworkMode", networkMode)
        object.add("IpcMode", "private")
        object.add("CgroupnsMode", "private")
        if !maskedPaths.isEmpty { object.add("MaskedPaths", maskedPaths) }
        object.add("LogConfig", JSONMembers([("Type", .string("none"))]).value)
        object.add("RestartPolicy", JSONMembers([("Name", .string("no"))]).value)
        object.add("Init", false)
        object.add("Privileged", false)
        object.add("AutoRemove", autoRemove)
        object.add("ReadonlyRootfs", isRootReadOnly)
        object.add("CapDrop", ["ALL"])
        object.add("CapAdd", addedCapabilities)
        object.add("SecurityOpt", allSecurityOptions)
        object.add("Tmpfs", temporaryFileSystems)
        object.add("Binds", binds)
        object.add("Mounts", .array(mounts.map(\.json)))
        object.add("Ulimits", .array(ulimits.map(\.json)))
        object.add("DeviceRequests", .array(deviceRequests.map(\.json)))
        object.add("Dns", dns)
        object.add("DnsSearch", dnsSearch)
        object.add("ExtraHosts", extraHosts)
        object.add("GroupAdd", addedGroups)
        object.add("StorageOpt", storageOptions)
        if let runtime { object.add("Runtime", runtime) }
        addLimits(to: &object)
        return object.value
    }

    private func addLimits(to object: inout JSONMembers) {
        if let memoryBytes {
            object.add("Memory", memoryBytes)
            // Together with swap: there is none.
            object.add("MemorySwap", memoryBytes)
        }
        let numbers = [
            ("ShmSize", sharedMemoryBytes), ("MemoryReservation", memoryReservationBytes), ("NanoCpus", nanoCPUs),
            ("CpuShares", cpuShares), ("PidsLimit", pidsLimit), ("OomScoreAdj", oomScoreAdjustment),
            ("BlkioWeight", blockIOWeight),
        ]
        for (name, number) in numbers { if let number { object.add(name, number) } }
        if let cpusetCPUs { object.add("CpusetCpus", cpusetCPUs) }
        if let cpusetMemory { object.add("CpusetMems", cpusetMemory) }
    }

    private var allSecurityOptions: [String] {
        (noNewPrivileges ? ["no-new-privileges"] : []) + (seccompProfile.map { ["seccomp=\($0)"] } ?? [])
            + securityOptions
    }
}

extension ContainerSpecification.Ulimit {
    fileprivate var json: JSONValue {
        JSONMembers([("Name", .string(name)), ("Soft", .integer(soft)), ("Hard", .integer(hard))]).value
    }
}

extension ContainerSpecification.Mount {
    fileprivate var json: JSONValue {
        var object = JSONMembers()
        object.add("Type", kind.rawValue)
        if kind != .tmpfs { object.add("Source", source) }
        object.add("Target", target)
        object.add("ReadOnly", isReadOnly)
        if kind == .bind, let propagation {
            object.add("BindOptions", JSONMembers([("Propagation", .string(propagation))]).value)
        }
        if kind == .tmpfs {
            var options = JSONMembers()
            if let sizeBytes { options.add("SizeBytes", sizeBytes) }
            if let mode { options.add("Mode", mode) }
            object.add("TmpfsOptions", options.value)
        }
        return object.value
    }
}

extension ContainerSpecification.DeviceRequest {
    fileprivate var json: JSONValue {
        var object = JSONMembers()
        object.add("Driver", driver)
        // The daemon takes a number or a list of devices, not both.
        if deviceIDs.isEmpty { object.add("Count", count) } else { object.add("DeviceIDs", deviceIDs) }
        object.add("Capabilities", .array([.array(capabilities.map { .string($0) })]))
        object.add("Options", options)
        return object.value
    }
}

/// A JSON object in the making.
struct JSONMembers {
    private var names: [String] = []
    private var values: [JSONValue] = []

    init(_ members: [(String, JSONValue)] = []) {
        for (name, value) in members { add(name, value) }
    }

    var value: JSONValue { .object(JSONObject(names: names, values: values)) }

    mutating func add(_ name: String, _ value: JSONValue) {
        names.append(name)
        values.append(value)
    }

    mutating func add(_ name: String, _ text: String) { add(name, .string(text)) }
    mutating func add(_ name: String, _ number: Int) { add(name, .integer(number)) }
    mutating func add(_ name: String, _ isSo: Bool) { add(name, .bool(isSo)) }
    mutating func add(_ name: String, _ texts: [String]) { add(name, .array(texts.map { .string($0) })) }

    mutating func add(_ name: String, _ texts: [String: String]) {
        let sorted = texts.sorted { $0.key < $1.key }
        add(name, .object(JSONObject(names: sorted.map(\.key), values: sorted.map { .string($0.value) })))
    }
}
