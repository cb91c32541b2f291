import HTTPTypes
import Hummingbird
import NIOCore

/// GET /openapi.json, and two pages that show it: /docs, where requests can be tried, and /redoc, for reading. They need nothing from elsewhere.
struct DocsRoutes: Sendable {
    let configuration: HTTPAPIConfiguration

    var routes: [Route] {
        [
            Self.fixed("/openapi.json", "application/json", OpenAPIDocument.text(configuration: configuration)),
            Self.page("/docs", DocsPage.html(isInteractive: true)),
            Self.page("/redoc", DocsPage.html(isInteractive: false)),
            Self.fixed(DocsPage.scriptPath, "text/javascript; charset=utf-8", DocsPage.script),
            Self.fixed(DocsPage.stylePath, "text/css; charset=utf-8", DocsPage.style),
        ]
    }

    private static func page(_ path: String, _ html: String) -> Route {
        let policy =
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'"
        return fixed(path, "text/html; charset=utf-8", html, [.contentSecurityPolicy: policy])
    }

    private static func fixed(
        _ path: String,
        _ type: String,
        _ text: String,
        _ headers: HTTPFields = [:]
    ) -> Route {
        let body = ByteBuffer(string: text)
        var headers = headers
        headers[.contentType] = type
        return Route(.get, path) { [headers] _ in
            Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
        }
    }
}
