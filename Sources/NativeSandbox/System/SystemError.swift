import Glibc

/// A system call that failed: which, on what, and why.
package struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The name of the call, such as `openat2`.
    package var call: String
    /// What it was about; empty where that says nothing.
    package var object: String
    /// The errno.
    package var code: Int32

    package init(_ call: String, on object: String = "", code: Int32) {
        self.call = call
        self.object = object
        self.code = code
    }

    package var description: String {
        let reason = String(cString: strerror(code))
        return object.isEmpty ? "\(call): \(reason)" : "\(call) \(object): \(reason)"
    }
}

/// Runs a call that answers -1 and sets errno on failure, again after EINTR.
@discardableResult
func systemCall<Value: FixedWidthInteger>(
    _ name: String,
    on object: @autoclosure () -> String = "",
    _ body: () -> Value
) throws(SystemError) -> Value {
    while true {
        let value = body()
        if value != -1 { return value }
        let code = errno
        if code != EINTR { throw SystemError(name, on: object(), code: code) }
    }
}
