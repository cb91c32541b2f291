import Execution
import JSON
import NIOCore
import Testing

@testable import HTTPAPI

@Suite("Bodies of cells")
struct CellBodyTests {
    @Test(
        "an empty name beside another one is none",
        arguments: [
            (#""context_id":"""#, .defaultOf(language: "")), (#""language":"""#, .defaultOf(language: "")),
            (#""context_id":"","language":"bash""#, .defaultOf(language: "bash")),
            (#""context_id":"a","language":"""#, .id("a")),
        ] as [(String, ContextChoice)]
    )
    func emptyNames(fields: String, choice: ContextChoice) throws {
        let body = try CellBody(ByteBuffer(string: #"{"code":"1",\#(fields)}"#), contentType: nil)
        #expect(body.choice == choice)
    }

    @Test("a thousand variables are taken in their order, one more is refused")
    func limit() throws {
        let members = (0..<CellBody.maximumVariables).map { #""N\#($0)":"\#($0)""# }
        let body = try CellBody(Self.body(members), contentType: nil)
        #expect(body.cell.environment.map(\.name) == members.indices.map { "N\($0)" })
        #expect(Self.refusal(of: Self.body(members + [#""X":"""#])) == "more than 1000")
    }

    @Test("the most variables that a body can hold are refused before any is looked at", .timeLimit(.minutes(1)))
    func tooManyVariables() throws {
        // Beside them there are the body, its code and the object they are in. All have to be compared to their end,
        // and all are wrong.
        let count = JSONParser.maximumValues - 3
        let members = (0..<count).map { "\"the_same_beginning_\($0)\":1" }
        #expect(Self.refusal(of: Self.body(members)) == "more than 1000")
    }

    @Test("a thousand variables that are wrong are told of without looking for each", .timeLimit(.minutes(1)))
    func wrongVariables() throws {
        let beginning = String(repeating: "x", count: 2000)
        let body = Self.body((1000..<2000).map { "\"\(beginning)\($0)\":\($0)" })
        do throws(APIError) {
            _ = try CellBody(body, contentType: nil)
            Issue.record("numbers were taken for texts")
        } catch {
            guard case .invalid(let issues) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(issues.map(\.input) == (1000..<2000).map { JSONValue.integer($0) })
        }
    }

    private static func body(_ variables: [String]) -> ByteBuffer {
        ByteBuffer(string: #"{"code":"","env_vars":{\#(variables.joined(separator: ","))}}"#)
    }

    /// What is wrong with the environment.
    private static func refusal(of body: ByteBuffer) -> String? {
        do throws(APIError) {
            _ = try CellBody(body, contentType: nil)
            return nil
        } catch {
            guard case .badVariable(let reason) = error else { return "another error" }
            return reason
        }
    }
}
