import TestSupport
import Testing

extension OneShot {
    @Suite("What Onyx does")
    struct OnyxClient {
        /// The steps of Onyx's own client: probe, upload, run with files, fetch what came out, delete.
        @Test("a spreadsheet is uploaded, worked on and its results are fetched")
        func spreadsheet() async throws {
            let server = try TestServer.current
            let health = try await server.get("/health").json
            #expect(health["status"] == "ok")

            let csv = "region,amount\nnorth,10\nsouth,20\nnorth,5\n"
            let form = Multipart.file("sales.csv", Array(csv.utf8), type: "text/csv")
            let upload = try await server.send(
                "POST",
                "/v1/files",
                headers: [form.header, ("Accept", "*/*")],
                body: form.body
            )
            #expect(upload.status == 201)
            let id = try #require(try upload.json["file_id"]?.string)

            let code = """
                import pandas as pd
                import matplotlib.pyplot as plt
                frame = pd.read_csv("sales.csv")
                totals = frame.groupby("region")["amount"].sum()
                totals.plot.bar()
                plt.savefig("chart.png")
                totals.to_csv("totals.csv")
                totals
                """
            let body: JSON = [
                "code": .string(code), "stdin": nil, "timeout_ms": 60000, "last_line_interactive": true,
                "files": [["path": "sales.csv", "file_id": .string(id)]],
            ]
            let answer = try #require(ExecuteAnswer(try await server.post("/v1/execute", body).json))
            #expect(answer.stdout == "region\nnorth    15\nsouth    20\nName: amount, dtype: int64\n", "\(answer.json)")
            #expect(answer.exitCode == 0)
            #expect(answer.paths == ["chart.png", "totals.csv"])
            let png = try await server.download(#require(answer.file("chart.png")))
            #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
            #expect(
                try await server.download(#require(answer.file("totals.csv")))
                    == Array("region,amount\nnorth,15\nsouth,20\n".utf8)
            )
            for file in answer.files.map(\.id) + [id] {
                #expect(try await server.send("DELETE", "/v1/files/\(file)").status == 204)
            }
        }

        @Test("the same as a stream: output, then a result that names the files")
        func streamed() async throws {
            let server = try TestServer.current
            let id = try await server.upload("in.txt", "three words here".utf8)
            let code =
                "text = open('in.txt').read()\nprint(len(text.split()))\nopen('out.txt', 'w').write(text.upper())"
            let answer = try await server.stream(
                ExecuteRequest(code, timeout: 60_000, interactive: true, files: [("in.txt", id)])
            ).collect()
            #expect(answer.stdout == "3\n16\n", "\(answer.json)")
            #expect(try await server.download(#require(answer.file("out.txt"))) == Array("THREE WORDS HERE".utf8))
        }

        @Test("what one execution produced is the input of the next")
        func chained() async throws {
            let server = try TestServer.current
            let first = try await server.execute("open('a.txt', 'w').write('1')")
            let file = try #require(first.files.first)
            let second = try await server.execute(
                ExecuteRequest("open('a.txt', 'a').write('2')", files: [(file.path, file.id)])
            )
            #expect(try await server.download(#require(second.file("a.txt"))) == Array("12".utf8))
        }
    }
}
