import Base
import CFFmpeg
import Foundation
import Identity
import Vocabulary
import Wire

/// A worker process: says that it is ready, does one job for the node that started it, and exits. Hostile media can crash or exhaust
/// only this process; when the node goes away, so does the worker.
///
/// One thread: it waits for the node, or moves its group while there is credit. After the last output it sends `output_end`. A source that
/// turned out to be damaged is reported by a `failure` just before that.
public struct MediaWorker {
  /// Of the protocol of `worker.proto`.
  public static let version: UInt32 = 1

  private var channel: Channel
  private let parent = getppid()
  private var runner: GroupRunner?
  private let outbox = Outbox()
  private var credit: Int64 = 0
  private var lastProgress = Instant.zero
  private var reportedCPU = 0.0

  /// What the running group has to say, gathered while it runs.
  private final class Outbox {
    var events: [OutputPort.Event] = []
    var consumed: [Int: Int] = [:]
  }

  /// Serves the node at the other end of `descriptor` until the job is done or the node is gone.
  ///
  /// - Returns: the process's exit code: 0 when the job was done or the node left, 1 after a failure, which has been reported.
  public static func run(descriptor: Int32) -> Int32 {
    mr_log_errors_only()
    signal(SIGPIPE, SIG_IGN)
    var worker = MediaWorker(channel: Channel(descriptor: descriptor))
    return worker.serve()
  }

  private init(channel: Channel) { self.channel = channel }

  private mutating func serve() -> Int32 {
    channel.send(
      .ready(
        .with {
          $0.version = Self.version
          $0.components = Catalogue.names
        }))
    do {
      while true {
        try channel.flush()
        for message in try channel.receive() where try obey(message) {
          try drain()
          return 0
        }
        let wait = try advance()
        if runner?.hasEnded == true {
          try drain()
          return 0
        }
        try channel.flush()
        guard wait > 0 else { continue }
        alarm(0)
        runner?.deadlines.lastIdle = .now
        channel.wait(milliseconds: wait)
        // A forgotten copy of the node's descriptor would keep the socket open after its death.
        guard getppid() == parent else { return 0 }
      }
    } catch is Channel.Closed {
      return 0
    } catch {
      channel.send(.failure(Self.failure(error).wire))
      try? drain()
      return 1
    }
  }

  private static func failure(_ error: any Error) -> MediaFailure {
    switch error {
    case let failure as MediaFailure: failure
    case let invalid as InvalidMessage: MediaFailure(.badMessage, "\(invalid)")
    default: MediaFailure(.internal, "\(error)")
    }
  }

  /// Everything goes out before the process ends.
  private mutating func drain() throws {
    while channel.backlog > 0 {
      try channel.flush()
      if channel.backlog > 0 { channel.wait(milliseconds: 500) }
      guard getppid() == parent else { return }
    }
  }

  // MARK: - What the node says

  /// True when the message was a whole job, now done.
  private mutating func obey(_ message: WireToWorker.OneOf_Body) throws -> Bool {
    switch message {
    case .start(let start):
      guard runner == nil else { throw MediaFailure(.badMessage, "a worker runs one group") }
      runner = try runner(for: start)
    case .inputFormat(let input):
      try running().arrive(try MediaFormat(validating: input.format), socket: Int(input.socket))
    case .inputPacket(let input):
      try running().arrive(try Packet(validating: input.packet), socket: Int(input.socket), now: .now)
    case .inputEnd(let input): try running().arriveEnd(socket: Int(input.socket))
    case .credit(let more): credit += Int64(clamping: more.bytes)
    case .probe(let probe):
      channel.send(.probed(try SourceProbe.look(at: probe.path).wire))
      return true
    case .calibrate:
      channel.send(.calibrated(try Calibration.measure()))
      return true
    }
    return false
  }

  private func running() throws -> GroupRunner {
    guard let runner else { throw MediaFailure(.badMessage, "input came before the group") }
    return runner
  }

  private func runner(for start: WireStartGroup) throws -> GroupRunner {
    var job = GroupRunner.Job(group: try GroupSpec(validating: start.group), sourcePath: start.sourcePath)
    if start.resuming {
      let origins = try Origin.list(start.origins, "StartGroup.origins", limit: 64)
      job.resume = (try Position(validating: start.resumeAt, "StartGroup.resume_at"), origins)
    }
    alarm(MediaLimits.stepSeconds)
    return try GroupRunner(
      job, emit: { [outbox] in outbox.events.append($0) },
      onConsumed: { [outbox] in outbox.consumed[$0, default: 0] += $1 })
  }

  // MARK: - The group

  /// Moves the group for a moment, if it may. Answers how many milliseconds there is nothing to do: 0 when there is more.
  private mutating func advance() throws -> Int32 {
    guard let runner else { return 2_000 }
    reportProgress(runner)
    if channel.backlog > 1 << 20 { return 500 }
    let begun = Instant.now
    var now = begun
    var wait: Int32 = 0
    while credit > 0, now - begun < .milliseconds(10) {
      alarm(MediaLimits.stepSeconds)
      let result = try runner.pump(now: now)
      send(runner)
      now = .now
      switch result {
      case .progressed: continue
      case .starved: wait = 500
      case .notBefore(let moment): wait = Int32(clamping: max(1, Int((moment - now).milliseconds.rounded(.up))))
      case .ended: return 0
      }
      break
    }
    return credit > 0 ? min(wait, 500) : 500
  }

  private mutating func send(_ runner: GroupRunner) {
    for event in outbox.events {
      switch event {
      case .format(let format): channel.send(.outputFormat(format.wire))
      case .packet(let packet):
        credit -= Int64(packet.payload.count)
        channel.send(.outputPacket(packet.wire))
      case .end:
        if let damage = runner.damage { channel.send(.failure(damage.wire)) }
        channel.send(.outputEnd(.init()))
      }
    }
    outbox.events.removeAll(keepingCapacity: true)
    for (socket, bytes) in outbox.consumed {
      channel.send(
        .consumed(
          .with {
            $0.socket = UInt32(socket)
            $0.bytes = UInt64(bytes)
          }))
    }
    outbox.consumed.removeAll(keepingCapacity: true)
  }

  private mutating func reportProgress(_ runner: GroupRunner) {
    guard Instant.now - lastProgress >= .milliseconds(500) else { return }
    lastProgress = .now
    let (due, late) = runner.deadlines.take()
    let cpu = ProcessUsage.cpuSeconds
    channel.send(
      .progress(
        .with {
          $0.due = due
          $0.late = late
          $0.cpuSeconds = cpu - reportedCPU
          $0.memoryBytes = ProcessUsage.residentBytes
        }))
    reportedCPU = cpu
  }
}

/// What this process uses.
enum ProcessUsage {
  /// Of all threads, user and system.
  static var cpuSeconds: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// Resident memory; 0 where the system does not say.
  static var residentBytes: UInt64 {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    let fields = text.split(separator: " ")
    return fields.count > 1 ? (UInt64(fields[1]) ?? 0) * UInt64(getpagesize()) : 0
  }
}

extension Instant {
  /// The monotonic clock.
  static var now: Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}
