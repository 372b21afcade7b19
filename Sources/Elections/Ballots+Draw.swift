import Base
import Identity
import Mandates
import Vocabulary

/// A portal's draw: it waits for the electors' lots.
struct PendingDraw: Sendable {
  let envelope: Envelope
  let begun: Instant
  var repetitions = 0
  var lots: OrderedDictionary<NodeID, Signed<Lot>> = [:]
}

// Sortition's one more round: the portal asks every elector for its lot, then the client signs the order that they give. A portal may
// leave out lots, and may throw a draw away and try another: like all grinding this is bounded by admission, not by hashing. What no
// portal and no elector can do is choose the place of a given elector in a given draw.

extension Ballots {
  // MARK: On a portal's wish

  mutating func onDrawWish(_ envelope: Envelope, _ time: Moment) -> [BallotEffect] {
    let draw = envelope.draw(of: node)
    guard draws[draw] == nil else { return [] }
    guard draws.count < Limits.calls else { return [.drawFailed(draw, silent: [])] }
    draws[draw] = PendingDraw(envelope: envelope, begun: time.now)
    return askForLots(draw, time)
  }

  private func askForLots(_ draw: Bytes32, _ time: Moment) -> [BallotEffect] {
    guard let pending = draws[draw] else { return [] }
    let electors = pending.envelope.electorate.members
    let wait = Limits.lotPatience + view.longestRoundTrip(to: electors) * 2
    return electors.filter { pending.lots[$0] == nil }.map { .send($0, .lotCall(draw)) }
      + [.setTimer(.draw(draw), at: time.now + wait)]
  }

  // MARK: On a request for a lot

  /// Any member may ask: a lot says nothing but what it is, and costs some 200 µs.
  mutating func onLotCall(_ draw: Bytes32, from sender: NodeID) -> [BallotEffect] {
    guard view.isAlive(sender) || sender == node else { return [.rejected(sender, .notAMember)] }
    return [.send(sender, .lot(Signed(Lot(draw: draw, by: keys), by: keys)))]
  }

  // MARK: On a lot

  /// Checked here, so that one liar's lot cannot spoil the draw.
  mutating func onLot(_ lot: Signed<Lot>, from sender: NodeID) -> [BallotEffect] {
    guard lot.signer == sender else { return [.rejected(sender, .notTheSender)] }
    guard var pending = draws[lot.body.draw], pending.lots[sender] == nil else { return [] }
    guard pending.envelope.electorate.contains(sender) else { return [.rejected(sender, .notAnElector)] }
    do { _ = try sender.output(of: lot.body.proof, on: Lot.input(lot.body.draw)) } catch {
      return [.rejected(sender, .lot(error))]
    }
    pending.lots[sender] = lot
    draws[lot.body.draw] = pending
    return pending.lots.count == pending.envelope.electorate.size ? finish(lot.body.draw) : []
  }

  // MARK: On silence

  /// All but f are enough; fewer are asked again, for as long as a call would take.
  mutating func onDrawTimer(_ draw: Bytes32, _ time: Moment) -> [BallotEffect] {
    guard let pending = draws[draw] else { return [] }
    let electorate = pending.envelope.electorate
    if pending.lots.count >= electorate.size - electorate.faults { return finish(draw) }
    guard time.now - pending.begun < Limits.callPatience else {
      draws[draw] = nil
      return [.drawFailed(draw, silent: electorate.members.filter { pending.lots[$0] == nil })]
    }
    return askForLots(draw, time)
  }

  private mutating func finish(_ draw: Bytes32) -> [BallotEffect] {
    guard let pending = draws.removeValue(forKey: draw) else { return [] }
    let evidence = pending.envelope.electorate.members.compactMap { pending.lots[$0]?.envelope }
    var envelope = pending.envelope
    guard
      let order = try? CandidateOrder(
        by: .sortition, for: envelope, of: node, from: evidence, using: &verified)
    else { return [.drawFailed(draw, silent: [])] }
    envelope.order = order
    return [.drawn(draw, envelope, evidence: evidence)]
  }
}
