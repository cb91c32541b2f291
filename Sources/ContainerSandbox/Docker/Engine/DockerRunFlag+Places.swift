extension DockerRunFlag {
    static let places: [String: DockerRunFlag] = [
        "tmpfs": value { text throws(Problem) in
            let (path, options) = DockerValues.pair(text, ":") ?? (text, "")
            try checkTarget(path)
            return { $0.temporaryFileSystems[path] = options }
        },
        "volume": value { text throws(Problem) in
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard (1...3).contains(parts.count) else {
                throw Problem("\(EngineError.legible(text)) has too many colons")
            }
            guard parts.count > 1 else {
                try checkTarget(text)
                return { $0.mounts.append(ContainerSpecification.Mount(kind: .volume, target: text)) }
            }
            try checkSource(parts[0], isPath: parts[0].hasPrefix("/") || parts[0].hasPrefix("."))
            try checkTarget(parts[1])
            let options = parts.count == 3 ? parts[2].split(separator: ",").map(String.init) : []
            if let option = options.first(where: { !volumeOptions.contains($0) }) {
                throw Problem(
                    "\(EngineError.legible(option)) is none of the options \(volumeOptions.joined(separator: ", "))"
                )
            }
            return { $0.binds.append(text) }
        },
        "mount": value { text throws(Problem) in
            let mount = try mount(text)
            return { $0.mounts.append(mount) }
        },
    ]

    /// Not among them: shared and rshared, which carry mounts from the container to the host.
    private static let volumeOptions = [
        "ro", "rw", "z", "Z", "nocopy", "private", "rprivate", "slave", "rslave", "consistent", "cached", "delegated",
    ]
    /// The kernel's file systems, the sockets of daemons (the engine's above all), and what engines keep.
    private static let neverMounted: [[Substring]] = [
        ["proc"], ["sys"], ["dev"], ["boot"], ["run"], ["var", "run"], ["var", "lib", "docker"],
        ["var", "lib", "containerd"],
    ]
    private static let propagations = ["private", "rprivate", "slave", "rslave"]

    private static func mount(_ text: String) throws(Problem) -> ContainerSpecification.Mount {
        var mount = ContainerSpecification.Mount(kind: .volume, target: "")
        for field in DockerValues.fields(text) {
            let (name, value) = DockerValues.pair(field, "=") ?? (field, "true")
            try read(name.lowercased(), value, into: &mount)
        }
        try checkTarget(mount.target)
        switch mount.kind {
        case .bind: try checkSource(mount.source, isPath: true)
        case .volume: if !mount.source.isEmpty { try checkSource(mount.source, isPath: false) }
        case .tmpfs: if !mount.source.isEmpty { throw Problem("a tmpfs has no source") }
        }
        return mount
    }

    private static func read(
        _ name: String,
        _ value: String,
        into mount: inout ContainerSpecification.Mount
    ) throws(Problem) {
        let problem = Problem("\(EngineError.legible(name))=\(EngineError.legible(value)) is not understood")
        switch name {
        case "type":
            guard let kind = ContainerSpecification.Mount.Kind(rawValue: value.lowercased()) else {
                throw Problem("type is bind, volume or tmpfs, not \(EngineError.legible(value))")
            }
            mount.kind = kind
        case "source", "src": mount.source = value
        case "target", "dst", "destination": mount.target = value
        case "readonly", "ro":
            guard let isReadOnly = DockerValues.isTrue(value) else { throw problem }
            mount.isReadOnly = isReadOnly
        case "tmpfs-size":
            guard let size = DockerValues.size(value) else { throw problem }
            mount.sizeBytes = size
        case "tmpfs-mode":
            guard let mode = Int(value, radix: 8), (0...0o1777).contains(mode) else { throw problem }
            mount.mode = mode
        case "bind-propagation":
            guard propagations.contains(value) else {
                throw Problem(
                    "bind-propagation is \(propagations.joined(separator: ", ")): no mount may come out of the container"
                )
            }
            mount.propagation = value
        default: throw Problem("\(EngineError.legible(name)) is no part of a mount that is known here")
        }
    }

    private static func checkTarget(_ path: String) throws(Problem) {
        guard path.hasPrefix("/"), path != "/" else {
            throw Problem("a path in the container is absolute and not the root: \(EngineError.legible(path))")
        }
    }

    /// What of the host is never mounted: the whole of it, the kernel's own file systems, and the way to the engine itself.
    private static func checkSource(_ source: String, isPath: Bool) throws(Problem) {
        let shown = EngineError.legible(source)
        guard isPath else {
            guard let first = source.unicodeScalars.first, first.isASCII,
                first.properties.isAlphabetic || first.isDigit,
                source.unicodeScalars.allSatisfy({ $0.isASCII && !"/\\ ".unicodeScalars.contains($0) })
            else { throw Problem("\(shown) is neither an absolute path nor the name of a volume") }
            return
        }
        let parts = source.split(separator: "/")
        guard source.hasPrefix("/"), !parts.contains(".."), !parts.contains(".") else {
            throw Problem("a path of the host is absolute, without . and ..: \(shown)")
        }
        let isRefused = source.hasSuffix(".sock") || parts.isEmpty || neverMounted.contains { parts.starts(with: $0) }
        // What they stand in would bring them along.
        if isRefused || parts == ["var"] || parts == ["var", "lib"] {
            throw Problem("refused: \(shown) of the host in a container takes the wall between them away")
        }
    }
}

extension Unicode.Scalar {
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }
}
