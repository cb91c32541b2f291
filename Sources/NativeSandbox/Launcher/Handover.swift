/// What the launcher hands over with a new sandbox.
struct Handover: Sendable {
    var workspace: Descriptor
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
}
