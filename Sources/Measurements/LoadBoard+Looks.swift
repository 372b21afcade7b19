// What checkers look at. Nothing here changes anything.

extension LoadBoard {
  /// Nodes of which something is held, this one included.
  package var held: Int { nodes.count }
  /// Parts of the report of which most are held.
  package var mostParts: Int { nodes.values.map(\.places.count).max() ?? 0 }
  /// Parts of all reports.
  package var heldParts: Int { parts.count }
  /// Nodes of which something was seen.
  package var observed: Int { observations.count }
  /// Paths that are measured.
  package var followedPaths: Int { paths.count }
  /// Trains on their way to this node.
  package var arrivingTrains: Int { paths.arrivals }
}
