import JSON

/// One item of a 422 answer, in the form of pydantic's errors.
struct ValidationIssue: Sendable, Equatable {
    var type: String
    var location: [Place]
    var message: String
    /// What was found there, or the object in which something is missing.
    var input: JSONValue
    var context: Context?

    enum Place: Sendable, Equatable {
        case name(String)
        case index(Int)
    }

    enum Context: Sendable, Equatable {
        case atLeast(Int)
        case error(String)
        /// What an exception becomes in JSON.
        case exception
    }

    func write(to writer: inout JSONWriter) {
        writer.raw("{\"type\":")
        writer.string(type)
        writer.raw(",\"loc\":")
        writer.list(location) { writer, place in
            switch place {
            case .name(let name): writer.string(name)
            case .index(let index): writer.integer(index)
            }
        }
        writer.raw(",\"msg\":")
        writer.string(message)
        writer.raw(",\"input\":")
        writer.value(input)
        switch context {
        case .atLeast(let minimum):
            writer.raw(",\"ctx\":{\"ge\":")
            writer.integer(minimum)
            writer.raw("}")
        case .error(let message):
            writer.raw(",\"ctx\":{\"error\":")
            writer.string(message)
            writer.raw("}")
        case .exception: writer.raw(",\"ctx\":{\"error\":{}}")
        case nil: break
        }
        writer.raw("}")
    }
}

extension ValidationIssue {
    static func missing(_ location: [Place], input: JSONValue) -> ValidationIssue {
        ValidationIssue(type: "missing", location: location, message: "Field required", input: input)
    }

    static func notAnObject(_ location: [Place], input: JSONValue) -> ValidationIssue {
        let message = "Input should be a valid dictionary or object to extract fields from"
        return ValidationIssue(type: "model_attributes_type", location: location, message: message, input: input)
    }

    static func notJSON(_ message: String, offset: Int) -> ValidationIssue {
        ValidationIssue(
            type: "json_invalid",
            location: [.name("body"), .index(offset)],
            message: "JSON decode error",
            input: .object(JSONObject(names: [], values: [])),
            context: .error(message)
        )
    }

    static func notAnUpload(_ text: String) -> ValidationIssue {
        ValidationIssue(
            type: "value_error",
            location: [.name("body"), .name("file")],
            message: "Value error, Expected UploadFile, received: <class 'str'>",
            input: .string(text),
            context: .exception
        )
    }
}
