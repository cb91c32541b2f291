import Synchronization

/// Keeps blobs on disk while somebody needs them under their name, although their file was removed or expired meanwhile.
final class BlobRetention: Sendable {
    private struct State {
        var holders: [String: Int] = [:]
        /// Removed files whose blob is still held.
        var doomed: Set<String> = []
        /// Removed files whose blob nobody holds any more.
        var released: [String] = []
    }

    private let state = Mutex(State())

    /// How many blobs are held.
    var holders: Int { state.withLock { $0.holders.count } }

    func hold(_ ids: [String]) {
        state.withLock { state in
            for id in ids { state.holders[id, default: 0] += 1 }
        }
    }

    /// Ends as many holds; whether blobs became free to be removed, see ``takeReleased()``.
    func release(_ ids: [String]) -> Bool {
        state.withLock { state in
            for id in ids {
                guard let holders = state.holders[id] else { preconditionFailure("a blob was released twice") }
                state.holders[id] = holders > 1 ? holders - 1 : nil
                if holders == 1, state.doomed.remove(id) != nil { state.released.append(id) }
            }
            return !state.released.isEmpty
        }
    }

    /// The file is gone from the index. Whether its blob may be removed now; if not, it is released later.
    func mayRemove(_ id: String) -> Bool {
        state.withLock { state in
            if state.holders[id] == nil { return true }
            state.doomed.insert(id)
            return false
        }
    }

    /// Blobs to be removed now.
    func takeReleased() -> [String] {
        state.withLock { state in
            defer { state.released.removeAll() }
            return state.released
        }
    }
}
