import TestSupport
import Testing

extension OneShot {
    @Suite("Files")
    struct Files {
        @Test("an upload answers 201 with id, name and size, and the file is listed and can be fetched")
        func upload() async throws {
            let server = try TestServer.current
            let form = Multipart.file("report.csv", Array("a,b\n1,2\n".utf8))
            let before = unixTime()
            let answer = try await server.send("POST", "/v1/files", headers: [form.header], body: form.body)
            #expect(answer.status == 201)
            let json = try answer.json
            #expect(json.keys == ["file_id", "filename", "size_bytes"])
            let id = try #require(json["file_id"]?.string)
            #expect(id.isUUID4)
            #expect(json["filename"] == "report.csv")
            #expect(json["size_bytes"] == 8)

            let list = try await server.get("/v1/files")
            #expect(list.status == 200)
            let entry = try #require(try list.json["files"]?.array?.first { $0["file_id"]?.string == id })
            #expect(entry["filename"] == "report.csv")
            #expect(entry["size_bytes"] == 8)
            let time = try #require(entry["upload_time"])
            #expect(try #require(time.double) >= before - 1)
            #expect(try #require(time.double) <= unixTime() + 1)
            #expect("\(time)".contains("."), "a float: \(time)")

            let file = try await server.get("/v1/files/\(id)")
            #expect(file.status == 200)
            #expect(file.text == "a,b\n1,2\n")
            #expect(file.header("Content-Type") == "application/octet-stream")
            #expect(file.header("Content-Disposition") == #"attachment; filename="report.csv""#)
            #expect(file.header("Content-Length") == "8")
        }

        @Test("a download is never something a browser would show")
        func neverShown() async throws {
            let server = try TestServer.current
            let id = try await server.upload("page.html", "<script>alert(1)</script>".utf8)
            let file = try await server.get("/v1/files/\(id)")
            #expect(file.header("Content-Type") == "application/octet-stream")
            #expect(file.header("X-Content-Type-Options") == "nosniff")
            #expect(file.header("Content-Disposition")?.hasPrefix("attachment") == true)
        }

        @Test("an empty file is a file")
        func empty() async throws {
            let server = try TestServer.current
            let id = try await server.upload("empty.txt", [])
            #expect(try await server.download(id) == [])
        }

        @Test("deleting answers 204 without a body, the second time 404")
        func delete() async throws {
            let server = try TestServer.current
            let id = try await server.upload("x", "x".utf8)
            let first = try await server.send("DELETE", "/v1/files/\(id)")
            #expect(first.status == 204)
            #expect(first.body.isEmpty)
            let second = try await server.send("DELETE", "/v1/files/\(id)")
            #expect(second.status == 404)
            #expect(try second.json == ["detail": .string("File with ID '\(id)' not found")])
            #expect(try await server.get("/v1/files/\(id)").status == 404)
            #expect(try await server.listedFiles()[id] == nil)
        }

        @Test(
            "an id that is none gives 404 with the contract's words",
            arguments: [
                "00000000-0000-4000-8000-000000000000", "no-such-id", "x.meta.json", "%20", "..%2f..%2fetc%2fpasswd",
                "%2e%2e", "index.sqlite",
            ]
        )
        func unknown(id: String) async throws {
            for method in ["GET", "DELETE"] {
                let answer = try await TestServer.current.send(method, "/v1/files/\(id)")
                #expect(answer.status == 404)
                #expect(try answer.json["detail"] != nil)
            }
        }

        @Test("a letter's case in an id matters not enough to find another file")
        func upperCaseID() async throws {
            let server = try TestServer.current
            let id = try await server.upload("x", "x".utf8)
            #expect([200, 404].contains(try await server.get("/v1/files/\(id.uppercased())").status))
        }

        @Test("the same content twice is two files")
        func sameContentTwice() async throws {
            let server = try TestServer.current
            let first = try await server.upload("a", "same".utf8)
            let second = try await server.upload("a", "same".utf8)
            #expect(first != second)
            _ = try await server.send("DELETE", "/v1/files/\(first)")
            #expect(try await server.download(second) == Array("same".utf8))
        }

        @Test(
            "names of every script can be uploaded, are listed as they are, and can be fetched",
            arguments: [
                "naïve.txt", "漢字.csv", "\u{1F600}.png", "a b.txt", "semi;colon.txt", "per%20cent.txt", ".env",
                "no-extension", "a'b.txt",
            ]
        )
        func names(name: String) async throws {
            let server = try TestServer.current
            let id = try await server.upload(name, "content".utf8)
            #expect(try await server.listedFiles()[id] == name)
            let file = try await server.get("/v1/files/\(id)")
            #expect(file.status == 200)
            let disposition = try #require(file.header("Content-Disposition"))
            if name.utf8.contains(where: { $0 > 0x7F }) {
                let encoded = name.utf8.map { $0 > 0x7F ? "%" + String($0, radix: 16) : String(UnicodeScalar($0)) }
                    .joined()
                #expect(disposition.lowercased().contains("filename*=utf-8''\(encoded)"), "\(disposition)")
            }
            #expect(disposition.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(disposition)")
        }

