import CFFmpeg
import Vocabulary

/// `video.scale`: to the asked size, bicubic, as the `scale` filter does by default. Memory: none.
final class VideoScale: Component {
  let outlet = Outlet()
  private let width: Int
  private let height: Int
  private var fitting: Fitting?

  init(_ parameters: Parameters) throws {
    width = try parameters.integer("width", in: 16...8192) & ~1
    height = try parameters.integer("height", in: 16...8192) & ~1
  }

  func open(_ input: Int, _ format: MediaFormat) throws {
    var target = format
    target.width = width
    target.height = height
    // The picture keeps its shape on the screen: its pixels change theirs.
    if format.width > 0, format.height > 0 {
      target.sampleAspect =
        Rational(
          format.sampleAspect.numerator * Int64(height) * Int64(format.width),
          format.sampleAspect.denominator * Int64(width) * Int64(format.height)) ?? Rational(1)
    }
    fitting = Fitting(to: target)
    try outlet.open(target)
  }

  func take(_ element: Element, from input: Int) throws {
    guard case .picture(let picture) = element.content, let fitting else { return }
    try outlet.give(element.with(.picture(try fitting.fit(picture))))
  }
}

/// Brings pictures of any size and pixel format into one, at no cost where they are so already.
final class Fitting {
  let target: MediaFormat
  private var graph: FilterGraph?
  private var graphTakes: (width: Int, height: Int, format: Int32) = (0, 0, -1)

  init(to target: MediaFormat) { self.target = target }

  /// `format` with even sizes and a pixel format out of `allowed`, the first of them where its own is not.
  static func forEncoding(_ format: MediaFormat, allowed: [String]) -> Fitting {
    var target = format
    target.width = max(2, format.width & ~1)
    target.height = max(2, format.height & ~1)
    if !allowed.contains(format.pixelFormat) { target.pixelFormat = allowed[0] }
    if format.pixelFormat.hasPrefix("yuvj") { target.color.range = 1 }
    return Fitting(to: target)
  }

  func fit(_ picture: Picture) throws -> Picture {
    let wanted = target.avPixelFormat?.rawValue ?? -1
    if picture.width == target.width, picture.height == target.height, picture.pixelFormat.rawValue == wanted {
      return picture
    }
    let takes = (picture.width, picture.height, picture.pixelFormat.rawValue)
    if graphTakes != takes {
      var format = target
      (format.width, format.height) = (picture.width, picture.height)
      format.pixelFormat = av_get_pix_fmt_name(picture.pixelFormat).text
      let scale = FilterGraph.Filter(
        name: "scale", options: ["w": "\(target.width)", "h": "\(target.height)", "flags": "bicubic"])
      graph = try FilterGraph([scale], from: format, to: target.pixelFormat)
      graphTakes = takes
    }
    return try graph!.apply(to: picture)
  }
}
