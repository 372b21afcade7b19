import Foundation
import Testing

@testable import Reports

@Suite struct ReportTests {
  @Test("figures are written with the digits that mean something")
  func figures() {
    #expect(Figure.text(0.001234) == "0.00123" && Figure.text(12.345) == "12.3" && Figure.text(123_456) == "123456")
    #expect(
      Figure.text(-0.5) == "-0.500" && Figure.text(nil) == "–" && Figure.text(.nan) == "–" && Figure.text(0) == "0")
    #expect(Figure.fixed(9.996, decimals: 2) == "10.00" && Figure.fixed(-0.001, decimals: 2) == "0.00")
    #expect(Figure.percent(0.0034) == "0.34 %" && Figure.percent(0.05) == "5 %")
    #expect(Figure.plain(5.0) == "5" && Figure.plain(0.25) == "0.25" && Figure.plain(1_200) == "1200")
  }

  @Test("a table is read back by a reader of CSV, whatever stands in it")
  func csv() {
    var table = Table(columns: ["a", "b, c"])
    table.add(["1", "he said \"no\""])
    table.add(["two\nlines", ""])
    #expect(table.csv == "a,\"b, c\"\n1,\"he said \"\"no\"\"\"\n\"two\nlines\",\n")
  }

  @Test(
    "an axis holds all values, in steps of 1, 2 or 5, or in decades", arguments: [0.003, 0.7, 1, 9.4, 55, 812, 10_000])
  func scale(most: Double) {
    let even = Scale([most / 3, most], Plot.Axis("x"))
    #expect(even.low == 0 && even.high >= most * 0.999 && (3...9).contains(even.ticks.count))
    #expect(even.place(even.low) == 0 && abs(even.place(even.high) - 1) < 1e-9)
    let decades = Scale([most / 3, most], Plot.Axis("x", isLogarithmic: true))
    #expect(decades.low <= most / 3 * 1.001 && decades.high >= most * 0.999)
    let middle = (decades.low * decades.high).squareRoot()
    #expect(abs(decades.place(middle) - 0.5) < 1e-3)
  }

  @Test("a distribution rises from nothing to all, and shows no more steps than can be seen")
  func distribution() {
    let line = Plot.Line.distribution("d", of: (0..<5_000).map { Double($0 % 1_000) })
    #expect(line.points.first == .init(0, 0) && line.points.last?.y == 1 && line.points.count <= 401)
    #expect(zip(line.points, line.points.dropFirst()).allSatisfy { $0.x <= $1.x && $0.y <= $1.y })
    #expect(Plot.Line.distribution("none", of: []).points.isEmpty)
    // One of four never came to anything.
    let some = Plot.Line.distribution("some", of: [3, 1, 2], among: 4, to: 9)
    #expect(some.points == [.init(1, 0), .init(1, 0.25), .init(2, 0.5), .init(3, 0.75), .init(9, 0.75)])
  }

  @Test("the page is whole: well-formed, without any other host or file, and what users write in it is text")
  func page() throws {
    var report = Report(title: "A <b>title</b> & more", question: ["Why?"])
    report.answers = ["because"]
    report.notes = ["n"]
    report.again = ["millrace lab run x.yaml"]
    report.sections = [
      Report.Section(
        "Section", text: ["t"],
        tables: [Table(title: "T", columns: ["name", "ms"], rows: [["<script>", "1 [0, 2]"]])],
        plots: [
          Plot(
            title: "L",
            .lines(
              [
                .init("a", [.init(1, 2, interval: 1...3), .init(10, 3)]), .init("p", [.init(1, 1)], isPublished: true),
              ],
              x: .init("x", isLogarithmic: true), y: .init("y"))),
          Plot(
            title: "B",
            .bars([.init("a", 0.5, interval: 0.2...0.7, published: 0.4), .init("b", nil)], axis: .init("share"))),
        ])
    ]
    let html = report.html
    #expect(!html.contains("<script") && html.contains("&lt;script&gt;") && !html.contains("http"))
    #expect(
      html.contains("<svg") && html.contains("class=\"mark\"") && html.contains("1 <small>[0, 2]</small>")
        && html.contains("published"))
    // Everything that is opened is closed, in order; the head's three empty elements apart.
    var open: [String] = []
    for match in html.matches(of: #/<(/?)([a-z0-9]+)[^>]*?(/?)>/#) {
      let name = String(match.2)
      if ["meta"].contains(name) || !match.3.isEmpty { continue }
      if match.1.isEmpty { open.append(name) } else { #expect(open.popLast() == name) }
    }
    #expect(open == [])
  }
}
