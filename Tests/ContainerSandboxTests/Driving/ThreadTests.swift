import Execution
import Glibc
import GuestDriving
import Testing

@Suite("Threads")
struct ThreadTests {
    @Test("that the host does not have are an error, not the end of the server")
    func exhausted() async {
        // In a process of its own, which can do without threads.
        await #expect(processExitsWith: .success) {
            Self.forbidThreads()
            do {
                try Thread.start {}
                exit(1)
            } catch SandboxError.unavailable {
                exit(0)
            } catch {
                exit(2)
            }
        }
    }

    /// Gives every later thread of this process a stack for which no address space has room.
    private static func forbidThreads() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 1 << 60)
        typealias SetDefault = @convention(c) (UnsafePointer<pthread_attr_t>) -> Int32
        guard let symbol = dlsym(nil, "pthread_setattr_default_np") else { exit(3) }
        // Safety: that is its type, pthread_setattr_default_np(3); the C library's module does not show it.
        let setDefault = unsafeBitCast(symbol, to: SetDefault.self)
        if setDefault(&attributes) != 0 { exit(4) }
    }
}
