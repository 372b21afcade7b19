/// What was asked, what was run, what came out: for a reader who was not there. ``html`` is one page without any other file or host.
public struct Report: Hashable, Sendable {
  /// Of the page.
  public var title: String
  /// What was asked; paragraphs.
  public var question: [String]
  /// What came out, in a sentence each; first on the page.
  public var answers: [String]
  /// In order.
  public var sections: [Section]
  /// What a reader of the figures must know.
  public var notes: [String]
  /// How the very same comes out again.
  public var again: [String]

  /// See the properties.
  public init(title: String, question: [String] = []) {
    self.title = title
    self.question = question
    answers = []
    sections = []
    notes = []
    again = []
  }

  /// A part of a report.
  public struct Section: Hashable, Sendable {
    /// Above it.
    public var title: String
    /// Paragraphs.
    public var text: [String]
    /// Tables.
    public var tables: [Table]
    /// Plots, after the tables.
    public var plots: [Plot]
    /// See the properties.
    public init(_ title: String, text: [String] = [], tables: [Table] = [], plots: [Plot] = []) {
      self.title = title
      self.text = text
      self.tables = tables
      self.plots = plots
    }
  }

  /// The page.
  public var html: String {
    var body = "<h1>\(escaped(title))</h1>\n"
    body += question.map { "<p class=\"lead\">\(escaped($0))</p>\n" }.joined()
    if !answers.isEmpty { body += "<h2>What came out</h2>\n" + list(answers) }
    for section in sections {
      body += "<h2>\(escaped(section.title))</h2>\n"
      body += section.text.map { "<p>\(escaped($0))</p>\n" }.joined()
      body += section.tables.map(Report.html).joined()
      body += section.plots.map(Report.html).joined()
    }
    if !notes.isEmpty { body += "<h2>What a reader must know</h2>\n" + list(notes) }
    if !again.isEmpty {
      body += "<h2>The same again</h2>\n<pre>\(again.map(escaped).joined(separator: "\n"))</pre>\n"
    }
    return
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
      + "<title>\(escaped(title))</title>\n<style>\(PageStyle.css)</style>\n</head>\n<body>\n<main>\n\(body)</main>\n</body>\n</html>\n"
  }

  private func list(_ items: [String]) -> String {
    "<ul>\n" + items.map { "<li>\(escaped($0))</li>\n" }.joined() + "</ul>\n"
  }

  private static func html(_ table: Table) -> String {
    let head = table.columns.map { "<th scope=\"col\">\(escaped($0))</th>" }.joined()
    let rows = table.rows.map { row in
      let cells = row.enumerated().map { column, cell in
        column == 0 ? "<th scope=\"row\">\(escaped(cell))</th>" : "<td>\(html(cell: cell))</td>"
      }
      return "<tr>\(cells.joined())</tr>\n"
    }
    return
      "<figure>\(caption(table.title, table.note))<div class=\"wide\"><table\(table.isProse ? " class=\"prose\"" : "")>\n<thead><tr>\(head)</tr></thead>\n<tbody>\n"
      + rows.joined() + "</tbody>\n</table></div></figure>\n"
  }

  /// An interval in brackets goes below its figure.
  private static func html(cell: String) -> String {
    guard cell.hasSuffix("]"), let bracket = cell.firstIndex(of: "[") else { return escaped(cell) }
    return escaped(String(cell[..<bracket])) + "<small>\(escaped(String(cell[bracket...])))</small>"
  }

  private static func html(_ plot: Plot) -> String {
    "<figure>\(caption(plot.title, plot.note))\n\(plot.svg)</figure>\n"
  }

  private static func caption(_ title: String, _ note: String) -> String {
    guard !title.isEmpty || !note.isEmpty else { return "" }
    return "<figcaption><strong>\(escaped(title))</strong> \(escaped(note))</figcaption>"
  }
}

enum PageStyle {
  /// Colours after Okabe and Ito, told apart by people who see few.
  static let css = """

    :root { color-scheme: light dark; --ink: #1c2126; --soft: #5d6771; --rule: #d9dee3; --paper: #fdfdfc; --band: #f2f4f5; --mark: #b3261e;
      --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b8860b; --c5: #56b4e9; --c6: #7a5195; --c7: #555; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #a3acb5; --rule: #363d44; --paper: #15181b; --band: #1e2327; --mark: #ff8a80;
      --c0: #4aa8e0; --c1: #ff8f4d; --c2: #2cc79b; --c3: #e6a3cb; --c4: #e0b84c; --c5: #8fd0f5; --c6: #b394d6; --c7: #bbb; } }
    body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
    main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
    h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; text-wrap: balance; }
    h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; }
    .lead { color: var(--soft); font-size: 1.06rem; margin: .4rem 0; }
    p, li { max-width: 46rem; }
    li { margin: .25rem 0; }
    figure { margin: 1.4rem 0 2rem; }
    figcaption { color: var(--soft); font-size: .9rem; margin-bottom: .6rem; max-width: 46rem; }
    figcaption strong { color: var(--ink); }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
    th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: bottom; }
    td small { display: block; color: var(--soft); white-space: nowrap; }
    .prose td { text-align: left; }
    thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--soft); }
    th:first-child { text-align: left; }
    tbody th { font-weight: 600; min-width: 10rem; }
    tbody tr:nth-child(even) { background: var(--band); }
    pre { background: var(--band); padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; }
    svg { width: 100%; max-width: 46rem; height: auto; font: 12px system-ui, sans-serif; }
    svg text { fill: var(--soft); } svg .label { fill: var(--ink); }
    svg path { fill: none; stroke: var(--rule); } svg .axis { stroke: var(--soft); }
    svg .line { stroke-width: 2; stroke-linejoin: round; } svg .published { stroke-dasharray: 5 4; }
    svg .whisker { stroke-width: 1.2; } svg .bar { fill: var(--c0); } svg .marked { fill: var(--c1); }
    svg .interval { stroke: var(--ink); stroke-width: 1.5; } svg .mark { stroke: var(--mark); stroke-width: 3; }
    /* Paper does not scroll: a wide table gets smaller and breaks its words; and it is white. */
    @media print {
      :root { color-scheme: light; --ink: #000; --soft: #444; --rule: #ccc; --paper: #fff; --band: #f2f4f5; --mark: #b3261e;
        --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b8860b; --c5: #56b4e9; --c6: #7a5195; --c7: #555; }
      main { max-width: none; padding: 0; }
      .wide, pre { overflow: visible; }
      pre { white-space: pre-wrap; overflow-wrap: anywhere; }
      table { font-size: .62rem; max-width: 100%; }
      th, td { padding: .2rem .3rem; overflow-wrap: anywhere; }
      thead th { overflow-wrap: normal; } tbody th { min-width: 0; }
      td small { white-space: normal; }
      tr, svg { break-inside: avoid; }
    }

    """
    + (0..<Drawing.colours).map { "svg .c\($0) { stroke: var(--c\($0)); } svg .dot.c\($0) { fill: var(--c\($0)); }\n" }
    .joined()
}
