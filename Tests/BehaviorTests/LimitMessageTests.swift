import TestSupport
import Testing

extension OneShot {
    @Suite("What is told of limits")
    struct LimitMessages {
        @Test(
            "the default limits are told as the settings have them",
            arguments: [
                ("POST /v1/files", "multipart/form-data; boundary=b", "File size exceeds maximum of 100 MB"),
                ("POST /v1/execute", "application/json", "Request body exceeds maximum of 20 MB"),
                ("PUT /files/x", "text/plain", "File exceeds maximum of 100 MB: x"),
            ]
        )
        func defaults(request: String, type: String, text: String) async throws {
            let connection = try await RawConnection(port: TestServer.current.port)
            // Refused by what it announces.
            let headers = "Host: localhost\r\nContent-Type: \(type)\r\nContent-Length: 999999999\r\n"
            try await connection.send("\(request) HTTP/1.1\r\n\(headers)\r\n")
            let answer = await connection.receiveAnswer()
            #expect(answer.hasPrefix("HTTP/1.1 413 "), "\(answer)")
            #expect(answer.contains(text), "\(answer)")
            await connection.close()
        }
    }
}
