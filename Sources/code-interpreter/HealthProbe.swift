import Foundation
import NIOCore
import NIOPosix
import Settings

/// A client of one question: is the server that listens there well?
struct HealthProbe: Sendable, Equatable {
    var host: String
    var port: Int

    /// The largest answer that is read.
    private static let mostBytes = 1 << 20

    /// Where a server with these settings listens, as seen from its own machine.
    init(_ settings: Settings) {
        switch settings.host {
        case "0.0.0.0": host = "127.0.0.1"
        case "::": host = "::1"
        default: host = settings.host
        }
        port = settings.port
    }

    /// - Throws: ``StartFailure`` when `url` is none of a server.
    init(url: String) throws {
        guard let parts = URLComponents(string: url), parts.scheme == "http", let name = parts.host, !name.isEmpty,
            ["", "/"].contains(parts.path), parts.query == nil, parts.user == nil
        else {
            throw StartFailure("--url: \"\(url)\" is not like http://127.0.0.1:8000")
        }
        host = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : name
        port = parts.port ?? 80
    }

    private var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// - Throws: ``StartFailure`` when there is no server, when it does not answer in time, or is not well.
    func expectHealth(within limit: Duration) async throws {
        let answer = try await withThrowingTaskGroup(of: String?.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask { try await ask(within: limit) }
            tasks.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            return try await tasks.next() ?? nil
        }
        guard let answer else { throw StartFailure("\(authority) did not answer within \(limit)") }
        if let trouble = Self.trouble(in: answer) { throw StartFailure("\(authority): \(trouble)") }
    }

    /// Everything the server sends until it closes the connection.
    private func ask(within limit: Duration) async throws -> String {
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(TimeAmount(limit))
                .connect(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
                }
        } catch {
            throw StartFailure("no server listens on \(authority)")
        }
        return try await channel.executeThenClose { inbound, outbound in
            let request = "GET /health HTTP/1.1\r\nHost: \(authority)\r\nConnection: close\r\n\r\n"
            try await outbound.write(ByteBuffer(string: request))
            var answer = ByteBuffer()
            for try await part in inbound {
                guard answer.readableBytes + part.readableBytes <= Self.mostBytes else { break }
                answer.writeImmutableBuffer(part)
            }
            return String(buffer: answer)
        }
    }

    /// What an answer says to be wrong; nil when it is the answer of a server that is well.
    static func trouble(in answer: String) -> String? {
        guard answer.hasPrefix("HTTP/1.1 "), let head = answer.range(of: "\r\n\r\n") else {
            return "this is no HTTP server"
        }
        let status = answer.dropFirst(9).prefix(3)
        guard status == "200" else { return "/health is answered with status \(status)" }
        let body = Data(answer[head.upperBound...].utf8)
        guard let health = try? JSONDecoder().decode(Health.self, from: body) else {
            return "/health is not that of a code-interpreter"
        }
        return health.status == "ok" ? nil : health.message ?? "it cannot make sandboxes"
    }

    private struct Health: Decodable {
        var status: String
        var message: String?
    }
}
