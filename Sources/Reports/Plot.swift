/// A plot as a value: what is drawn, not how; ``svg`` draws it.
public struct Plot: Hashable, Sendable {
  /// Above it.
  public var title: String
  /// How to read it; one sentence or two.
  public var note: String
  /// What is drawn.
  public var form: Form

  /// See the properties.
  public init(title: String, note: String = "", _ form: Form) {
    self.title = title
    self.note = note
    self.form = form
  }

  /// What can be drawn.
  public enum Form: Hashable, Sendable {
    /// Lines over two axes.
    case lines([Line], x: Axis, y: Axis)
    /// A bar for each name, from zero.
    case bars([Bar], axis: Axis)
  }

  /// One axis.
  public struct Axis: Hashable, Sendable {
    /// With its unit.
    public var label: String
    /// Decades instead of equal steps; values must be positive.
    public var isLogarithmic: Bool
    /// The axis reaches at least so far; nil: as far as the data.
    public var most: Double?
    /// See the properties.
    public init(_ label: String, isLogarithmic: Bool = false, most: Double? = nil) {
      self.label = label
      self.isLogarithmic = isLogarithmic
      self.most = most
    }
  }

  /// A point of a line, with its interval where there is one.
  public struct Point: Hashable, Sendable {
    /// Across.
    public var x: Double
    /// Up.
    public var y: Double
    /// From, to.
    public var interval: ClosedRange<Double>?
    /// See the properties.
    public init(_ x: Double, _ y: Double, interval: ClosedRange<Double>? = nil) {
      self.x = x
      self.y = y
      self.interval = interval
    }
  }

  /// One line.
  public struct Line: Hashable, Sendable {
    /// In the legend.
    public var name: String
    /// From left to right.
    public var points: [Point]
    /// Steps between points, as of a distribution.
    public var isStepped: Bool
    /// What others published: dashed, in the colour of the line before.
    public var isPublished: Bool
    /// See the properties.
    public init(_ name: String, _ points: [Point], isStepped: Bool = false, isPublished: Bool = false) {
      self.name = name
      self.points = points
      self.isStepped = isStepped
      self.isPublished = isPublished
    }

    /// The distribution of some values: which share is at most x.
    /// - Parameters:
    ///   - count: of all; those without a value are never at most anything, so that the line ends below 1. Nil: all have one.
    ///   - end: how far the line goes on at its height; nil: to its greatest value.
    public static func distribution(
      _ name: String, of values: [Double], among count: Int? = nil, to end: Double? = nil
    ) -> Line {
      let all = Double(max(count ?? 0, values.count))
      let sorted = values.sorted()
      var points: [Point] = []
      for (index, value) in sorted.enumerated() {
        let share = Double(index + 1) / all
        if index == 0 { points.append(Point(value, 0)) }
        if index > 0, points.last?.x == value {
          points[points.count - 1].y = share
        } else {
          points.append(Point(value, share))
        }
      }
      // More steps than pixels say nothing.
      if points.count > 400 {
        let stride = points.count / 400 + 1
        points = points.indices.filter { $0 % stride == 0 || $0 == points.count - 1 }.map { points[$0] }
      }
      if let end, let last = points.last, last.x < end { points.append(Point(end, last.y)) }
      return Line(name, points, isStepped: true)
    }
  }

  /// One bar.
  public struct Bar: Hashable, Sendable {
    /// Beside it.
    public var name: String
    /// Its length; nil: nothing was measured.
    public var value: Double?
    /// From, to.
    public var interval: ClosedRange<Double>?
    /// What others published, or what is expected: a mark.
    public var published: Double?
    /// Whether it stands out.
    public var isMarked: Bool
    /// See the properties.
    public init(
      _ name: String, _ value: Double?, interval: ClosedRange<Double>? = nil, published: Double? = nil,
      isMarked: Bool = false
    ) {
      self.name = name
      self.value = value
      self.interval = interval
      self.published = published
      self.isMarked = isMarked
    }
  }
}

/// Where values lie on an axis, and what is written along it.
struct Scale {
  let low: Double
  let high: Double
  let isLogarithmic: Bool
  let ticks: [Double]

  /// - Parameter values: all that is to be seen.
  init(_ values: [Double], _ axis: Plot.Axis, fromZero: Bool = true) {
    let seen = (values + [axis.most].compactMap(\.self)).filter { $0.isFinite && (!axis.isLogarithmic || $0 > 0) }
    isLogarithmic = axis.isLogarithmic
    if axis.isLogarithmic {
      var (bottom, top) = (1.0, 1.0)
      let (least, most) = (seen.min() ?? 1, seen.max() ?? 10)
      while bottom > least { bottom /= 10 }
      while bottom * 10 <= least { bottom *= 10 }
      while top < most { top *= 10 }
      while top / 10 >= most { top /= 10 }
      (low, high) = (bottom, max(top, bottom * 10))
      var marks: [Double] = []
      var mark = low
      while mark <= high * 1.001 {
        marks.append(mark)
        mark *= 10
      }
      // One decade alone is marked between, too.
      ticks = marks.count > 2 ? marks : [low, low * 2, low * 5, high]
    } else {
      let bottom = fromZero ? min(0, seen.min() ?? 0) : seen.min() ?? 0
      let top = max(seen.max() ?? 1, bottom + 1e-12)
      let step = Scale.step(top - bottom)
      let first = (bottom / step).rounded(.down) * step
      low = first
      high = (top / step - 1e-9).rounded(.up) * step
      ticks = (0...Int(((high - low) / step).rounded())).map { first + Double($0) * step }
    }
  }

  /// 1, 2 or 5 of some decade, so that four to eight of them fill it.
  private static func step(_ length: Double) -> Double {
    var decade = 1.0
    while decade * 10 < length { decade *= 10 }
    while decade > length { decade /= 10 }
    return [0.2, 0.5, 1, 2, 5].map { $0 * decade }.first { length / $0 <= 6 } ?? decade
  }

  /// 0…1.
  func place(_ value: Double) -> Double {
    guard isLogarithmic else { return (value - low) / (high - low) }
    return (Scale.log10(max(value, low)) - Scale.log10(low)) / (Scale.log10(high) - Scale.log10(low))
  }

  /// To a thousandth, which is less than a pixel: no library of its own for a room that draws.
  private static func log10(_ value: Double) -> Double {
    var (whole, rest) = (0.0, value)
    while rest >= 10 {
      rest /= 10
      whole += 1
    }
    while rest < 1 {
      rest *= 10
      whole -= 1
    }
    // ln(rest) by its area series around 1 of √√rest.
    let root = rest.squareRoot().squareRoot()
    let z = (root - 1) / (root + 1)
    let ln = 8 * (z + z * z * z / 3 + z * z * z * z * z / 5 + z * z * z * z * z * z * z / 7)
    return whole + ln / 2.302_585_092_994_046
  }
}
