import Base
import Streams
import Vocabulary

/// Watches one sink, as a player would; what it gets is judged by a checker.
struct SimulatedClient {
  let request: RequestID
  let output: String
  /// The ordinal of the request in the scenario; nil for a sink of a request that nobody asked for.
  let ask: Int?
  /// Packets taken.
  private(set) var taken: UInt64 = 0
  private(set) var hasEnded = false
  private(set) var worstGap = Duration.zero
  private(set) var first: Instant?
  private(set) var last: Instant?
  var isClosed = false

  init(request: RequestID, output: String, ask: Int?) {
    self.request = request
    self.output = output
    self.ask = ask
  }

  mutating func take(_ delivery: Streams.Delivery, at now: Instant) {
    switch delivery {
    case .format: break
    case .end: hasEnded = true
    case .packet:
      taken += 1
      if let last { worstGap = max(worstGap, now - last) }
      first = first ?? now
      last = now
    }
  }
}
