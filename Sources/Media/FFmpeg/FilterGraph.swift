import CFFmpeg
import Vocabulary

/// Owns a chain of video filters. Options are set one by one on each filter, never written into a description that
/// FFmpeg would parse: so a client's text needs no escaping and cannot become anything but text.
struct FilterGraph: ~Copyable {
  /// One filter and its options.
  struct Filter {
    var name: String
    var options: KeyValuePairs<String, String>
  }

  private let graph: UnsafeMutablePointer<AVFilterGraph>
  private let source: UnsafeMutablePointer<AVFilterContext>
  private let sink: UnsafeMutablePointer<AVFilterContext>

  /// - Parameters:
  ///   - filters: applied in this order.
  ///   - format: of the frames that come in.
  ///   - pixelFormat: of those that go out.
  init(_ filters: [Filter], from format: MediaFormat, to pixelFormat: String) throws {
    let fresh = avfilter_graph_alloc()!
    do {
      fresh.pointee.nb_threads = 1
      let input = try Self.add(
        Filter(
          name: "buffer",
          options: [
            "video_size": "\(format.width)x\(format.height)", "pix_fmt": format.pixelFormat,
            "time_base": "1/1000",
            "pixel_aspect": "\(format.sampleAspect.numerator)/\(format.sampleAspect.denominator)",
          ]), to: fresh)
      var last = input
      for filter in filters + [
        Filter(name: "format", options: ["pix_fmts": pixelFormat]), Filter(name: "buffersink", options: [:]),
      ] {
        let next = try Self.add(filter, to: fresh)
        try check(avfilter_link(last, 0, next, 0), "linking the filter “\(filter.name)”")
        last = next
      }
      try check(avfilter_graph_config(fresh, nil), "configuring \(filters.map(\.name).joined(separator: ", "))")
      (graph, source, sink) = (fresh, input, last)
    } catch {
      var owned: UnsafeMutablePointer<AVFilterGraph>? = fresh
      avfilter_graph_free(&owned)
      throw error
    }
  }

  deinit {
    var owned: UnsafeMutablePointer<AVFilterGraph>? = graph
    avfilter_graph_free(&owned)
  }

  private static func add(
    _ filter: Filter, to graph: UnsafeMutablePointer<AVFilterGraph>
  ) throws -> UnsafeMutablePointer<AVFilterContext> {
    guard let kind = avfilter_get_by_name(filter.name),
      let context = avfilter_graph_alloc_filter(graph, kind, "\(filter.name)\(graph.pointee.nb_filters)")
    else { throw MediaFailure(.unsupported, "FFmpeg was built without the filter “\(filter.name)”") }
    for (name, value) in filter.options {
      try check(
        av_opt_set(context, name, value, AV_OPT_SEARCH_CHILDREN), "\(filter.name): \(name) “\(value)”")
    }
    try check(avfilter_init_str(context, nil), "starting the filter “\(filter.name)”")
    return context
  }

  /// The filtered picture: these filters give one frame for one.
  mutating func apply(to picture: Picture) throws -> Picture {
    let input = try Picture(sharing: picture)
    try check(av_buffersrc_add_frame_flags(source, input.pointer, 0), "filtering")
    let output = Picture()
    guard try step(av_buffersink_get_frame(sink, output.pointer), "filtering") == .done else {
      throw MediaFailure(.internal, "a filter held back a frame")
    }
    return output
  }

  /// Size and pixel aspect of what comes out.
  var outputSize: (width: Int, height: Int, aspect: Rational) {
    (
      Int(av_buffersink_get_w(sink)), Int(av_buffersink_get_h(sink)),
      Rational(av_buffersink_get_sample_aspect_ratio(sink)).flatMap { $0.numerator > 0 ? $0 : nil } ?? Rational(1)
    )
  }
}
