/// What the launcher hands over with a new sandbox, or with a process that entered one.
struct Handover: Sendable {
    /// Nil for a process that entered a sandbox.
    var workspace: Descriptor?
    var channel: Descriptor
    /// In the plan's order.
    var statistics: [Descriptor]

    /// Nil when the number of descriptors is not the plan's.
    init?(_ descriptors: [Descriptor], statistics count: Int) {
        guard descriptors.count == 2 + count else { return nil }
        workspace = descriptors[0]
        channel = descriptors[1]
        statistics = Array(descriptors[2...])
    }

    /// Nil when it is not just the channel.
    init?(channel descriptors: [Descriptor]) {
        guard descriptors.count == 1 else { return nil }
        channel = descriptors[0]
        statistics = []
    }
}
