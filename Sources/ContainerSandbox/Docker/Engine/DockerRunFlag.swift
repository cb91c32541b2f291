/// A flag of `docker run`: what it does to a container, or why it must not.
struct DockerRunFlag: Sendable {
    typealias Change = DockerRunArguments.Change
    typealias Problem = DockerRunArguments.Problem

    /// Whether the next word is its value when none is attached.
    let takesValue: Bool
    /// Makes the change of a value; nil only for flags that take none.
    let change: @Sendable (String?) throws(Problem) -> Change

    /// All that are known, by their long names.
    static let all: [String: DockerRunFlag] =
        limits.merging(places) { $1 }.merging(surroundings) { $1 }.merging(refusedWithValue) { $1 }
        .merging(refusedWithoutValue) { $1 }

    /// Long names by letter.
    static let short: [Character: String] = [
        "m": "memory", "c": "cpu-shares", "v": "volume", "e": "env", "l": "label", "h": "hostname", "u": "user",
        "w": "workdir", "i": "interactive", "t": "tty", "d": "detach", "p": "publish", "P": "publish-all",
        "a": "attach",
    ]

    // MARK: Kinds

    static func value(_ make: @escaping @Sendable (String) throws(Problem) -> Change) -> DockerRunFlag {
        DockerRunFlag(takesValue: true) { value throws(Problem) in
            try make(value ?? "")
        }
    }

    static func size(_ path: any WritableKeyPath<ContainerSpecification, Int?> & Sendable) -> DockerRunFlag {
        value { text throws(Problem) in
            guard let bytes = DockerValues.size(text), bytes > 0 else {
                throw Problem("\(EngineError.legible(text)) is no size such as 512m or 1g")
            }
            return { $0[keyPath: path] = bytes }
        }
    }

    static func number(
        _ path: any WritableKeyPath<ContainerSpecification, Int?> & Sendable,
        _ range: ClosedRange<Int>
    ) -> DockerRunFlag {
        value { text throws(Problem) in
            guard let number = Int(text), range.contains(number) else {
                throw Problem(
                    "\(EngineError.legible(text)) is no number from \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return { $0[keyPath: path] = number }
        }
    }

    static func text(_ path: any WritableKeyPath<ContainerSpecification, String?> & Sendable) -> DockerRunFlag {
        value { text throws(Problem) in
            if text.isEmpty { throw Problem("the value is empty") }
            return { $0[keyPath: path] = text }
        }
    }

    static func list(_ path: any WritableKeyPath<ContainerSpecification, [String]> & Sendable) -> DockerRunFlag {
        value { text throws(Problem) in
            if text.isEmpty { throw Problem("the value is empty") }
            return { $0[keyPath: path].append(text) }
        }
    }

    static func refused(_ reason: String, takesValue: Bool) -> DockerRunFlag {
        DockerRunFlag(takesValue: takesValue) { _ throws(Problem) in
            throw Problem("refused: \(reason)")
        }
    }
}

extension DockerRunFlag {
    // MARK: Limits

    static let limits: [String: DockerRunFlag] = [
        "memory": size(\.memoryBytes),
        "memory-reservation": size(\.memoryReservationBytes),
        "shm-size": size(\.sharedMemoryBytes),
        "cpus": value { text throws(Problem) in
            guard let number = DockerValues.nanoCPUs(text) else {
                throw Problem("\(EngineError.legible(text)) is no number of processors such as 1.5")
            }
            return { $0.nanoCPUs = number }
        },
        "cpu-shares": number(\.cpuShares, 2...262_144),
        "cpuset-cpus": text(\.cpusetCPUs),
        "cpuset-mems": text(\.cpusetMemory),
        "pids-limit": number(\.pidsLimit, 1...4_194_304),
        "oom-score-adj": number(\.oomScoreAdjustment, 0...1000),
        "blkio-weight": number(\.blockIOWeight, 10...1000),
        "stop-timeout": value { text throws(Problem) in
            guard let seconds = Int(text), (0...3600).contains(seconds) else {
                throw Problem("\(EngineError.legible(text)) is no number of seconds from 0 to 3600")
            }
            return { $0.stopTimeoutSeconds = seconds }
        },
        "ulimit": value { text throws(Problem) in
            let ulimit = try ulimit(text)
            return { specification in
                specification.ulimits.removeAll { $0.name == ulimit.name }
                specification.ulimits.append(ulimit)
            }
        },
        "storage-opt": value { text throws(Problem) in
            guard let option = DockerValues.pair(text, "=") else {
                throw Problem("\(EngineError.legible(text)) is not name=value")
            }
            return { $0.storageOptions[option.name] = option.value }
        },
    ]

    /// "nofile=1024:2048"; -1 is no limit.
    private static func ulimit(_ text: String) throws(Problem) -> ContainerSpecification.Ulimit {
        let problem = Problem("\(EngineError.legible(text)) is no limit such as nofile=1024:2048")
        guard let (name, values) = DockerValues.pair(text, "=") else { throw problem }
        let numbers = values.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(numbers.count), let soft = numbers[0], let hard = numbers[numbers.count - 1], soft >= -1,
            hard >= -1
        else { throw problem }
        guard hard == -1 || (soft != -1 && soft <= hard) else {
            throw Problem("\(EngineError.legible(text)): the first number is above the second")
        }
        return ContainerSpecification.Ulimit(name: name, soft: soft, hard: hard)
    }

    // MARK: Surroundings

    static let surroundings: [String: DockerRunFlag] = [
        "env": value { text throws(Problem) in
            guard let (name, _) = DockerValues.pair(text, "=") else {
                throw Problem("expected NAME=value; variables of the server's own environment are not handed on")
            }
            return { specification in
                let isThere = specification.environment.contains { $0.hasPrefix("\(name)=") }
                if !isThere { specification.environment.append(text) }
            }
        },
        "label": value { text throws(Problem) in
            let label = DockerValues.pair(text, "=") ?? (text, "")
            if label.name.isEmpty { throw Problem("the name is empty") }
            return { $0.labels[label.name] = $0.labels[label.name] ?? label.value }
        },
        "dns": list(\.dns),
        "dns-search": list(\.dnsSearch),
        "add-host": value { text throws(Problem) in
            guard let host = DockerValues.pair(text, ":") ?? DockerValues.pair(text, "="), !host.value.isEmpty else {
                throw Problem("\(EngineError.legible(text)) is not name:address")
            }
            return { $0.extraHosts.append("\(host.name):\(host.value)") }
        },
        "hostname": value { text throws(Problem) in
            guard !text.isEmpty, text.utf8.count <= 63 else { throw Problem("a name has 1 to 63 bytes") }
            return { $0.hostname = text }
        },
        "platform": text(\.platform),
        "group-add": list(\.addedGroups),
        "gpus": value { text throws(Problem) in
            let request = try DockerGPURequest.parse(text)
            return { $0.deviceRequests.append(request) }
        },
        "security-opt": value { text throws(Problem) in try DockerSecurityOption.change(text) },
        "read-only": DockerRunFlag(takesValue: false) { value throws(Problem) in
            guard DockerValues.isTrue(value ?? "true") == true else {
                throw Problem("refused: the root of a container cannot be written")
            }
            return { $0.isRootReadOnly = true }
        },
    ]
}
