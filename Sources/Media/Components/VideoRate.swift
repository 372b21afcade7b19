import Vocabulary

/// `video.fps`: frames onto the grid slot ↔ slot/rate from timeline zero, each slot taking the last frame whose time rounds to it or
/// before. The rule, the rounding (to nearest) and the treatment of the end are those of FFmpeg's `fps` filter, so that
/// the frames are as many as one `ffmpeg` process makes.
///
/// Positions count from the first slot that has a frame, which the group's marks remember. Memory: the frame now held.
final class VideoRate: Component {
  let outlet = Outlet()
  private let rate: Rational
  private var inputBase = Rational(1)
  private var marks = Marks(place: 0, origins: [])
  /// The grid's slot of position 0.
  private var firstSlot: Int64?
  /// The slot to fill next.
  private var next: Int64?
  private var held: Element?
  private var arrived: (element: Element, slot: Int64)?
  /// The slot at which the input ended, once it has.
  private var endSlot: Int64?

  init(_ parameters: Parameters) throws { rate = try parameters.rational("rate", in: Rational(1)...Rational(240)) }

  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] {
    self.marks = marks
    firstSlot = marks[0].map { Int64(bitPattern: $0) }
    if let first, let firstSlot { next = firstSlot + Int64(first) }
    // Which input frame falls on which slot only its time tells.
    return [nil]
  }

  func open(_ input: Int, _ format: MediaFormat) throws {
    inputBase = format.timeBase
    var output = format
    output.timeBase = Rational(rate.denominator, rate.numerator)!
    output.frameRate = rate
    try outlet.open(output)
  }

  func take(_ element: Element, from input: Int) throws {
    let slot = slot(of: element.timestamp)
    if held == nil {
      held = element
      next = next ?? slot
      firstSlot = firstSlot ?? slot
    } else {
      guard let next, slot - next < Int64(rate.value * MediaLimits.jump.seconds) else {
        throw MediaFailure(.truncated, "video timestamps jump from slot \(next ?? 0) to \(slot)")
      }
      arrived = (element, slot)
    }
  }

  func end(_ input: Int) throws {
    guard let held else { return try outlet.end() }
    let last = arrived?.element ?? held
    endSlot = slot(of: last.timestamp + last.duration)
  }

  func proceed() throws -> Bool {
    guard let element = held, let slot = next else { return false }
    if let (newer, newerSlot) = arrived {
      if newerSlot > slot {
        try fill(slot, with: element)
      } else {
        held = newer
        arrived = nil
      }
      return true
    }
    guard let endSlot else { return false }
    if slot < endSlot {
      try fill(slot, with: element)
    } else {
      held = nil
      try outlet.end()
    }
    return true
  }

  private func fill(_ slot: Int64, with element: Element) throws {
    next = slot + 1
    guard let firstSlot, slot >= firstSlot, case .picture(let picture) = element.content else { return }
    let needs = element.before + [marks.note(0, UInt64(bitPattern: firstSlot))]
    try outlet.give(
      Element(
        index: UInt64(slot - firstSlot), timestamp: slot, duration: 1, before: needs, after: needs,
        content: .picture(picture)))
  }

  private func slot(of timestamp: Int64) -> Int64 {
    inputBase.rescale(timestamp, to: Rational(rate.denominator, rate.numerator)!)
  }
}
