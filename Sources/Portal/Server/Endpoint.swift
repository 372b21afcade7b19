/// Everything that the portal can be asked, in one table: dispatch, 404 against 405, and the test of `openapi.yaml` read it.
enum Endpoint: Hashable {
  case submit
  case services
  case service(String)
  case end(String)
  case serviceEvents(String)
  case allEvents
  case media(String, output: String?)
  case overlay
  case election(String)
  case explanation(String)
  case plan
  case metrics
  case health
  case description
  case page(PageFile)

  /// A row: method, path template as OpenAPI writes it, and how the template's values make an endpoint.
  struct Route: Sendable {
    let method: String
    let template: String
    let make: @Sendable ([String]) -> Endpoint

    init(_ method: String, _ template: String, _ make: @escaping @Sendable ([String]) -> Endpoint) {
      self.method = method
      self.template = template
      self.make = make
    }

    /// The values of the template's braces when `path` fits it.
    func values(in path: [Substring]) -> [String]? {
      let parts = template.split(separator: "/")
      guard parts.count == path.count else { return nil }
      var values: [String] = []
      for (part, given) in zip(parts, path) {
        if part.hasPrefix("{") {
          guard Endpoint.isName(given) else { return nil }
          values.append(String(given))
        } else if part != given {
          return nil
        }
      }
      return values
    }
  }

  static let routes: [Route] =
    [
      Route("POST", "/v1/services") { _ in .submit },
      Route("GET", "/v1/services") { _ in .services },
      Route("GET", "/v1/services/{id}") { .service($0[0]) },
      Route("DELETE", "/v1/services/{id}") { .end($0[0]) },
      Route("GET", "/v1/services/{id}/events") { .serviceEvents($0[0]) },
      Route("GET", "/v1/services/{id}/media") { .media($0[0], output: nil) },
      Route("GET", "/v1/services/{id}/media/{output}") { .media($0[0], output: $0[1]) },
      Route("GET", "/v1/services/{id}/explanation") { .explanation($0[0]) },
      Route("GET", "/v1/events") { _ in .allEvents },
      Route("GET", "/v1/overlay") { _ in .overlay },
      Route("GET", "/v1/elections/{id}") { .election($0[0]) },
      Route("POST", "/v1/plan") { _ in .plan },
      Route("GET", "/metrics") { _ in .metrics },
      Route("GET", "/healthz") { _ in .health },
      Route("GET", "/openapi.yaml") { _ in .description },
    ] + PageFile.all.map { file in Route("GET", file.path) { _ in .page(file) } }

  /// Finds what is asked.
  /// - Throws: 404 for an unknown path, 405 with the methods that the path takes.
  static func find(method: String, path: String) throws(Problem) -> Endpoint {
    let parts = path.split(separator: "/")
    var allowed: [String] = []
    for route in routes {
      guard let values = route.values(in: parts) else { continue }
      if route.method == method { return route.make(values) }
      allowed.append(route.method)
    }
    throw allowed.isEmpty ? .notFound(path) : .methodNotAllowed(method, path: path, allowed: allowed)
  }

  /// IDs and output names in a path: letters, digits, `-`, `_`, `.`; nothing needs percent-encoding.
  static func isName(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.utf8.count <= 128
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
          true
        default: false
        }
      }
  }
}

/// A file of the page, embedded in the program (see `Tools/generate-page`).
struct PageFile: Hashable, Sendable {
  let path: String
  let mimeType: String
  let text: String

  /// The page's files, the API's description not among them.
  static let all = [
    PageFile(path: "/", mimeType: "text/html; charset=utf-8", text: PageSources.index_html),
    PageFile(path: "/page.css", mimeType: "text/css; charset=utf-8", text: PageSources.page_css),
    PageFile(path: "/page.js", mimeType: "text/javascript; charset=utf-8", text: PageSources.page_js),
    PageFile(path: "/elements.js", mimeType: "text/javascript; charset=utf-8", text: PageSources.elements_js),
    PageFile(path: "/overlay.js", mimeType: "text/javascript; charset=utf-8", text: PageSources.overlay_js),
    PageFile(path: "/services.js", mimeType: "text/javascript; charset=utf-8", text: PageSources.services_js),
    PageFile(path: "/player.js", mimeType: "text/javascript; charset=utf-8", text: PageSources.player_js),
    PageFile(path: "/icon.svg", mimeType: "image/svg+xml", text: PageSources.icon_svg),
  ]
}
