import Foundation

/// What /proc says, as text: reading is done here, understanding in `Measurements`.
enum MachineReader {
  /// A whole file of /proc; nil where the kernel does not have it.
  static func text(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 8192)
    var text: [UInt8] = []
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += buffer[..<count] }
    return String(decoding: text, as: UTF8.self)
  }

  /// Cores that this process may run on.
  static var cores: Int { ProcessInfo.processInfo.activeProcessorCount }
  /// Bytes of the machine's memory.
  static var memory: Int64 { Int64(ProcessInfo.processInfo.physicalMemory) }
}

/// Nanoseconds of the monotonic clock.
func monotonicNanoseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Milliseconds of the wall clock since the Unix epoch.
func wallMilliseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}
