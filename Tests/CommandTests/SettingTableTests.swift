import Foundation
import Settings
import Testing

@Suite("The table of settings")
struct SettingTableTests {
    @Test("no two settings share a name, and every default lies in its own range")
    func consistency() throws {
        #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
        let defaults = Setting.all.filter { !$0.defaultText.contains(" ") && !$0.defaultText.isEmpty }
        let environment = Dictionary(uniqueKeysWithValues: defaults.map { ($0.name, $0.defaultText) })
        #expect(try SettingsReader.read(flags: [], environment: environment).settings == Settings())
    }

    @Test(
        "every name of the one-shot contract is known",
        arguments: [
            "HOST", "PORT", "MAX_EXEC_TIMEOUT_MS", "CPU_TIME_LIMIT_SEC", "MEMORY_LIMIT_MB", "MAX_OUTPUT_BYTES",
            "MAX_FILE_SIZE_MB", "FILE_STORAGE_DIR", "FILE_TTL_SEC", "EXECUTOR_BACKEND", "LOG_LEVEL", "LOG_FORMAT",
            "MAX_CONCURRENT_EXECUTIONS", "EXECUTION_QUEUE_TIMEOUT_SEC", "EXECUTION_RETRY_AFTER_SEC",
            "CAPACITY_RETRY_AFTER_SEC",
        ]
    )
    func contract(name: String) {
        #expect(Setting.all.contains { $0.name == name })
    }

    @Test("docs/CONFIGURATION.md lists exactly the settings of the code")
    func documentation() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/CONFIGURATION.md"), encoding: .utf8)
        let documented = text.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| `") }
        let expected = Setting.all.map(row)
        let missing = expected.filter { !documented.contains($0) }
        let stale = documented.filter { !expected.contains($0) }
        #expect(missing.isEmpty, "These rows should be there:\n\(missing.joined(separator: "\n"))")
        #expect(stale.isEmpty, "These rows should go:\n\(stale.joined(separator: "\n"))")
        #expect(documented.count == expected.count && missing.isEmpty == stale.isEmpty)
    }

    private func row(_ setting: Setting) -> String {
        let columns = [
            "`\(setting.name)`", setting.isSecret ? "–" : "`\(setting.flag)`", setting.defaultText, setting.range,
            setting.meaning,
        ]
        return "| " + columns.joined(separator: " | ") + " |"
    }
}
