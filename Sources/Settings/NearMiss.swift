/// The candidate nearest to `text`, nil when none is near: more than a quarter of the text would have to change.
package func nearest(to text: String, among candidates: [String]) -> String? {
    let scored = candidates.map { (candidate: $0, distance: editDistance(text, $0)) }
    guard let best = scored.min(by: { $0.distance < $1.distance }), best.distance <= max(2, text.count / 4) else {
        return nil
    }
    return best.candidate
}

/// Insertions, deletions and replacements that turn one text into the other (Levenshtein).
func editDistance(_ left: String, _ right: String) -> Int {
    let right = Array(right.utf8)
    var row = Array(0...right.count)
    for (index, byte) in left.utf8.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in right.indices {
            let replaced = diagonal + (byte == right[column] ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
        }
    }
    return row[right.count]
}
