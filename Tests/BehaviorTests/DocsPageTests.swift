import TestSupport
import Testing

extension NotebookAPI {
    /// The script of /docs, run where there is no browser: on a page that is made of a few objects.
    @Suite("Trying requests in the documentation")
    struct DocsPage {
        /// Draws the page and presses buttons of it; says of each what was sent.
        private static let program = #"""
            class Element {
              constructor(tag) {
                Object.assign(this, {tag, children: [], attributes: {}, listeners: {}, value: '', files: []});
              }
              addEventListener(name, listener) { this.listeners[name] = listener; }
              setAttribute(name, value) { this.attributes[name] = value; }
              append(...children) { this.children.push(...children); }
              replaceChildren(...children) { this.children = children; }
              all(test) {
                const elements = this.children.filter(child => child instanceof Element);
                return elements.flatMap(child => (test(child) ? [child] : []).concat(child.all(test)));
              }
            }
            const page = new Element('main');
            globalThis.document = {
              documentElement: {dataset: {interactive: 'true'}},
              createElement: tag => new Element(tag),
              getElementById: () => page,
            };
            const sent = [];
            globalThis.fetch = async (url, options) => {
              if (url === '/openapi.json') return {json: async () => (__DOCUMENT__)};
              sent.push([url, options]);
              return {status: 200, statusText: 'OK', headers: new Headers(), text: async () => ''};
            };
            new Function(__SCRIPT__)();
            const isDrawn = () => page.all(element => element.tag === 'button').length > 0;
            while (!isDrawn()) await new Promise(done => setTimeout(done, 1));

            async function press(id, values, file) {
              const place = page.all(element => element.attributes.id === id)[0];
              for (const input of place.all(element => element.tag === 'input')) {
                if (input.attributes.type === 'file') input.files = file ? [file] : [];
                else input.value = values[input.attributes.placeholder] ?? '';
              }
              sent.length = 0;
              await place.all(element => element.tag === 'button')[0].listeners.click();
              if (sent.length === 0) return console.log('nothing');
              const [url, options] = sent[0];
              const body = options.body instanceof FormData ? options.body.get('file') : options.body;
              console.log(options.method, url, body instanceof File ? await body.text() : 'no file');
            }
            await press('listWorkspace', {path: 'a b/&c'});
            await press('listWorkspace', {});
            await press('writeWorkspaceFile', {path: 'a/b'});
            await press('writeWorkspaceFile', {path: 'a/b'}, new File(['content'], 'n'));
            await press('uploadFile', {});
            await press('uploadFile', {}, new File(['content'], 'n'));
            """#

        @Test("a query is sent, a file is sent, and without a file nothing is", .needs(.javascriptKernel))
        func requests() async throws {
            let server = try TestServer.current
            let script = try await server.get("/docs/page.js").text
            let document = try await server.get("/openapi.json").text
            let program = Self.program.replacing("__SCRIPT__", with: JSON.string(script).description)
                .replacing("__DOCUMENT__", with: document)
            try await server.withContext(["language": "javascript"]) { context in
                let cell = try await context.run(program, timeout: 60_000)
                let expected = """
                    GET /files?path=a+b%2F%26c no file
                    GET /files no file
                    nothing
                    PUT /files/a%2Fb content
                    nothing
                    POST /v1/files content

                    """
                #expect(cell.stdout == expected, "\(cell)")
            }
        }
    }
}
