import JSON

/// What a daemon is.
package struct EngineVersion: Sendable, Equatable {
    /// As the daemon writes it: "20.10.24".
    package var engine: String
    /// What both sides speak.
    package var apiVersion: APIVersion
}

/// A version of the Engine API.
package struct APIVersion: Sendable, Equatable, Comparable, CustomStringConvertible {
    package var major: Int
    package var minor: Int

    package init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Reads "1.41".
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]),
            (0...1000).contains(major), (0...1000).contains(minor)
        else { return nil }
        self.init(major, minor)
    }

    package var description: String { "\(major).\(minor)" }

    package static func < (left: APIVersion, right: APIVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    /// The oldest this client can use: cgroup v2 and CgroupnsMode came with it (Docker 20.10).
    package static let oldest = APIVersion(1, 41)
    /// The newest this client was written for.
    package static let newest = APIVersion(1, 43)
}

/// An image the daemon has.
package struct EngineImage: Sendable, Equatable {
    /// "sha256:…".
    package var id: String
    package var labels: [String: String]
}

/// How a container is.
package struct ContainerState: Sendable, Equatable {
    /// As the daemon has it: created, running, paused, restarting, removing, exited, dead.
    package var status: String
    /// A paused container runs too.
    package var running: Bool
    package var paused: Bool
    package var exitCode: Int
    /// Whether the kernel killed something in it for memory. Engines learn it from the first process's container alone.
    package var oomKilled: Bool
    /// Why it could not be started, for people; empty when it could.
    package var error: String
    /// Of its first process, on the daemon's machine; 0 when there is none.
    package var pid: Int
}

/// A container in a list.
package struct ContainerSummary: Sendable, Equatable {
    package var id: String
    package var labels: [String: String]
    /// Seconds since 1970, by the daemon's clock.
    package var created: Int
    /// As ``ContainerState/status``.
    package var state: String
}

/// Something that happened to a container or an image.
package struct EngineEvent: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// The first of every stream: from here on nothing is missed. What was so before, ``DockerEngine/list(labels:)`` tells.
        case subscribed
        /// The kernel killed something in a container for memory.
        case oom
        case die(exitCode: Int)
        case destroy
        case imageDelete
        case imageUntag
        case imageTag
        case imagePull
    }

    package var kind: Kind
    /// Of the container; of images the id or the name, as the daemon has it.
    package var id: String
    /// Labels of the container or image, with what else the daemon says about it, such as "name" and "image".
    package var attributes: [String: String]
}

extension JSONValue {
    /// The member of an object; nil for what is no object.
    subscript(member: String) -> JSONValue? {
        if case .object(let object) = self { object[member] } else { nil }
    }

    var text: String? {
        switch self {
        case .string(let text), .brokenString(let text): text
        default: nil
        }
    }

    var integer: Int? { if case .integer(let number) = self { number } else { nil } }

    var isTrue: Bool { self == .bool(true) }

    var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }

    /// An object whose values are texts; what is null, as daemons write empty maps, is empty.
    var texts: [String: String] {
        guard case .object(let object) = self else { return [:] }
        return zip(object.names, object.values).reduce(into: [:]) { texts, member in texts[member.0] = member.1.text }
    }
}
