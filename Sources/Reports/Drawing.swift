// Plots as inline SVG. Colours come from the page's style by class, so that a plot follows a reader's light or dark; whatever the mouse
// rests on says its value.

extension Plot {
  /// An `svg` element that scales with its column.
  public var svg: String {
    switch form {
    case .lines(let lines, let x, let y): Drawing.lines(lines, x: x, y: y, named: title)
    case .bars(let bars, let axis): Drawing.bars(bars, axis, named: title)
    }
  }
}

enum Drawing {
  private static let width = 720.0
  /// Colours of the style sheet.
  static let colours = 8

  static func lines(_ lines: [Plot.Line], x: Plot.Axis, y: Plot.Axis, named title: String) -> String {
    let (left, right, top, height) = (64.0, 40.0, 12.0, 300.0)
    let points = lines.flatMap(\.points)
    let across = Scale(points.map(\.x), x)
    let up = Scale(points.flatMap { [$0.y] + ($0.interval.map { [$0.lowerBound, $0.upperBound] } ?? []) }, y)
    func px(_ value: Double) -> Double { left + across.place(value) * (width - left - right) }
    func py(_ value: Double) -> Double { top + (1 - up.place(value)) * height }
    var parts: [String] = []
    for tick in up.ticks {
      parts.append(rule(left, py(tick), width - right, py(tick), "grid"))
      parts.append(text(left - 8, py(tick) + 4, Figure.plain(tick), "end"))
    }
    for tick in across.ticks {
      parts.append(rule(px(tick), top + height, px(tick), top + height + 4, "axis"))
      parts.append(text(px(tick), top + height + 18, Figure.plain(tick), "middle"))
    }
    parts.append(rule(left, top + height, width - right, top + height, "axis"))
    parts.append(text((left + width - right) / 2, top + height + 38, x.label, "middle", "label"))
    parts.append(
      "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(14 \(n(top + height / 2))) rotate(-90)\">\(escaped(y.label))</text>"
    )
    var colour = -1
    var legend: [(name: String, style: String)] = []
    for line in lines {
      if !line.isPublished || colour < 0 { colour += 1 }
      let style = "c\(colour % colours)" + (line.isPublished ? " published" : "")
      legend.append((line.name, style))
      parts.append(path(line, style, px, py))
      guard !line.isStepped else { continue }
      for point in line.points {
        if let interval = point.interval {
          parts.append(
            rule(px(point.x), py(interval.lowerBound), px(point.x), py(interval.upperBound), "whisker \(style)"))
        }
        let said = "\(line.name): \(Figure.text(point.y)) at \(Figure.text(point.x))"
        parts.append(
          "<circle class=\"dot \(style)\" cx=\"\(n(px(point.x)))\" cy=\"\(n(py(point.y)))\" r=\"3.5\"><title>\(escaped(said))</title></circle>"
        )
      }
    }
    let (drawn, rows) = drawnLegend(legend, left: left, top: top + height + 58)
    return frame(parts + drawn, height: top + height + 58 + Double(rows) * 18, title)
  }

  private static func path(
    _ line: Plot.Line, _ style: String, _ px: (Double) -> Double, _ py: (Double) -> Double
  ) -> String {
    var told = ""
    for (index, point) in line.points.enumerated() {
      let (x, y) = (n(px(point.x)), n(py(point.y)))
      told += index == 0 ? "M\(x) \(y)" : line.isStepped ? "H\(x)V\(y)" : "L\(x) \(y)"
    }
    return "<path class=\"line \(style)\" d=\"\(told)\"><title>\(escaped(line.name))</title></path>"
  }

  private static func drawnLegend(
    _ legend: [(name: String, style: String)], left: Double, top: Double
  ) -> (parts: [String], rows: Int) {
    var parts: [String] = []
    var (x, row) = (left, 0)
    for entry in legend {
      let length = 40 + Double(entry.name.count) * 7
      if x + length > width, x > left { (x, row) = (left, row + 1) }
      let y = top + Double(row) * 18
      parts.append("<path class=\"line \(entry.style)\" d=\"M\(n(x)) \(n(y - 4))h22\"/>")
      parts.append(text(x + 28, y, entry.name, "start"))
      x += length
    }
    return (parts, row + 1)
  }

  static func bars(_ bars: [Plot.Bar], _ axis: Plot.Axis, named title: String) -> String {
    let longest = Double(bars.map(\.name.count).max() ?? 0)
    let (left, right, top, pitch) = (min(260, 24 + longest * 7), 90.0, 8.0, 30.0)
    let height = pitch * Double(bars.count)
    let values = bars.flatMap { [$0.value, $0.published, $0.interval?.upperBound].compactMap(\.self) }
    let scale = Scale(axis.isLogarithmic ? values : values + [0], axis)
    func px(_ value: Double) -> Double { left + scale.place(value) * (width - left - right) }
    var parts: [String] = []
    for tick in scale.ticks {
      parts.append(rule(px(tick), top, px(tick), top + height, "grid"))
      parts.append(text(px(tick), top + height + 18, Figure.plain(tick), "middle"))
    }
    for (index, bar) in bars.enumerated() {
      let y = top + pitch * Double(index)
      parts.append(text(left - 10, y + pitch / 2 + 4, bar.name, "end"))
      var told = "–"
      var end = left
      if let value = bar.value {
        told = Figure.text(value)
        end = px(value)
        let style = bar.isMarked ? "bar marked" : "bar"
        parts.append(
          "<rect class=\"\(style)\" x=\"\(n(left))\" y=\"\(n(y + 6))\" width=\"\(n(max(0, end - left)))\" height=\"\(n(pitch - 12))\"><title>\(escaped("\(bar.name): \(told)"))</title></rect>"
        )
      }
      if let interval = bar.interval {
        let (from, to) = (px(interval.lowerBound), px(interval.upperBound))
        parts.append(rule(from, y + pitch / 2, to, y + pitch / 2, "interval"))
        end = max(end, to)
      }
      if let published = bar.published {
        parts.append(rule(px(published), y + 2, px(published), y + pitch - 2, "mark"))
        told += " (\(Figure.text(published)))"
        end = max(end, px(published))
      }
      parts.append(text(end + 8, y + pitch / 2 + 4, told, "start"))
    }
    parts.append(rule(left, top, left, top + height, "axis"))
    parts.append(text((left + width - right) / 2, top + height + 38, axis.label, "middle", "label"))
    return frame(parts, height: top + height + 48, title)
  }

  // MARK: - Pieces

  private static func frame(_ parts: [String], height: Double, _ title: String) -> String {
    "<svg viewBox=\"0 0 \(n(width)) \(n(height))\" role=\"img\" aria-label=\"\(escaped(title))\">\n"
      + parts.joined(separator: "\n") + "\n</svg>"
  }
  private static func rule(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) -> String {
    "<path class=\"\(style)\" d=\"M\(n(x1)) \(n(y1))L\(n(x2)) \(n(y2))\"/>"
  }
  private static func text(
    _ x: Double, _ y: Double, _ what: String, _ anchor: String, _ style: String = "tick"
  ) -> String {
    "<text class=\"\(style)\" x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\"\(anchor)\">\(escaped(what))</text>"
  }
  private static func n(_ value: Double) -> String { Figure.fixed(value.isFinite ? value : 0, decimals: 1) }
}

/// As text of HTML and SVG.
func escaped(_ text: String) -> String {
  text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing(
    "\"", with: "&quot;")
}
