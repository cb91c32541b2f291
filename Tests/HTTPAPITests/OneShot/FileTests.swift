import Execution
import NIOCore
import Testing

@testable import HTTPAPI

@Suite struct FileTests {
    private static let fileHeader = "Content-Disposition: form-data; name=\"file\"; filename=\"a\""

    @Test("a file lives through upload, list, download and deletion") func roundTrip() async throws {
        try await TestAPI.with { api in
            let uploaded = try await api.upload("data.csv", Array("1,2\n".utf8))
            #expect(uploaded.status == 201)
            let id = try #require(uploaded.field("file_id"))
            #expect(uploaded.text == #"{"file_id":"\#(id)","filename":"data.csv","size_bytes":4}"#)
            #expect(id.count == 36 && id.utf8.dropFirst(14).first == UInt8(ascii: "4"))

            let list = try await api.request("GET", "/v1/files")
            let prefix = #"{"files":[{"file_id":"\#(id)","filename":"data.csv","size_bytes":4,"upload_time":"#
            #expect(list.text.hasPrefix(prefix))
            #expect(list.text.dropFirst(prefix.count).dropLast(3).contains("."))

            let download = try await api.request("GET", "/v1/files/\(id)")
            #expect(download.status == 200)
            #expect(download.text == "1,2\n")
            #expect(download["content-type"] == "application/octet-stream")
            #expect(download["content-length"] == "4")
            #expect(download["x-content-type-options"] == "nosniff")
            #expect(download["content-disposition"] == #"attachment; filename="data.csv""#)

            let deleted = try await api.request("DELETE", "/v1/files/\(id)")
            #expect(deleted.status == 204)
            #expect(deleted.body.isEmpty)
            #expect(try await api.request("GET", "/v1/files").text == #"{"files":[]}"#)
            for method in ["GET", "DELETE"] {
                let gone = try await api.request(method, "/v1/files/\(id)")
                #expect(gone.status == 404)
                #expect(gone.text == #"{"detail":"File with ID '\#(id)' not found"}"#)
            }
        }
    }

    @Test("ids that are none find nothing") func refusesStrangeIDs() async throws {
        let ids = [
            "nope", "..", "%2e%2e", "a%00b", "%ff", ".meta.json", "x.meta.json", "%22%0d%0aX:y", "~", "a%20b",
        ]
        try await TestAPI.with { api in
            for (id, method) in ids.flatMap({ [($0, "GET"), ($0, "DELETE")] }) {
                let response = try await api.request(method, "/v1/files/\(id)")
                #expect(response.status == 404, "\(method) \(id)")
                #expect(response.text.hasPrefix(#"{"detail":"File with ID '"#), "\(method) \(id)")
                #expect(!response.headers.contains { $0.name == "x" }, "\(method) \(id)")
            }
            let accent = try await api.request("GET", "/v1/files/%CC%81x")
            #expect(accent.status == 404)
            #expect(accent.text.utf8.starts(with: #"{"detail":"File with ID '"#.utf8))
        }
    }

    @Test("an id with slashes is no route") func refusesPaths() async throws {
        try await TestAPI.with { api in
            for id in ["../files", "a/b", "%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd"] {
                let response = try await api.request("GET", "/v1/files/\(id)")
                #expect(response.status == 404)
                #expect(response.text == #"{"detail":"Not Found"}"#)
            }
        }
    }

    @Test("an empty file, one of many pieces and one at the limit are stored whole") func storesAllSizes() async throws
    {
        try await TestAPI.with { api in
            for size in [0, 1, 300_000, 3 << 20] {
                let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
                let uploaded = try await api.upload("a", content)
                #expect(uploaded.status == 201)
                let id = try #require(uploaded.field("file_id"))
                #expect(try await api.request("GET", "/v1/files/\(id)").body == content)
            }
        }
    }

    @Test("a file above the limit is refused, announced or not, and leaves nothing") func limitsSize() async throws {
        try await TestAPI.with { api in
            let expected = #"{"detail":"File size exceeds maximum of 3 MB"}"#
            let tooLarge = try await api.upload("a", [UInt8](repeating: 1, count: (3 << 20) + 1))
            #expect(tooLarge.status == 413)
            #expect(tooLarge.text == expected)

            try await RawConnection.with(port: api.port) { connection in
                try await connection.send(
                    "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n"
                        + "Content-Type: multipart/form-data; boundary=XbX\r\n\r\n"
                )
                #expect(try await connection.response()?.text == expected)
            }
            let form = TestAPI.multipart([
                (
                    "Content-Disposition: form-data; name=\"other\"; filename=\"a\"",
                    [UInt8](repeating: 1, count: 7_200_000)
                )
            ])
            try await RawConnection.with(port: api.port) { connection in
                try await connection.send(
                    "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\(form.header)\r\n\r\n"
                )
                try await connection.send("\(String(form.body.count, radix: 16))\r\n")
                try await connection.send(form.body)
                try await connection.send("\r\n0\r\n\r\n")
                #expect(try await connection.response()?.text == expected)
            }
            #expect(try await api.request("GET", "/v1/files").text == #"{"files":[]}"#)
        }
    }

