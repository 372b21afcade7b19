/// Why a portal's answer could not be had.
public enum PortalClientError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Not `http://HOST[:PORT]`.
  case invalidAddress(String)
  /// Nobody listens there, or the way there is broken.
  case unreachable(peer: String, reason: String)
  /// It took the connection and then said nothing.
  case silent(peer: String, seconds: Int)
  /// The portal refused, and says why.
  case refused(Problem)
  /// What answers there is no portal, or a broken one.
  case brokenAnswer(String)
  /// The connection ended in the middle of an answer; a delivery can be resumed.
  case cutOff(peer: String)

  public var description: String {
    switch self {
    case .invalidAddress(let text): "\(text) is not a portal's address; expected http://HOST:PORT"
    case .unreachable(let peer, let reason): "cannot reach the portal at \(peer): \(reason)"
    case .silent(let peer, let seconds): "the portal at \(peer) has not answered for \(seconds) s"
    case .refused(let problem): "\(problem)"
    case .brokenAnswer(let what): "not a portal's answer: \(what)"
    case .cutOff(let peer): "the portal at \(peer) closed the connection in the middle of its answer"
    }
  }
}
