import Base

// What checkers look at. Nothing here changes anything.

extension MemberTable {
  /// Probes for others that are under way.
  package var openErrands: Int { errands.count }
  /// Members that are being asked because somebody else's view holds them for dead.
  package var openHearsay: Int { probes.values.count(where: \.isHearsay) }
  /// Who is still to be probed in this round.
  package var restOfRound: Int { round.count }
  /// News on their way.
  package var openNews: Int { outgoing.count }
  /// At most: of each member, and of this peer, its own word, or the doubts of those who first had one.
  package static let mostNews = (Limits.members + 1) * (Limits.suspicionConfirmations + 1)
}
