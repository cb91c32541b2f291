import JSON
import NIOCore

/// What a guest says of itself once it is warm.
struct GuestGreeting: Sendable, Equatable {
    /// What this server speaks.
    static let currentProtocol = 1

    var protocolVersion: Int
    /// Whom programs run as.
    var user: Int
    /// Whether that is somebody else than the guest itself.
    var isSeparate: Bool
    /// Whether programs that run beside each other in the container are kept apart by the kernel (Landlock with scopes).
    var isApart: Bool
    /// Whether the container's memory and processor time are counted where the guest can read it.
    var countsMemory: Bool
    var countsProcessorTime: Bool
    var languages: [Language]

    struct Language: Sendable, Equatable {
        /// The name of its kernelspec.
        var name: String
        var language: String
        var displayName: String
    }

    private static let maximumLanguages = 64

    /// Takes the JSON of `ready`; nil for what is not understood.
    init?(_ json: ByteBuffer) {
        guard case .object(let fields) = try? JSONParser.parse(json),
            let version = fields["protocol"]?.integer, let user = fields["uid"]?.integer,
            let isSeparate = fields["separate"]?.bool, let isApart = fields["apart"]?.bool,
            case .object(let counted)? = fields["counted"],
            let memory = counted["memory"]?.bool, let processor = counted["cpu"]?.bool,
            case .array(let items)? = fields["languages"], items.count <= Self.maximumLanguages
        else { return nil }
        protocolVersion = version
        self.user = user
        self.isSeparate = isSeparate
        self.isApart = isApart
        countsMemory = memory
        countsProcessorTime = processor
        languages = []
        for item in items {
            guard case .object(let language) = item, let name = language["name"]?.string,
                let word = language["language"]?.string, let title = language["display_name"]?.string
            else { return nil }
            languages.append(Language(name: name, language: word, displayName: title))
        }
    }
}
