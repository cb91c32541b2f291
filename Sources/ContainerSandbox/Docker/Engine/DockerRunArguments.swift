import Settings

/// Flags of `docker run` that an operator wants for every container, as changes of a ``ContainerSpecification``.
///
/// What maps to the Engine API is taken. What would take a wall away or break the guest is refused by name, and so is what is unknown.
package struct DockerRunArguments: Sendable {
    /// What is wrong, all at once, for the operator. Values of environment variables are not in it.
    package struct Problems: Error, Sendable, Equatable, CustomStringConvertible {
        package var texts: [String]

        package var description: String { texts.joined(separator: "\n") }
    }

    typealias Change = @Sendable (inout ContainerSpecification) -> Void

    private var changes: [Change] = []

    /// Reads flags separated and quoted as in a shell; profiles of seccomp that they name are read now.
    package init(parsing text: String) throws(Problems) {
        var words: [String]
        do throws(ShellWords.Failure) {
            words = try ShellWords.split(text)
        } catch {
            switch error {
            case .openQuote(let quote): throw Problems(texts: ["A quotation that begins with \(quote) does not end"])
            case .trailingBackslash: throw Problems(texts: ["A backslash at the end stands before nothing"])
            }
        }
        guard words.count <= Self.maximumWords else {
            throw Problems(texts: ["More than \(Self.maximumWords) words"])
        }
        var problems: [String] = []
        words.reverse()
        while let word = words.popLast() {
            do throws(Problem) {
                changes += try Self.read(word, following: &words)
            } catch {
                problems.append(error.text)
            }
        }
        if !problems.isEmpty { throw Problems(texts: problems) }
    }

    /// Makes the changes, in the order of the flags. Labels and environment variables that are there already stay.
    package func apply(to specification: inout ContainerSpecification) {
        for change in changes { change(&specification) }
    }

    private static let maximumWords = 1000

    struct Problem: Error {
        var text: String

        init(_ text: String) { self.text = text }
    }

    // MARK: One flag

    /// Reads the flag `word`, with its value from `rest` (last first) where it does not carry it.
    private static func read(_ word: String, following rest: inout [String]) throws(Problem) -> [Change] {
        if word.hasPrefix("--"), word.count > 2 {
            let (name, value) = split(word.dropFirst(2))
            return [try take("--\(name)", name, value, &rest)]
        }
        guard word.hasPrefix("-"), word.count > 1 else {
            throw Problem(
                "\(EngineError.legible(word)): only flags that begin with - can stand here, no image and no command"
            )
        }
        return try readShort(word.dropFirst(), &rest)
    }

    /// Reads `-v value`, `-vvalue`, `-v=value`, and several letters without values, `-it`.
    private static func readShort(_ text: Substring, _ rest: inout [String]) throws(Problem) -> [Change] {
        var letters = text
        var changes: [Change] = []
        while let letter = letters.popFirst() {
            guard let name = DockerRunFlag.short[letter] else {
                throw Problem("-\(letter): docker run has no such flag")
            }
            let takesValue = DockerRunFlag.all[name]?.takesValue ?? false
            guard takesValue else {
                changes.append(try take("-\(letter)", name, nil, &rest))
                continue
            }
            let attached = letters.first == "=" ? letters.dropFirst() : letters
            changes.append(try take("-\(letter)", name, letters.isEmpty ? nil : String(attached), &rest))
            break
        }
        return changes
    }

    private static func take(
        _ written: String,
        _ name: String,
        _ attached: String?,
        _ rest: inout [String]
    ) throws(Problem) -> Change {
        guard let flag = DockerRunFlag.all[name] else {
            let near = nearest(to: name, among: DockerRunFlag.all.keys.sorted())
            let hint = near.map { ". Is --\($0) meant?" } ?? ""
            throw Problem("\(EngineError.legible(written)): no flag that is known here\(hint)")
        }
        var value = attached
        if value == nil, flag.takesValue {
            value = rest.popLast()
            if value == nil { throw Problem("\(written): a value is missing") }
        }
        do throws(Problem) {
            return try flag.change(value)
        } catch {
            throw Problem("\(written): \(error.text)")
        }
    }

    private static func split(_ text: Substring) -> (String, String?) {
        guard let place = text.firstIndex(of: "=") else { return (String(text), nil) }
        return (String(text[..<place]), String(text[text.index(after: place)...]))
    }
}
