import Glibc
import TestSupport

/// Things of the host that a hostile program looks for: services, a secret, names.
struct HostFacts {
    let json: JSON
    let marker: String
    let secretContent: String
    private let descriptors: [Int32]
    private let folder: TemporaryFolder

    /// Opens the services and writes the secret where the server itself could read it.
    init(server: TestServer) throws {
        let number = UInt32.random(in: 1_000_000...UInt32.max)
        marker = "86399.\(number)"
        secretContent = "secret-\(number)-of-the-host"
        folder = try TemporaryFolder("secret")
        let secret = try folder.file("secret.txt", secretContent.utf8)
        let tcp = try HostFacts.listenOnEveryAddress()
        let path = "\(folder.path)/socket"
        let abstract = "attack47-\(number)"
        descriptors = [tcp.descriptor, try HostFacts.listen(unix: path), try HostFacts.listen(unix: "\0" + abstract)]
        json = [
            "server": .number("\(server.port)"), "tcp": .number("\(tcp.port)"), "path": .string(path),
            "abstract": .string(abstract),
            "secret": .string(secret), "marker": .string(marker),
            "addresses": .array(HostFacts.addresses().map(JSON.string)),
            "canary": [.string("canary\(number)"), "tail"],
        ]
    }

    func close() {
        descriptors.forEach { Glibc.close($0) }
        folder.remove()
    }

    private static func listenOnEveryAddress() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // Safety: every call gets the address and its true size, and does not keep the pointer.
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> Int32 in
                guard bind(descriptor, pointer, length) == 0, Glibc.listen(descriptor, 8) == 0 else { return -1 }
                return getsockname(descriptor, pointer, &length)
            }
        }
        guard code == 0 else { throw SystemCallError(call: "bind", object: "0.0.0.0", errno: errno) }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// Listens on a unix socket; a name that begins with NUL is abstract.
    private static func listen(unix name: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(name.utf8)) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
        // Safety: both calls get the address and its true size, and do not keep the pointer.
        let code = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard code == 0, Glibc.listen(descriptor, 8) == 0 else {
            throw SystemCallError(call: "bind", object: name, errno: errno)
        }
        if !name.hasPrefix("\0") { chmod(name, 0o777) }
        return descriptor
    }

    /// The addresses of the host's own interfaces.
    private static func addresses() -> [String] {
        (Host.text("/proc/net/fib_trie") ?? "").split(separator: "\n").filter { $0.contains("|-- ") }
            .compactMap { $0.split(separator: " ").last.map(String.init) }
            .filter { !$0.hasPrefix("127.") && !$0.hasSuffix(".0") && !$0.hasSuffix(".255") }
            .reduce(into: []) { if !$0.contains($1) && $0.count < 4 { $0.append($1) } }
    }
}
