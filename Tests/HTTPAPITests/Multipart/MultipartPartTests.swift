import Testing

@testable import HTTPAPI

@Suite struct MultipartPartTests {
    @Test(
        "file names as clients write them",
        arguments: [
            (#"filename="a.txt""#, "a.txt"), (#"filename=a.txt"#, "a.txt"), (#"FileName = "a b.txt" "#, "a b.txt"),
            (#"filename="a;b=c.txt""#, "a;b=c.txt"), (#"filename="a\"b\\c.txt""#, #"a"b\c.txt"#),
            (#"filename="a\b.txt""#, #"a\b.txt"#), (#"filename="C:\dir\a.txt""#, "a.txt"),
            (#"filename="\\server\a.txt""#, "a.txt"), ("filename=\"C:\\dir\\\u{301}a.txt\"", "\u{301}a.txt"),
            (#"filename="日本.txt""#, "日本.txt"), (#"filename="""#, ""), (#"filename=".env""#, ".env"),
            (#"filename="../../etc/passwd""#, "../../etc/passwd"), (#"filename="a%22b""#, "a%22b"),
            (#"filename*=UTF-8''%E6%97%A5.txt"#, "日.txt"), (#"filename="x"; filename*=utf-8'en'%e2%82%ac"#, "€"),
            (#"filename*=utf-8''a; filename="x""#, "a"), (#"filename*=iso-8859-1''%E9"#, "é"),
            (#"filename*=utf-8''%FF; filename="x""#, "x"), (#"filename*=nonsense; filename="x""#, "x"),
            (#"filename*=koi8-r''%C1; filename="x""#, "x"), (#"filename="a"; filename="b""#, "a"),
            (#"filename="a";"#, "a"),
        ]
    )
    func readsFilenames(_ parameters: String, _ expected: String) {
        var part = MultipartPart()
        let isHeader = part.takeHeader(Array("Content-Disposition: form-data; name=\"file\"; \(parameters)".utf8)[...])
        #expect(isHeader)
        #expect(part.name == "file")
        #expect(part.filename == expected)
    }

    @Test("a name that is not UTF-8 is Latin-1") func fallsBackToLatin1() {
        var part = MultipartPart()
        let line = Array("Content-Disposition: form-data; name=file; filename=\"".utf8) + [0xE9] + Array("\"".utf8)
        let isHeader = part.takeHeader(line[...])
        #expect(isHeader)
        #expect(part.filename == "é")
    }

    @Test("a field without a file name is no file") func noFilename() {
        var part = MultipartPart()
        let isHeader = part.takeHeader(Array("Content-Disposition: form-data; name=\"file\"".utf8)[...])
        #expect(isHeader)
        #expect(part.filename == nil)
    }
}
