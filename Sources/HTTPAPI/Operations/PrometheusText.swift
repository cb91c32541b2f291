import Execution
import NIOCore

/// Writes the text format of Prometheus, version 0.0.4.
struct PrometheusText {
    private(set) var buffer = ByteBufferAllocator().buffer(capacity: 8192)

    enum Kind: String {
        case counter
        case gauge
        case histogram
    }

    /// The two comment lines before the samples of a metric.
    mutating func describe(_ name: String, _ kind: Kind, _ help: String) {
        buffer.writeString("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n")
    }

    mutating func sample(_ name: String, _ value: Double, _ labels: [(String, String)] = []) {
        write(name, labels, Self.text(of: value))
    }

    mutating func sample(_ name: String, _ value: Int, _ labels: [(String, String)] = []) {
        write(name, labels, String(value))
    }

    /// The buckets, the sum and the count.
    mutating func histogram(
        _ name: String,
        _ labels: [(String, String)],
        _ histogram: ExecutionMetrics.Histogram
    ) {
        for (bound, count) in zip(histogram.bounds, histogram.buckets) {
            sample(name + "_bucket", count, labels + [("le", Self.text(of: bound))])
        }
        sample(name + "_bucket", histogram.count, labels + [("le", "+Inf")])
        sample(name + "_sum", histogram.sum, labels)
        sample(name + "_count", histogram.count, labels)
    }

    private mutating func write(_ name: String, _ labels: [(String, String)], _ value: String) {
        buffer.writeString(name)
        if !labels.isEmpty {
            let list = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
            buffer.writeString("{\(list)}")
        }
        buffer.writeString(" \(value)\n")
    }

    private static func text(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return "\(value)"
    }

    private static func escaped(_ value: String) -> String {
        var escaped = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
