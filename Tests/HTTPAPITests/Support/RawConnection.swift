import NIOCore
import NIOPosix
import Synchronization

/// A TCP connection on which a test says exactly which bytes are sent.
///
/// Everything that waits has a deadline, after which the connection is closed and the waiting ends by an error or an end of stream.
final class RawConnection {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let channel: any Channel
    private let isLate: Flag
    private var received = ByteBuffer()

    private init(
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        channel: any Channel,
        isLate: Flag
    ) {
        self.isLate = isLate
        self.inbound = inbound
        self.outbound = outbound
        self.channel = channel
    }

    struct DeadlinePassed: Error {}

    private final class Flag: Sendable {
        let value = Atomic(false)
    }

    struct UnexpectedEnd: Error {
        var received: String
    }

    /// Connects, runs `body`, and closes, all of it before the deadline.
    @discardableResult
    static func with<Result>(
        port: Int,
        deadline: TimeAmount = .seconds(30),
        _ body: (RawConnection) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true)
                    )
                }
            }
        let isLate = Flag()
        let timer = channel.channel.eventLoop.scheduleTask(in: deadline) {
            isLate.value.store(true, ordering: .relaxed)
            channel.channel.close(promise: nil)
        }
        defer { timer.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            try await body(
                RawConnection(
                    inbound: inbound.makeAsyncIterator(),
                    outbound: outbound,
                    channel: channel.channel,
                    isLate: isLate
                )
            )
        }
    }

    func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    func send(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }

    /// Ends the sending side.
    func closeOutput() { outbound.finish() }

    /// Goes away at once.
    func abort() { channel.close(promise: nil) }

    /// One whole response, or nil when the server closed without one.
    func response(toHead isHead: Bool = false) async throws -> RawResponse? {
        guard var response = try await head() else { return nil }
        if isHead || response.status < 200 || response.status == 204 { return response }
        if response["transfer-encoding"] == "chunked" {
            while let chunk = try await self.chunk() { response.body += chunk }
        } else if let length = response["content-length"].flatMap(Int.init) {
            response.body = try await bytes(length)
        } else {
            while try await more() {}
            response.body = received.readBytes(length: received.readableBytes) ?? []
        }
        return response
    }

    /// Status line and headers, or nil when the server closed without them.
    func head() async throws -> RawResponse? {
        var lines: [String] = []
        while let line = try await line() {
            if line.isEmpty { return RawResponse(lines) }
            lines.append(line)
        }
        if lines.isEmpty { return nil }
        throw UnexpectedEnd(received: lines.joined(separator: "\n"))
    }

    /// The next chunk of a chunked body, nil after the last.
    func chunk() async throws -> [UInt8]? {
        guard let size = try await line().flatMap({ Int($0, radix: 16) }) else {
            throw UnexpectedEnd(received: "chunk")
        }
        let content = try await bytes(size)
        _ = try await line()
        return size == 0 ? nil : content
    }

    /// Waits until the server closed, and gives what came before.
    func remainder() async throws -> String {
        do { while try await more() {} } catch is IOError {}  // a reset is a close, too
        return received.readString(length: received.readableBytes) ?? ""
    }

    private func line() async throws -> String? {
        while true {
            if let end = received.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let line = received.readString(length: end - received.readerIndex + 1) ?? ""
                return String(line.dropLast(line.hasSuffix("\r\n") ? 1 : 1))
            }
            guard try await more() else {
                if received.readableBytes == 0 { return nil }
                throw UnexpectedEnd(received: String(buffer: received))
            }
        }
    }

    private func bytes(_ count: Int) async throws -> [UInt8] {
        while received.readableBytes < count {
            guard try await more() else { throw UnexpectedEnd(received: String(buffer: received)) }
        }
        return received.readBytes(length: count) ?? []
    }

    private func more() async throws -> Bool {
        let next = try await inbound.next()
        if isLate.value.load(ordering: .relaxed) { throw DeadlinePassed() }
        guard let bytes = next else { return false }
        received.writeImmutableBuffer(bytes)
        return true
    }
}

/// A response as it came over the wire.
struct RawResponse {
    var status: Int
    /// Names in lower case.
    var headers: [(name: String, value: String)]
    var body: [UInt8] = []

    init?(_ lines: [String]) {
        guard let first = lines.first, first.hasPrefix("HTTP/1.1 "), let status = Int(first.dropFirst(9).prefix(3))
        else {
            return nil
        }
        self.status = status
        headers = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            return (line[..<colon].lowercased(), String(value))
        }
    }

    subscript(name: String) -> String? { headers.first { $0.name == name }?.value }

    var text: String { String(decoding: body, as: UTF8.self) }
}