    @Test("forms without the file are refused in pydantic's words") func refusesFormsWithoutFile() async throws {
        try await TestAPI.with { api in
            let missing = #"{"detail":[{"type":"missing","loc":["body","file"],"msg":"Field required","input":null}]}"#
            let other = TestAPI.multipart([("Content-Disposition: form-data; name=\"other\"; filename=\"a\"", [1])])
            let answers = [
                try await api.request("POST", "/v1/files", headers: [other.header], body: other.body),
                try await api.request(
                    "POST",
                    "/v1/files",
                    headers: ["Content-Type: application/json"],
                    body: [0x7B, 0x7D]
                ),
                try await api.request("POST", "/v1/files"),
            ]
            for answer in answers {
                #expect(answer.status == 422)
                #expect(answer.text == missing)
            }
            let text = TestAPI.multipart([("Content-Disposition: form-data; name=\"file\"", Array("abc".utf8))])
            let noFile = try await api.request("POST", "/v1/files", headers: [text.header], body: text.body)
            #expect(noFile.status == 422)
            #expect(
                noFile.text
                    == #"{"detail":[{"type":"value_error","loc":["body","file"],"msg":"Value error, Expected UploadFile, received: <class 'str'>","#
                    + #""input":"abc","ctx":{"error":{}}}]}"#
            )
        }
    }

    @Test("broken forms are 400 and leave nothing") func refusesBrokenForms() async throws {
        try await TestAPI.with { api in
            let noBoundary = try await api.request(
                "POST",
                "/v1/files",
                headers: ["Content-Type: multipart/form-data"],
                body: [1]
            )
            #expect(noBoundary.status == 400)
            #expect(noBoundary.text == #"{"detail":"Missing boundary in multipart."}"#)

            let whole = TestAPI.multipart([
                (Self.fileHeader, [1, 2, 3]), ("Content-Disposition: form-data; name=\"b\"", [1]),
            ])
            for end in [20, 110, whole.body.count - 40, whole.body.count - 4] {
                let cut = Array(whole.body.prefix(end))
                let answer = try await api.request("POST", "/v1/files", headers: [whole.header], body: cut)
                #expect(answer.status == 400)
                #expect(answer.text == #"{"detail":"There was an error parsing the body"}"#)
            }
            let unnamed = TestAPI.multipart([("X-Y: z", [1])])
            let answer = try await api.request("POST", "/v1/files", headers: [unnamed.header], body: unnamed.body)
            #expect(answer.text == #"{"detail":"The Content-Disposition header field \"name\" must be provided."}"#)
            #expect(try await api.request("GET", "/v1/files").text == #"{"files":[]}"#)
        }
    }

    @Test("other fields do not matter, wherever they are; of several files the last stays") func ignoresOtherFields()
        async throws
    {
        try await TestAPI.with { api in
            let form = TestAPI.multipart([
                ("Content-Disposition: form-data; name=\"before\"", [9]), (Self.fileHeader, [1]),
                (
                    "Content-Disposition: form-data; name=\"other\"; filename=\"x\"",
                    [UInt8](repeating: 5, count: 100_000)
                ),
                (Self.fileHeader, [2]), ("Content-Disposition: form-data; name=\"after\"", [9]),
            ])
            let answer = try await api.request("POST", "/v1/files", headers: [form.header], body: form.body)
            #expect(answer.status == 201)
            let id = try #require(answer.field("file_id"))
            #expect(try await api.request("GET", "/v1/files/\(id)").body == [2])
            let list = try await api.request("GET", "/v1/files")
            #expect(list.text.split(separator: "file_id").count == 2)
        }
    }

    @Test("a client that goes away in the middle of an upload leaves nothing") func dropsUnfinishedUploads()
        async throws
    {
        try await TestAPI.with { api in
            let form = TestAPI.multipart([(Self.fileHeader, [UInt8](repeating: 1, count: 200_000))])
            try await RawConnection.with(port: api.port) { connection in
                let request = TestAPI.request("POST", "/v1/files", headers: [form.header], body: form.body)
                try await connection.send(Array(request.dropLast(1000)))
            }
            #expect(try await api.request("GET", "/v1/files").text == #"{"files":[]}"#)
        }
    }

    @Test("names that are not plain come back whole, and cannot make headers") func namesRoundTrip() async throws {
        try await TestAPI.with { api in
            let uploaded = try await api.upload("日\\\" ;x.csv", [1])
            #expect(uploaded.text.contains(#""filename":"日\" ;x.csv""#))
            let id = try #require(uploaded.field("file_id"))
            let download = try await api.request("GET", "/v1/files/\(id)")
            #expect(
                download["content-disposition"]
                    == #"attachment; filename="__ ;x.csv"; filename*=UTF-8''%E6%97%A5%22%20%3Bx.csv"#
            )
        }
    }

    @Test(
        "headers of downloads",
        arguments: [
            ("a.txt", #"attachment; filename="a.txt""#), ("dir/a b.txt", #"attachment; filename="a b.txt""#),
            ("dir/\u{301}x", #"attachment; filename="_x"; filename*=UTF-8''%CC%81x"#),
            (".env", #"attachment; filename=".env""#), ("", #"attachment; filename="file""#),
            ("/", #"attachment; filename="file""#),
            ("a\r\nX: y", #"attachment; filename="a__X: y"; filename*=UTF-8''a%0D%0AX%3A%20y"#),
            ("a\"b", #"attachment; filename="a_b"; filename*=UTF-8''a%22b"#),
            ("a\\b", #"attachment; filename="a_b"; filename*=UTF-8''a%5Cb"#),
            ("100%.txt", #"attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt"#),
            ("😀é", #"attachment; filename="__"; filename*=UTF-8''%F0%9F%98%80%C3%A9"#),
            ("a\0\u{7F}", #"attachment; filename="a__"; filename*=UTF-8''a%00%7F"#),
        ]
    )
    func writesDisposition(_ filename: String, _ expected: String) {
        #expect(ContentDisposition.attachment(named: filename) == expected)
    }
}
