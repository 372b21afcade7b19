import Vocabulary

/// The root of every group: turns elements into the packets that the node serves, none before the position asked for, none left out.
final class OutputPort: Component {
  /// What has to be sent, in order.
  enum Event {
    case format(MediaFormat)
    case packet(Packet)
    case end
  }

  let outlet = Outlet()
  let takesPackets = true
  private let emit: (Event) -> Void
  private var first: UInt64?
  private var next: UInt64?

  init(emit: @escaping (Event) -> Void) { self.emit = emit }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] {
    (self.first, next) = (first, first)
    return [first]
  }

  func open(_ input: Int, _ format: MediaFormat) throws { emit(.format(format)) }

  func take(_ element: Element, from input: Int) throws {
    if let first, element.index < first { return }
    if let next, element.index != next {
      throw MediaFailure(.gap, "the group made position \(element.index) where \(next) was due")
    }
    next = element.index + 1
    let (payload, isKey): ([UInt8], Bool) =
      switch element.content {
      case .coded(let bytes, let isKey): (bytes, isKey)
      case .cues(let cues): (CueGrid.encoded(cues), true)
      case .picture, .sound: throw MediaFailure(.internal, "a frame reached the output uncompressed")
      }
    emit(
      .packet(
        Packet(
          position: Position(element.index), timestamp: element.timestamp, duration: element.duration, isKey: isKey,
          origins: element.after, payload: payload)))
  }

  func end(_ input: Int) throws {
    emit(.end)
    try outlet.end()
  }
}
