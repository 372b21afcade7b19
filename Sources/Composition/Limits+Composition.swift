import Base

extension Limits {
  /// Nesting of a request document: the deepest field is `video.overlay.text`, level 3; the parser recurses.
  public static let requestDepth = 16
  /// A source's path within its node's share, in UTF-8 bytes: what common file systems allow for a path is 4,096, for a
  /// name 255; a quarter of it keeps envelopes in one datagram.
  public static let sourcePathBytes = 1_024
  /// Text drawn over the picture, in UTF-8 bytes: more does not fit on one line of the widest picture.
  public static let overlayTextBytes = 512
  /// Stages of one graph: a worker is told of at most 64 in a group (`GroupSpec`).
  public static let graphStages = 64
  /// Pixels a side, of what is asked for. What a source has may be larger (16,384).
  public static let pictureSide = 8_192
}

extension Limits {
  /// Showings of one file at a time: each later one begins when all earlier ones have moved on. More than any node has slots for.
  public static let showings: Int64 = 256
  /// Where a stream may start, in milliseconds: a day and more are recordings that nobody asked for by time.
  public static let startMilliseconds: Int64 = 30 * 3_600_000
}

extension Limits {
  /// Pixels a side of a source's picture: as the wire's `Format` allows.
  public static let sourceSide = 16_384
}
