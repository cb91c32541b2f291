import NIOCore
import TestSupport
import Testing

@testable import ContainerSandbox

@Suite("The connection to a guest")
struct GuestConnectionTests {
    @Test("waits until the guest is warm")
    func greeting() async throws {
        let guest = FakeGuest()
        async let greeting = guest.connection.greeting(within: .seconds(10))
        guest.greet()
        #expect(try await greeting.user == 1)
        #expect(try await guest.connection.greeting(within: .zero).isSeparate)
        #expect(guest.connection.ending == nil)
    }

    @Test("gives up a guest that never becomes warm")
    func neverWarm() async throws {
        let guest = FakeGuest()
        await #expect(throws: GuestLost.self) {
            try await withoutHanging("a refusal") {
                try await guest.connection.greeting(within: .milliseconds(10))
            }
        }
        #expect(await guest.isGivenUp())
    }

    @Test("gives up a guest nobody waits for any longer")
    func cancelledGreeting() async throws {
        let guest = FakeGuest()
        let waiting = Task { try await guest.connection.greeting(within: .seconds(60)) }
        waiting.cancel()
        await #expect(throws: GuestLost.self) {
            try await withoutHanging("the end of the wait") { try await waiting.value }
        }
        #expect(await guest.isGivenUp())
    }

    @Test("has whoever waits for the greeting hear of the end")
    func lostBeforeGreeting() async throws {
        let guest = FakeGuest()
        let waiting = Task { try await guest.connection.greeting(within: .seconds(10)) }
        guest.connection.end("it went away")
        await #expect(throws: GuestLost(reason: "it went away")) { try await waiting.value }
        await #expect(throws: GuestLost(reason: "it went away")) {
            try await guest.connection.greeting(within: .seconds(10))
        }
    }

    @Test("closes a transport that comes too late")
    func lateTransport() {
        let guest = FakeGuest()
        let connection = GuestConnection()
        connection.end("it went away")
        connection.start(guest)
        #expect(guest.isClosed)
    }

    static let nonsense: [(Packet.Kind, UInt32, String)] = [
        (.ready, 0, "{}"), (.ready, 1, "{}"), (.stdout, 1, "x"), (.answer, 0, "{}"), (.open, 1, "{}"),
        (.credit, 0, "1234"), (.data, .max, "x"), (.usage, 7, "{}"), (.exit, 0, "{}"),
    ]

    @Test("ends at what belongs to nothing", arguments: nonsense)
    func unexpected(kind: Packet.Kind, stream: UInt32, payload: String) async {
        let guest = FakeGuest()
        guest.greet()
        guest.say(kind, stream, payload)
        #expect(await guest.isGivenUp())
    }

    @Test(
        "ends at a greeting that is none",
        arguments: ["", "[]", "{}", #"{"protocol":"1"}"#, #"{"protocol":1,"uid":1e3}"#]
    )
    func badGreeting(json: String) async {
        let guest = FakeGuest()
        guest.say(.ready, 0, json)
        #expect(await guest.isGivenUp())
    }

    @Test("ends at a second greeting")
    func twice() async {
        let guest = FakeGuest()
        guest.greet()
        #expect(guest.connection.ending == nil)
        guest.greet()
        #expect(await guest.isGivenUp())
    }

    @Test("listens to nothing after its end, and opens nothing")
    func afterTheEnd() throws {
        let guest = FakeGuest()
        guest.greet()
        let request = try guest.connection.ask(GuestOrder.killAll())
        guest.connection.end("it was destroyed")
        guest.answer(UInt32(request.handle))
        guest.saySomething(ByteBuffer(repeating: 0, count: 100))
        #expect(guest.connection.ending == "it was destroyed")
        #expect(throws: GuestLost(reason: "it was destroyed")) { try guest.connection.ask(GuestOrder.killAll()) }
    }

    @Test("ends at a word for a stream that is over")
    func over() async throws {
        let guest = FakeGuest()
        let request = try guest.connection.ask(GuestOrder.killAll())
        guest.answer(UInt32(request.handle))
        _ = try await request.answer()
        guest.answer(UInt32(request.handle))
        #expect(await guest.isGivenUp())
    }

    @Test("asks a guest nothing more that owes too many answers, and gives it up when it ends nothing either")
    func owing() async throws {
        let guest = FakeGuest()
        for _ in 0..<GuestConnection.mostRequests { _ = try guest.connection.ask(GuestOrder.killAll()) }
        #expect { try guest.connection.ask(GuestOrder.killAll()) } throws: { ($0 as? GuestRefusal)?.word == "busy" }
        #expect(guest.connection.ending == nil)
        guest.answer(1)
        _ = try guest.connection.ask(GuestOrder.killAll())
        for _ in 0..<GuestConnection.mostStreams { guest.connection.tell(GuestOrder.close(1)) }
        #expect(await guest.isGivenUp())
    }
}
