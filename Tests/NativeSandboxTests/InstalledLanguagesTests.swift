import Execution
import TestSupport
import Testing

@testable import NativeSandbox

@Suite("The installed languages")
struct InstalledLanguagesTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("languages") }

    /// A place with kernelspecs: the content of each kernel.json by name.
    private func place(_ name: String, _ specs: [String: String]) throws -> String {
        let path = try folder.folder(name)
        for (spec, text) in specs {
            _ = try folder.folder("\(name)/\(spec)")
            try folder.file("\(name)/\(spec)/kernel.json", Array(text.utf8))
        }
        return path
    }

    private func spec(_ language: String, _ display: String) -> String {
        #"{"argv":["program","{connection_file}"],"language":"\#(language)","display_name":"\#(display)"}"#
    }

    @Test("Python is there without any kernelspec")
    func onlyPython() {
        defer { folder.remove() }
        let found = InstalledLanguages(places: ["\(folder.path)/missing"])
        #expect(found.languages.map(\.name) == ["python"])
        #expect(found.broken == [])
    }

    @Test("Python comes first, the others by name, each name from the first place that has it")
    func order() throws {
        defer { folder.remove() }
        let first = try place("first", ["python3": spec("python", "Python 3"), "Bash": spec(" Bash ", "Bash")])
        let second = try place("second", ["bash": spec("bash", "another"), "abc": spec("abc", "ABC")])
        let found = InstalledLanguages(places: [first, second])
        #expect(
            found.kernels == [
                .init(name: "python", language: "python", displayName: "Python"),
                .init(name: "abc", language: "abc", displayName: "ABC"),
                .init(name: "bash", language: "bash", displayName: "Bash"),
            ]
        )
        #expect(found.languages.map(\.name) == ["python", "abc", "bash"])
    }

    @Test("a language of two kernels is listed once")
    func lookup() throws {
        defer { folder.remove() }
        let place = try place("kernels", ["a": spec("r", "R"), "ir": spec("R", "other"), "p": spec("python", "mine")])
        let found = InstalledLanguages(places: [place])
        #expect(found.languages.map(\.displayName) == ["Python", "R"])
    }

    @Test(
        "a kernelspec that cannot be used is left out and named",
        arguments: [
            ("[]", "it is no JSON object"), ("{", "it is no JSON object"), (#"{"language":"x"}"#, "it has no argv"),
            (#"{"argv":[],"language":"x"}"#, "it has no argv"), (#"{"argv":[1],"language":"x"}"#, "it has no argv"),
            (#"{"argv":["x"]}"#, "it names no language"), (#"{"argv":["x"],"language":" "}"#, "it names no language"),
            (#"{"argv":["x"],"language":7}"#, "it names no language"),
            (#"{"argv":["x"],"language":"x"}LARGE"#, "it is larger than 64 KiB"),
        ]
    )
    func broken(text: String, reason: String) throws {
        defer { folder.remove() }
        let large = String(repeating: " ", count: 64 << 10)
        let bad = text.hasSuffix("LARGE") ? text.dropLast(5) + large : text[...]
        let place = try place("kernels", ["bad": String(bad), "good": spec("good", "Good")])
        let found = InstalledLanguages(places: [place])
        #expect(found.languages.map(\.name) == ["python", "good"])
        #expect(found.broken == [.init(path: "\(place)/bad/kernel.json", reason: reason)])
    }

    @Test("what is no file is not read, and no more than 64 kernelspecs are")
    func bounds() throws {
        defer { folder.remove() }
        var specs: [String: String] = [:]
        for number in 100..<180 { specs["k\(number)"] = spec("l\(number)", "") }
        let many = try place("many", specs)
        #expect(InstalledLanguages(places: [many]).kernels.count == 65)
        let odd = try place("odd", [:])
        _ = try folder.folder("odd/folder")
        _ = try folder.folder("odd/folder/kernel.json")
        #expect(
            InstalledLanguages(places: [odd]).broken
                == [.init(path: "\(odd)/folder/kernel.json", reason: "it is no file")]
        )
    }
}
