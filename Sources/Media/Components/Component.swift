import Vocabulary

// A group is a tree of components, its leaves read the file or the sockets, its root makes the group's one output.
// Media is pushed from leaf to root; which leaf moves next is asked from root to leaf. So no queue can outgrow
// what one component needs: an input that nobody wants is not read.

/// What flows between the components of a group: one position of a stream.
struct Element {
  /// The position's index, consecutive on its stream.
  var index: UInt64
  /// Presentation time in the stream's time base, from timeline zero.
  var timestamp: Int64
  /// In the stream's time base; 0 when unknown.
  var duration: Int64
  /// What the group's inputs must hold to make this element and all after it again.
  var before: [Origin]
  /// What they must hold to make all after it.
  var after: [Origin]
  var content: Content

  enum Content {
    case picture(Picture)
    /// One slot: interleaved samples, nominally within ±1.
    case sound([Float])
    /// The cues that start in this slot.
    case cues([Cue])
    /// Compressed, or muxed.
    case coded([UInt8], isKey: Bool)
  }

  /// The same place with other content.
  func with(_ content: Content) -> Element {
    var copy = self
    copy.content = content
    return copy
  }
}

/// A caption: text over a span of the timeline.
struct Cue: Hashable {
  /// Milliseconds.
  var start: Int64
  /// Milliseconds; after ``start``.
  var end: Int64
  /// Plain text, lines parted by `\n`.
  var text: String
}

/// What a stage does to a stream. One instance lives as long as its group.
protocol Component: AnyObject {
  /// Where its output goes.
  var outlet: Outlet { get }
  /// It wants what a link carries as it is, without decoding.
  var takesPackets: Bool { get }
  /// Told once, before anything else: the first output that is wanted (nil: all that the origins allow), and the marks
  /// that this stage left in the origins of the last packet before it. Answers the same question for each input.
  func resume(at first: UInt64?, marks: Marks) -> [UInt64?]
  /// An input's format; once per input, before its elements.
  func open(_ input: Int, _ format: MediaFormat) throws
  /// The next element of an input.
  func take(_ element: Element, from input: Int) throws
  /// An input is over.
  func end(_ input: Int) throws
  /// Does a piece of work that needs no input, such as one of many frames repeated over a hole; false if there is none.
  func proceed() throws -> Bool
  /// The input that it needs next.
  var wanted: Int { get }
}

extension Component {
  var takesPackets: Bool { false }
  func resume(at first: UInt64?, marks: Marks) -> [UInt64?] { [first] }
  func end(_ input: Int) throws { try outlet.end() }
  func proceed() throws -> Bool { false }
  var wanted: Int { 0 }
}

/// The edge from a component to the one that takes its output.
final class Outlet {
  private(set) var format: MediaFormat?
  private(set) var hasEnded = false
  private var consumer: (any Component)?
  private var input = 0

  /// Makes `consumer` take this output as its input of that number.
  func connect(to consumer: any Component, input: Int) {
    self.consumer = consumer
    self.input = input
  }

  func open(_ format: MediaFormat) throws {
    self.format = format
    try consumer?.open(input, format)
  }
  func give(_ element: Element) throws { try consumer?.take(element, from: input) }
  func end() throws {
    guard !hasEnded else { return }
    hasEnded = true
    try consumer?.end(input)
  }
}

/// Notes that a stage leaves for its own replacement in the origins of packets: numbers that no input's position can
/// tell, such as where its grid begins. They travel as origins of inputs beyond all real ones; nodes pass them on unread.
struct Marks {
  /// Marks have input numbers from here.
  static let base = Origin.firstMark
  /// At most this many a stage.
  static let perStage: UInt32 = 16

  private let first: UInt32
  private let origins: [Origin]

  /// - Parameters:
  ///   - place: the stage's place in its group, counted from the output: a muxer, always last, has the same wherever its inputs are made.
  ///   - origins: of the packet after which the group resumes; empty at the start, or to start over.
  init(place: Int, origins: [Origin]) {
    first = Marks.base + UInt32(place) * Marks.perStage
    self.origins = origins
  }

  /// The group begins at the start of its inputs.
  var areOfStart: Bool { origins.isEmpty }

  /// The number noted before; nil at the very start.
  subscript(number: Int) -> UInt64? {
    origins.first { $0.input == first + UInt32(number) }?.position.index
  }

  /// A note to be read by ``subscript(_:)`` later.
  func note(_ number: Int, _ value: UInt64) -> Origin {
    Origin(input: first + UInt32(number), position: Position(value), timestamp: nil)
  }
}

/// Remembers what it takes to get recent elements again, for components whose output depends on a window of input.
struct Trail {
  private var held: [(index: UInt64, before: [Origin])] = []
  private let window: Int

  /// - Parameter window: elements remembered.
  init(window: Int) { self.window = window }

  mutating func note(_ element: Element) {
    held.append((element.index, element.before))
    if held.count > window { held.removeFirst(held.count - window) }
  }

  /// What it takes to get the element `index` again; for one not remembered any more, or not yet, the nearest remembered.
  func needed(for index: Int64) -> [Origin] {
    (held.last { Int64($0.index) <= index } ?? held.first)?.before ?? []
  }
}
