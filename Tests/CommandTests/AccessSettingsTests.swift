import Foundation
import Glibc
import Settings
import Testing

@testable import code_interpreter

@Suite("Settings of access")
struct AccessSettingsTests {
    private static let key = "0123456789abcdef"

    private func read(_ environment: [String: String], flags: [String] = [], file: String? = nil) throws
        -> SettingsReader.Reading
    {
        let line = SettingFlags.split(flags)
        return try SettingsReader.read(flags: line.flags, unknownFlags: line.rest, environment: environment) { path in
            guard let file else { throw SettingsFile.Failure("no such file") }
            return SettingsFile(text: file, isReadableByAll: path == "/open")
        }
    }

    private func problems(_ environment: [String: String], flags: [String] = [], file: String? = nil) -> [String] {
        do {
            _ = try read(environment, flags: flags, file: file)
            return []
        } catch {
            return (error as? SettingsProblems)?.problems ?? ["\(error)"]
        }
    }

    @Test("keys come from the environment and from a file")
    func keys() throws {
        let environment = [
            "AUTH_MODE": "token", "API_KEYS": "a:\(Self.key), b_-9:\(Self.key)::=", "API_KEYS_FILE": "/keys",
        ]
        let settings = try read(environment, file: "# mine\n\n  c:\(Self.key)c \r\n").settings
        let expected = [("a", Self.key), ("b_-9", Self.key + "::="), ("c", Self.key + "c")]
        #expect(settings.apiKeys == expected.map { APIKey(name: $0, secret: $1) })
        let prefixed = ["CODE_INTERPRETER_AUTH_MODE": "token", "CODE_INTERPRETER_API_KEYS": "a:\(Self.key)"]
        #expect(try read(prefixed).settings.apiKeys.count == 1)
        #expect(try read(["API_KEYS": "none"]).settings.apiKeys.isEmpty)
    }

    @Test("a file everybody can read is worth a warning")
    func openFile() throws {
        let environment = ["AUTH_MODE": "token", "API_KEYS_FILE": "/open"]
        #expect(try read(environment, file: "a:\(Self.key)").warnings == ["API_KEYS_FILE: every user can read /open"])
    }

    @Test(
        "keys that cannot be right, without the key in the message",
        arguments: [
            "secret-secret-secret", "a:secret", "secret-secret-secret:a", ":secret-secret-secret",
            "a:secret-secret secret", "a:secret-secret-\u{e9}",
            "a b:secret-secret-secret", "a:secret-secret-secret,a:secret-secret-secret2",
            "a:secret-secret-secret,b:secret-secret-secret",
            "a:secret-secret-secret,", "a:" + String(repeating: "secret", count: 100),
            String(repeating: "secret", count: 11) + ":" + key,
        ]
    )
    func wrongKeys(text: String) {
        for found in [
            problems(["AUTH_MODE": "token", "API_KEYS": text]),
            problems(
                ["AUTH_MODE": "token", "API_KEYS_FILE": "/keys"],
                file: text.replacingOccurrences(of: ",", with: "\n") + "\n:x"
            ),
        ] {
            #expect(!found.isEmpty)
            #expect(!found.joined().contains("secret"), "\(found)")
        }
    }

    @Test(
        "a key on the command line is refused and not repeated",
        arguments: ["--api-keys=a:secret-secret-secret", "--api-keys a:secret-secret-secret"]
    )
    func flag(line: String) {
        let flags = line.split(separator: " ").map(String.init)
        let found = problems(["AUTH_MODE": "token", "API_KEYS": "b:\(Self.key)"], flags: flags)
        #expect(
            found.contains { $0.hasPrefix("--api-keys: there is no such flag") && $0.contains("API_KEYS_FILE") },
            "\(found)"
        )
        #expect(!found.joined().contains("secret"))
    }

    @Test("the mode and the keys belong together")
    func contradictions() {
        #expect(problems(["AUTH_MODE": "token"]) == ["AUTH_MODE: token needs API_KEYS or API_KEYS_FILE"])
        for mode in ["none", "claim"] {
            #expect(problems(["AUTH_MODE": mode, "API_KEYS": "a:\(Self.key)"]).count == 1)
            #expect(problems(["AUTH_MODE": mode, "API_KEYS_FILE": "/k"], file: "a:\(Self.key)").count == 1)
        }
        #expect(
            problems(["AUTH_MODE": "token", "API_KEYS_FILE": "/k"], file: "# none\n") == [
                "API_KEYS_FILE: there is no key in /k"
            ]
        )
        #expect(problems(["AUTH_MODE": "token", "API_KEYS_FILE": "/k"]) == ["API_KEYS_FILE: /k: no such file"])
        #expect(problems(["AUTH_MODE": "basic"]).count == 1)
    }

    @Test("nothing that prints settings prints a key")
    func printing() throws {
        let settings = try read(["AUTH_MODE": "token", "API_KEYS": "alice:secret-secret-secret"]).settings
        var dumped = ""
        dump(settings, to: &dumped)
        for text in ["\(settings)", String(reflecting: settings), dumped] {
            #expect(text.contains("alice"))
            #expect(!text.contains("secret-secret"))
        }
    }

    @Test(
        "origins",
        arguments: [
            ("https://app.example", true), ("http://localhost:3000", true), ("*", true),
            ("chrome-extension://abc", true), ("app.example", false),
            ("https://app.example/", false), ("https://", false), ("https://a b", false), ("", false),
        ]
    )
    func origins(text: String, isRight: Bool) {
        #expect(
            problems(["AUTH_MODE": "claim", "CODE_INTERPRETER_CORS_ORIGINS": "https://x," + text]).isEmpty == isRight
        )
    }

    @Test("every page without a key is worth a warning, and so is a server open to all")
    func warnings() throws {
        #expect(try read(["CORS_ORIGINS": "*"]).warnings.count == 1)
        #expect(try read(["CORS_ORIGINS": "*", "AUTH_MODE": "claim"]).warnings.isEmpty)
        #expect(try read(["HOST": "0.0.0.0"]).settings.exposure != nil)
        #expect(try read(["HOST": "127.0.0.1"]).settings.exposure == nil)
        #expect(try read(["HOST": "0.0.0.0", "AUTH_MODE": "claim"]).settings.exposure == nil)
    }

    @Test("settings are read from files and pipes, not beyond a megabyte")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "access-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "keys").path
        try "a:b\n".write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o600)
        #expect(try SettingsFile.read(path).text == "a:b\n")
        #expect(try !SettingsFile.read(path).isReadableByAll)
        chmod(path, 0o604)
        #expect(try SettingsFile.read(path).isReadableByAll)
        for wrong in ["/does/not/exist", "/dev/zero", folder.path] {
            #expect(throws: SettingsFile.Failure.self) { try SettingsFile.read(wrong) }
        }
    }
}
