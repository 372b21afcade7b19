import Base
import CFFmpeg
import Foundation
import Vocabulary
import Wire

/// How fast this machine's core is, in megapixels a second, measured in well under a second on a moving test picture.
enum Calibration {
  private static let (width, height) = (640, 360)
  private static let share = Duration.milliseconds(180)

  static func measure() throws -> WireCalibration {
    alarm(10)
    let pictures = try (0..<8).map(testPicture)
    var format = MediaFormat(kind: .video, codec: MediaFormat.Uncompressed.video, timeBase: Rational(1, 30)!)
    (format.width, format.height, format.pixelFormat) = (width, height, "yuv420p")
    format.frameRate = Rational(30)

    let collector = Collector()
    let encode = VideoEncode(
      .init(encoder: "libx264", options: ["preset": "veryfast", "tune": "zerolatency"], gop: 30, bitrate: 1_000_000))
    encode.outlet.connect(to: collector, input: 0)
    try encode.open(0, format)
    let encoding = try rate { index in try encode.take(element(index, .picture(pictures[index % 8])), from: 0) }

    let unpacker = try VideoUnpacker(collector.format!)
    let packets = collector.packets
    let decoding = try rate { index in
      // Round again from the first packet, a key frame.
      _ = try unpacker.unpack(element(index, packets[index % packets.count].content))
    }

    var half = format
    (half.width, half.height) = (width / 2, height / 2)
    let fitting = Fitting(to: half)
    let filtering = try rate { index in _ = try fitting.fit(pictures[index % 8]) }
    return .with {
      $0.encodeRate = encoding
      $0.decodeRate = decoding
      $0.filterRate = filtering
    }
  }

  /// Megapixels of CPU time's second: what others do on the machine meanwhile does not count.
  private static func rate(_ body: (Int) throws -> Void) throws -> Double {
    let begun = ProcessUsage.cpuSeconds
    let deadline = Instant.now + share
    var count = 0
    while Instant.now < deadline {
      try body(count)
      count += 1
    }
    return Double(count * width * height) / 1e6 / max(ProcessUsage.cpuSeconds - begun, 1e-6)
  }

  private static func element(_ index: Int, _ content: Element.Content) -> Element {
    Element(index: UInt64(index), timestamp: Int64(index), duration: 1, before: [], after: [], content: content)
  }

  /// A gradient under a moving texture: neither flat nor noise.
  private static func testPicture(_ step: Int) throws -> Picture {
    let picture = Picture()
    picture.pointer.pointee.format = AV_PIX_FMT_YUV420P.rawValue
    picture.pointer.pointee.width = Int32(width)
    picture.pointer.pointee.height = Int32(height)
    try check(av_frame_get_buffer(picture.pointer, 0), "room for a picture")
    let lines = [
      picture.pointer.pointee.linesize.0, picture.pointer.pointee.linesize.1, picture.pointer.pointee.linesize.2,
    ]
    let planes = [picture.pointer.pointee.data.0!, picture.pointer.pointee.data.1!, picture.pointer.pointee.data.2!]
    for plane in 0..<3 {
      let shift = plane == 0 ? 0 : 1
      for y in 0..<height >> shift {
        for x in 0..<width >> shift {
          let texture = ((x + step * 3) ^ (y + step)) & 31
          planes[plane][y * Int(lines[plane]) + x] = UInt8(truncatingIfNeeded: (x + y) / 6 + texture)
        }
      }
    }
    return picture
  }

  private final class Collector: Component {
    let outlet = Outlet()
    private(set) var format: MediaFormat?
    private(set) var packets: [Element] = []
    func open(_ input: Int, _ format: MediaFormat) throws { self.format = format }
    func take(_ element: Element, from input: Int) throws { packets.append(element) }
  }
}
