import Base
import Desks
import Elections
import Evidence
import Mandates
import Measurements
import Membership
import Rivals
import Sessions
import Streams
import Vocabulary

// Everything that grows, for the checker that says so when something outgrows its limit. What holds a part of each of many things (callers of
// a ballot, subscribers of a stream) counts where it is largest.

extension Node {
  /// A table, how full it is, and its bound.
  package typealias Size = (name: String, size: Int, limit: Int)

  /// Everything that grows, with its bound.
  package var sizes: [Size] {
    portalSizes + electionSizes + deskSizes + streamSizes + memberSizes + boardSizes
  }

  private var portalSizes: [Size] {
    let under = portal.resolving.count + portal.drawing.count
    let clients = portal.resolving.values.map(\.clients.count) + portal.called.values.map(\.clients.count)
    return [
      ("submissions", under + portal.called.values.count { !$0.isOver }, Limits.submissions),
      ("requests called", portal.called.count, Limits.submissions + Limits.overServices),
      ("clients of one request", clients.max() ?? 0, Limits.waitingClients),
      ("clients that wait for an end", portal.called.values.map(\.ending.count).max() ?? 0, Limits.waitingClients),
      ("idempotency keys", portal.keys.count, 4 * Limits.submissions),
      ("known services", knownServices.count, Limits.knownServices),
      ("inquiries", inquiries.open.count, Limits.inquiries),
      ("peers of one inquiry", inquiries.open.values.map(\.asked.count).max() ?? 0, 2 * Limits.inquiredPeers),
      ("managed services", director.services.count, Limits.services),
      ("manager's notes", notes.count, Limits.services),
      ("known sources", sources.known, 2 * Limits.knownSources),
      ("peers that wait for a source", sources.asking, Limits.submissions),
    ]
  }

  private var electionSizes: [Size] {
    [
      ("ballots", ballots.kept.live, Limits.ballots), ("tombstones", ballots.kept.tombstones, Limits.tombstones),
      ("lapsed ballots", ballots.keptLapsed, Limits.lapsed),
      ("ballots of one client", ballots.mostOfOneClient, Limits.ballotsPerClient),
      ("epochs", ballots.mostEpochs, Limits.epochs), ("callers", ballots.mostCallers, Limits.callers),
      ("waiting snapshots", ballots.mostWaiting, Limits.waitingSnapshots),
      ("earlier claims", ballots.mostEarlierClaims, Limits.earlierClaims),
      ("peers told of an end", ballots.mostToldOfEnd, Limits.electors + Limits.callers),
      ("calls", ballots.waitingCalls, Limits.calls), ("draws", ballots.waitingDraws, Limits.calls),
      ("contests", contests.kept.live, Limits.ballots),
      ("contests' tombstones", contests.kept.tombstones, Limits.tombstones),
      ("contests' callers", contests.mostCallers, Limits.callers),
      ("contests' waiting snapshots", contests.mostWaiting, Limits.waitingSnapshots),
      ("contests' calls", contests.waitingCalls, Limits.calls),
      ("peers told of a contest's end", contests.mostToldOfEnd, Limits.electors + Limits.callers + 1),
      ("proofs of fraud", frauds.proofs.count, Limits.frauds),
      ("unwritten records", unwritten, Limits.unwritten),
    ]
  }

  private var deskSizes: [Size] {
    [
      ("dossiers", desk.remembered, Limits.dossiers), ("promised deliveries", desk.deliveries, Limits.sinks),
      ("standbys of one stream", desk.mostStandbys, Limits.standbysPerStream),
    ]
  }

  private var streamSizes: [Size] {
    [
      ("groups", streams.groups(at: now).count, Limits.groups), ("sinks", streams.deliveries, Limits.sinks),
      ("open sinks", sinks.count, Limits.sinks), ("subscribers", streams.largestAudience, Limits.subscribers),
      ("parked subscriptions", streams.parked, Limits.parkedSubscriptions),
      ("bytes of one window", streams.largestWindow, Limits.windowHard + Limits.retention + Limits.linkMessageBytes),
      ("packets of one window", streams.longestWindow, Node.windowPackets),
      ("packets that wait for clients", streams.unwritten, Limits.windowPackets),
    ]
  }

  /// What no subscriber has acknowledged, and what is kept of the rest, should its packets be empty.
  private static let windowPackets =
    Limits.windowPackets + (Limits.retention + Limits.windowSoft) / Limits.packetOverhead

  private var memberSizes: [Size] {
    [
      ("members", view.count, Limits.members + 1), ("errands", members.openErrands, Limits.errands),
      ("hearsay", members.openHearsay, Limits.hearsay), ("members of a round", members.restOfRound, Limits.members),
      ("news of members", members.openNews, MemberTable.mostNews),
      ("refused records", members.refused.count, Limits.refusedRecords),
      ("addresses", addresses.count, Limits.members), ("guests", guests.count, Limits.guests),
    ]
  }

  private var boardSizes: [Size] {
    [
      ("reports", board.held, Limits.members + 1), ("parts of one report", board.mostParts, Limits.reportParts),
      ("parts of reports", board.heldParts, Limits.reportParts * (Limits.members + 1)),
      ("observed nodes", board.observed, Limits.members), ("paths", board.followedPaths, Limits.members),
      ("arriving trains", board.arrivingTrains, Limits.arrivingTrains),
    ]
  }
}

extension Limits {
  /// What waits for a peer's disk at once: as many writes as it may keep ballots and fences, which it reaches only on a disk that stands
  /// still. Beyond it the peer does not hear what it would have to write down.
  public static let unwritten = 8_192
}
