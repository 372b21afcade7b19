/// Bounds of the worker, each with its reason.
enum MediaLimits {
  /// Pixels of a picture: 8K. A header that claims more is hostile or a mistake.
  static let pixels = 8192 * 4608
  /// Bytes that wait in one input before it is said that the node ignores `consumed`: far beyond any window.
  static let queuedInputBytes = 256 << 20
  /// A source's timestamps may jump ahead by this much; a longer hole is damage, not silence.
  static let jump = Duration.seconds(3600)
  /// Opening a source and looking at its first packets.
  static let probe = Duration.seconds(15)
  /// One step of a group without an answer from FFmpeg: hostile input; the worker dies of it, alone.
  static let stepSeconds: UInt32 = 30
  /// A muxed chunk is cut at a key frame, or when it is this long.
  static let chunk = Duration.milliseconds(200)
  /// Packets looked at when telling variable from constant rate.
  static let probedPackets = 300
  /// Live pacing lets this much media go at once, so that a player can fill its buffer.
  static let burst = Duration.seconds(1)
  /// A live source that fell back by more than its burst and this much does not catch up.
  static let pacingSlack = Duration.seconds(5)
  /// Cues in one slot, and bytes of one cue: beyond it, not captions.
  static let cuesPerSlot = 64
  /// See ``cuesPerSlot``.
  static let cueBytes = 2_048
}
