import Execution
import Testing

@testable import HTTPAPI

@Suite("What is told of limits")
struct LimitTextTests {
    @Test("limits are told in megabytes of 1,048,576 bytes, as they are set")
    func megabytes() async throws {
        let configuration = TestServer.configuration()
        #expect(configuration.maxFileBytes == 100 << 20)
        #expect(configuration.maxBodyBytes == 20 << 20)
        let errors: [(any Error, String)] = [
            (
                FileStoreError.fileTooLarge(maxBytes: 100 << 20),
                #"413 {"detail":"File size exceeds maximum of 100 MB"}"#
            ),
            (APIError.bodyTooLarge(maxBytes: 20 << 20), #"413 {"detail":"Request body exceeds maximum of 20 MB"}"#),
            (
                WorkspaceFileFailure(reason: .tooLarge(maxBytes: 100 << 20), path: Array("f".utf8)),
                "413 File exceeds maximum of 100 MB: f"
            ),
        ]
        for (error, expected) in errors {
            let line = try await ErrorResponse.make(for: error, logger: TestServer.quiet).line()
            #expect(line == expected)
        }
        #expect(OpenAPIDocument.text(configuration: configuration).contains("File size exceeds maximum of 100 MB"))
    }
}