        @Test(
            "a name cannot inject a header",
            arguments: [#"a%22; filename="b.exe"#, "a%0D%0ASet-Cookie: x=1", #"quote\"d.txt"#]
        )
        func headerInjection(name: String) async throws {
            let server = try TestServer.current
            let form = Multipart.file(name, Array("x".utf8))
            let answer = try await server.send("POST", "/v1/files", headers: [form.header], body: form.body)
            guard answer.status == 201, let id = try answer.json["file_id"]?.string else {
                #expect((400..<500).contains(answer.status))
                return
            }
            let file = try await server.get("/v1/files/\(id)")
            #expect(file.status == 200)
            #expect(file.header("Set-Cookie") == nil)
            #expect(file.headers("Content-Disposition").count == 1)
        }

        @Test("a produced name with a newline cannot inject a header")
        func producedNameInjection() async throws {
            let server = try TestServer.current
            let answer = try await server.execute("open('a\\r\\nSet-Cookie: x=1', 'w').write('x')")
            let file = try await server.get("/v1/files/\(try #require(answer.files.first).id)")
            #expect(file.status == 200)
            #expect(file.header("Set-Cookie") == nil)
            #expect(file.text == "x")
        }

        @Test("a form without the field `file`")
        func withoutField() async throws {
            var form = Multipart()
            form.add(#"form-data; name="other"; filename="x""#, Array("x".utf8))
            let answer = try await TestServer.current.send("POST", "/v1/files", headers: [form.header], body: form.body)
            #expect(answer.status == 422)
            #expect(
                try answer.json == [
                    "detail": [["type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": nil]]
                ]
            )
        }

        @Test("a field `file` without a file name")
        func withoutFileName() async throws {
            var form = Multipart()
            form.add(#"form-data; name="file""#, Array("hello".utf8))
            let answer = try await TestServer.current.send("POST", "/v1/files", headers: [form.header], body: form.body)
            #expect(answer.status == 422)
            let item = try #require(try answer.detail[0])
            #expect(item["type"] == "value_error")
            #expect(item["loc"] == ["body", "file"])
            #expect(item["msg"] == "Value error, Expected UploadFile, received: <class 'str'>")
            #expect(item["input"] == "hello")
        }

        @Test("a multipart type without a boundary")
        func withoutBoundary() async throws {
            let answer = try await TestServer.current.post("/v1/files", "x", type: "multipart/form-data")
            #expect(answer.status == 400)
            #expect(try answer.json == ["detail": "Missing boundary in multipart."])
        }

        @Test("other fields of the form are passed over, before and after the file")
        func otherFields() async throws {
            let server = try TestServer.current
            var form = Multipart()
            form.add(#"form-data; name="purpose""#, Array("test".utf8))
            form.add(
                #"form-data; name="file"; filename="x.bin""#,
                type: "text/plain; charset=utf-8",
                [0, 13, 10, 45, 45, 255]
            )
            form.add(#"form-data; name="after"; filename="y""#, Array("y".utf8))
            let answer = try await server.send("POST", "/v1/files", headers: [form.header], body: form.body)
            #expect(answer.status == 201, "\(answer.text)")
            #expect(try answer.json["filename"] == "x.bin")
            let id = try #require(try answer.json["file_id"]?.string)
            #expect(try await server.download(id) == [0, 13, 10, 45, 45, 255])
        }

        @Test("a file that contains what looks like its boundary arrives whole")
        func boundaryInContent() async throws {
            let server = try TestServer.current
            let content = "--7c5e0f2b9d1a438\r\n\r\n--7c5e0f2b9d1a4388 x\r\n--\r\n-\r\n--7c5e0f2b9d1a4389--\r\n"
            let id = try await server.upload("tricky", content.utf8)
            #expect(String(decoding: try await server.download(id), as: UTF8.self) == content)
        }

        @Test("files that an execution produced are listed with their full path")
        func producedFilesListed() async throws {
            let server = try TestServer.current
            let answer = try await server.execute("import os\nos.makedirs('d/e')\nopen('d/e/f.txt', 'w').write('x')")
            let id = try #require(answer.file("d/e/f.txt"))
            #expect(try await server.listedFiles()[id] == "d/e/f.txt")
            #expect(try await server.send("DELETE", "/v1/files/\(id)").status == 204)
        }

        @Test(
            "a body of two megabytes and one byte less and more than a power of two arrive whole",
            arguments: [65535, 65536, 65537, 2_000_000]
        )
        func sizes(count: Int) async throws {
            let server = try TestServer.current
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
            let id = try await server.upload("sized", bytes)
            #expect(try await server.download(id) == bytes)
        }
    }
}
