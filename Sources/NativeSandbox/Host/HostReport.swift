package import Execution

/// What this host can enforce, what is missing, and how that is cured.
package struct HostReport: Sendable, Equatable {
    /// Every wall, in the order in which it is built.
    package var walls: [BackendStatus.Wall]
    /// Everything worth saying, errors first.
    package var findings: [Finding]
    /// What settings allow, or an ordinary user's rights force, to be less.
    package var reducedModes: [String]

    /// Something about this host that keeps sandboxes from being made, or makes them weaker.
    package struct Finding: Sendable, Equatable {
        package var severity: Severity
        /// What it is about, such as `cgroups`.
        package var subject: String
        /// One sentence.
        package var what: String
        /// What to do, often a command; nil where there is nothing to do.
        package var cure: String?
    }

    package enum Severity: String, Sendable, Equatable, Comparable {
        /// No sandbox can be made.
        case error
        /// Sandboxes are weaker than they could be.
        case warning
        case note

        private var rank: Int {
            switch self {
            case .error: 0
            case .warning: 1
            case .note: 2
            }
        }

        package static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }
    }

    /// Looks at this host. Starts one short-lived process to try namespaces; changes nothing.
    package static func inspect(_ settings: NativeSettings) -> HostReport {
        HostReport(HostFacts.inspect(settings), settings)
    }

    /// Errors alone.
    package var errors: [Finding] { findings.filter { $0.severity == .error } }

    init(_ facts: HostFacts, _ settings: NativeSettings) {
        walls = []
        findings = []
        reducedModes = []
        judgeInstallation(facts)
        judgeKernel(facts, settings)
        judgeCapabilities(facts)
        judgeNamespaces(facts)
        judgeIdentity(facts, settings)
        judgeCgroups(facts, settings)
        judgeLandlock(facts, settings)
        addWall("seccomp", true, "an allow-list of system calls; refused ones fail with EPERM")
        // Stable: what was found first stays first among equals.
        let ordered = findings.enumerated().sorted {
            ($0.element.severity, $0.offset) < ($1.element.severity, $1.offset)
        }
        findings = ordered.map(\.element)
    }

    mutating func addWall(_ name: String, _ isStanding: Bool, _ detail: String) {
        walls.append(BackendStatus.Wall(name: name, isStanding: isStanding, detail: detail))
    }

    mutating func add(_ severity: Severity, _ subject: String, _ what: String, cure: String?) {
        findings.append(Finding(severity: severity, subject: subject, what: what, cure: cure))
    }
}
