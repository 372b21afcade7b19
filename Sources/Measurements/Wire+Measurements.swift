import Base
import Foundation
import Identity
import Vocabulary
import Wire

// Measured values to words and back, each in one place. Shares travel in thousandths, cores in hundredths, throughput in tenths.

/// Bits a second that any network of these years carries.
private let bits: ClosedRange<Int64> = 0...1_000_000_000_000

extension ReportPart.Pulse {
  init(validating wire: WirePulse) throws(InvalidMessage) {
    load = try LoadVector(validating: wire)
    rates = LinkRates(
      upCapacity: try Field.number(wire.rates.upCapacity, "Rates.up_capacity", in: bits),
      downCapacity: try Field.number(wire.rates.downCapacity, "Rates.down_capacity", in: bits),
      upUsed: try Field.number(wire.rates.upUsed, "Rates.up_used", in: bits),
      downUsed: try Field.number(wire.rates.downUsed, "Rates.down_used", in: bits))
    coordinate = try Coordinate(validating: wire.place, "Pulse.place")
    promisedSlots = Int(try Field.number(wire.promisedSlots, "Pulse.promised_slots", in: 0...65_536))
    promisedCores = Double(try Field.number(wire.promisedCores, "Pulse.promised_cores", in: 0...6_553_600)) / 100
  }

  var wire: WirePulse {
    .with {
      $0.ownCpu = scaled(load.ownCPU, 1_000)
      $0.machineCpu = scaled(load.machineCPU, 1_000)
      $0.cpuPressure = scaled(load.cpuPressure, 1_000)
      $0.memory = scaled(load.memory, 1_000)
      $0.deadlineMisses = scaled(load.deadlineMisses, 1_000)
      $0.slotsUsed = UInt32(clamping: load.slotsUsed)
      $0.slots = UInt32(clamping: load.slots)
      $0.cores = scaled(load.cores, 100)
      $0.decodeRate = scaled(load.decodeRate, 10)
      $0.encodeRate = scaled(load.encodeRate, 10)
      $0.filterRate = scaled(load.filterRate, 10)
      $0.rates = .with {
        $0.upCapacity = rates.upCapacity
        $0.downCapacity = rates.downCapacity
        $0.upUsed = rates.upUsed
        $0.downUsed = rates.downUsed
      }
      $0.place = coordinate.mark
      $0.promisedSlots = UInt32(clamping: promisedSlots)
      $0.promisedCores = scaled(promisedCores, 100)
    }
  }

  private func scaled(_ value: Double, _ scale: Double) -> UInt32 {
    value.isFinite ? UInt32(max(0, min(4e9, (value * scale).rounded()))) : 0
  }
}

extension LoadVector {
  init(validating wire: WirePulse) throws(InvalidMessage) {
    func share(_ value: UInt32, _ field: String) throws(InvalidMessage) -> Double {
      Double(try Field.number(value, "Pulse.\(field)", in: 0...1_000)) / 1_000
    }
    func rate(_ value: UInt32, _ field: String) throws(InvalidMessage) -> Double {
      Double(try Field.number(value, "Pulse.\(field)", in: 0...10_000_000)) / 10
    }
    self.init(
      ownCPU: try share(wire.ownCpu, "own_cpu"), machineCPU: try share(wire.machineCpu, "machine_cpu"),
      cpuPressure: try share(wire.cpuPressure, "cpu_pressure"), memory: try share(wire.memory, "memory"),
      deadlineMisses: try share(wire.deadlineMisses, "deadline_misses"),
      slotsUsed: Int(try Field.number(wire.slotsUsed, "Pulse.slots_used", in: 0...65_536)),
      slots: Int(try Field.number(wire.slots, "Pulse.slots", in: 0...65_536)),
      cores: Double(try Field.number(wire.cores, "Pulse.cores", in: 0...6_553_600)) / 100,
      decodeRate: try rate(wire.decodeRate, "decode_rate"), encodeRate: try rate(wire.encodeRate, "encode_rate"),
      filterRate: try rate(wire.filterRate, "filter_rate"))
  }
}

extension ServedStream {
  init(validating wire: WireServed) throws(InvalidMessage) {
    self.init(
      key: StreamKey(try Field.bytes32(wire.stream, "Served.stream")),
      bitrate: try Field.number(wire.bitrate, "Served.bitrate", in: bits),
      spareFanOut: Int(try Field.number(wire.spare, "Served.spare", in: 0...65_536)), firstHeld: wire.firstHeld)
  }
  var wire: WireServed {
    .with {
      $0.stream = key.hash.data
      $0.bitrate = bitrate
      $0.spare = UInt32(max(0, min(spareFanOut, 65_536)))
      $0.firstHeld = firstHeld
    }
  }
}

extension PathRate {
  init(validating wire: WirePathMark) throws(InvalidMessage) {
    self.init(
      to: try Field.node(wire.to, "PathMark.to"),
      capacity: try Field.number(wire.capacity, "PathMark.capacity", in: bits),
      used: try Field.number(wire.used, "PathMark.used", in: bits))
  }
  var wire: WirePathMark {
    .with {
      $0.to = to.data
      $0.capacity = capacity
      $0.used = used
    }
  }
}
